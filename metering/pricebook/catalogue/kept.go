package catalogue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Kept is one content that a layer had, as a database tells of it without the
// rows.
type Kept struct {
	Level   Level
	N       int64  // from 1, counts up within the level; the highest is in force
	Version string // as Layer has it
	At      metering.Micros
	Note    string // what changed, for people
	Size    int64  // bytes of the rows as Encode writes them
	Counts  Counts
}

// Counts are how many rows each table has.
type Counts struct {
	SKUs      int `json:"skus"`
	Matches   int `json:"matches"`
	Rates     int `json:"rates"`
	Modifiers int `json:"modifiers"`
	Calendars int `json:"calendars"`
	Plans     int `json:"plans"`
}

// Counts counts the rows.
func (r *Rows) Counts() Counts {
	return Counts{len(r.SKUs), len(r.Matches), len(r.Rates), len(r.Modifiers), len(r.Calendars), len(r.Plans)}
}

// Ref names the content of a layer.
type Ref struct {
	Level   Level  `json:"layer"`
	Version string `json:"version"`
}

// Ref is what names the layer.
func (l *Layer) Ref() Ref { return Ref{l.Level, l.Version} }

// String is the layer and its version, "sync:9f86d081884c".
func (r Ref) String() string { return r.Level.String() + ":" + r.Version }

// UsedBook is the composition of a book that prices were taken from.
type UsedBook struct {
	Version   string
	Layers    []Ref // low to high
	FirstUsed metering.Micros
}

// Restore reads a layer from what Encode wrote of it. Its rows are not checked
// again: what they meant once they mean for ever. A text whose version is
// another is ErrInvalid.
func Restore(ref Ref, text []byte) (*Layer, error) {
	if v := VersionOf(text); v != ref.Version {
		return nil, fmt.Errorf("layer %s has the content of version %s: %w", ref, v, metering.ErrInvalid)
	}
	rows, err := Decode(text)
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", ref, err)
	}
	return &Layer{Level: ref.Level, Version: ref.Version, Rows: rows}, nil
}

// VersionOf is the version of the rows that Encode wrote as text.
func VersionOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}
