package metering_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

func TestNewID_sorts(t *testing.T) {
	t.Parallel()
	var last metering.ID
	for range 10_000 {
		id, err := metering.NewID()
		if err != nil {
			t.Fatal(err)
		}
		if id.String() <= last.String() {
			t.Fatalf("%s was made after %s", id, last)
		}
		last = id
	}
}

func TestID_text(t *testing.T) {
	t.Parallel()
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := metering.ParseID(id.String())
	if err != nil || parsed != id {
		t.Errorf("ParseID(%s) = %s, %v", id, parsed, err)
	}
	b, err := id.AppendText([]byte("id="))
	if err != nil || string(b) != "id="+id.String() {
		t.Errorf("AppendText = %q, %v", b, err)
	}
	for _, bad := range []string{"", "x", id.String()[:35], id.String() + "0"} {
		if _, err := metering.ParseID(bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("ParseID(%q) = %v, want ErrInvalid", bad, err)
		}
	}
}

func TestID_JSON(t *testing.T) {
	t.Parallel()
	id, err := metering.NewID()
	if err != nil {
		t.Fatal(err)
	}
	for want, id := range map[string]metering.ID{`"` + id.String() + `"`: id, "null": {}} {
		b, err := json.Marshal(id)
		if err != nil || string(b) != want {
			t.Errorf("Marshal(%s) = %s, %v; want %s", id, b, err, want)
		}
		back := metering.ID{1}
		if err := json.Unmarshal(b, &back); err != nil || back != id {
			t.Errorf("Unmarshal(%s) = %s, %v", b, back, err)
		}
	}
	for _, bad := range []string{`1`, `"x"`, `{}`} {
		if err := json.Unmarshal([]byte(bad), new(metering.ID)); err == nil {
			t.Errorf("%s was read as an id", bad)
		}
	}
}

// TestMicros_Hour: an hour begins at or before each of its instants, in the
// years before 1970 too.
func TestMicros_Hour(t *testing.T) {
	t.Parallel()
	const hour = metering.Micros(time.Hour / time.Microsecond)
	f := func(m, want metering.Micros) {
		t.Helper()
		if got := m.Hour(); got != want {
			t.Errorf("Hour(%d) = %d, want %d", m, got, want)
		}
	}
	f(0, 0)
	f(1, 0)
	f(hour-1, 0)
	f(hour, hour)
	f(-1, -hour)
	f(-hour, -hour)
	f(-hour-1, -2*hour)
	rapid.Check(t, func(rt *rapid.T) {
		m := metering.Micros(rapid.Int64Range(-1<<60, 1<<60).Draw(rt, "instant"))
		h := m.Hour()
		if h > m || m-h >= hour || h != metering.MicrosOf(m.Time().Truncate(time.Hour)) {
			rt.Errorf("Hour(%d) = %d", m, h)
		}
	})
}

func TestMicros_Time(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 25, 12, 30, 0, 123_456_789, time.FixedZone("x", 3600))
	m := metering.MicrosOf(at)
	if got, want := m.Time(), at.UTC().Truncate(time.Microsecond); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
