package catalogue

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/weirhq/weir/metering"
)

// Layer is the rows of one level. It is not changed after it was made.
type Layer struct {
	Level   Level
	Version string // decided by the rows alone: equal rows have equal versions
	Rows
}

// NewLayer identifies the rates and modifiers of rows and returns them as a
// layer, or every problem that Check finds.
func NewLayer(level Level, rows Rows) (*Layer, error) {
	rows = rows.identified(level)
	if err := rows.Check(); err != nil {
		return nil, fmt.Errorf("layer %s: %w", level, err)
	}
	text, err := rows.Encode()
	if err != nil {
		return nil, fmt.Errorf("layer %s: %w", level, err)
	}
	return &Layer{Level: level, Version: VersionOf(text), Rows: rows}, nil
}

// Encode writes rows as JSON, equal rows as equal bytes.
func (r *Rows) Encode() ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write rows of prices: %w", err)
	}
	return text, nil
}

// Decode reads what Encode writes. An unknown field is an error.
func Decode(text []byte) (Rows, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var r Rows
	if err := d.Decode(&r); err != nil {
		return Rows{}, fmt.Errorf("read rows of prices: %w: %w", err, metering.ErrInvalid)
	}
	if _, err := d.Token(); err != io.EOF {
		return Rows{}, fmt.Errorf("read rows of prices: something follows them: %w", metering.ErrInvalid)
	}
	return r, nil
}
