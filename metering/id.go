package metering

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// DefaultOrg is the organisation that exists from the first migration. Rows of
// an installation that never makes another one all carry it.
const DefaultOrg = "default"

// ID identifies an event. It is a UUIDv7: it sorts by creation time, and the
// time inside it chooses the partition the event is stored in. The zero ID
// means none.
type ID [16]byte

// NewID returns an identifier that sorts after those made before it in this
// process.
func NewID() (ID, error) {
	u, err := uuid.NewV7()
	if err != nil {
		return ID{}, fmt.Errorf("make event id: %w", err)
	}
	return ID(u), nil
}

// ParseID reads the text form of an identifier.
func ParseID(s string) (ID, error) {
	u, err := uuid.Parse(s)
	if err != nil {
		return ID{}, fmt.Errorf("event id %q: %w", s, ErrInvalid)
	}
	return ID(u), nil
}

// String returns the canonical 36-character form.
func (id ID) String() string { return uuid.UUID(id).String() }

// AppendText appends the canonical form to b.
func (id ID) AppendText(b []byte) ([]byte, error) {
	var text [36]byte
	t, err := uuid.UUID(id).MarshalText()
	if err != nil {
		return b, err
	}
	copy(text[:], t)
	return append(b, text[:]...), nil
}

// Time is when the identifier was made, to the millisecond.
func (id ID) Time() Micros {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return Micros(ms * 1000)
}

// IsZero reports whether id is absent.
func (id ID) IsZero() bool { return id == ID{} }

// MarshalJSON writes the canonical form, and null for the zero ID.
func (id ID) MarshalJSON() ([]byte, error) {
	if id.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(id.String())
}

// UnmarshalJSON reads the canonical form or null.
func (id *ID) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*id = ID{}
		return nil
	}
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("event id: %w", err)
	}
	parsed, err := ParseID(s)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// Micros is an instant in microseconds since 1970 UTC, the resolution every
// store keeps. Zero means unknown.
type Micros int64

// MicrosOf returns t at the resolution of the stores.
func MicrosOf(t time.Time) Micros { return Micros(t.UnixMicro()) }

// Time returns the instant in UTC.
func (m Micros) Time() time.Time { return time.UnixMicro(int64(m)).UTC() }

// Hour returns the start of the UTC hour that contains m: the key of a rollup.
func (m Micros) Hour() Micros {
	const hour = int64(time.Hour / time.Microsecond)
	h := int64(m) / hour
	if int64(m) < 0 && int64(m)%hour != 0 {
		h--
	}
	return Micros(h * hour)
}
