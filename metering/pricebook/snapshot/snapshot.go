package snapshot

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	// Calendars and allowances name zones, and a host need not have their list.
	_ "time/tzdata"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

//go:embed embedded/*.csv overlay/*.csv
var files embed.FS

// Layers returns the embedded layer and the overlay.
func Layers() ([]*catalogue.Layer, error) {
	var out []*catalogue.Layer
	for _, level := range []catalogue.Level{catalogue.Embedded, catalogue.Overlay} {
		dir, err := fs.Sub(files, level.String())
		if err != nil {
			return nil, fmt.Errorf("prices of the program: %w", err)
		}
		rows, err := Read(dir)
		if err != nil {
			return nil, fmt.Errorf("prices of the program, %s: %w", level, err)
		}
		l, err := catalogue.NewLayer(level, rows)
		if err != nil {
			return nil, fmt.Errorf("prices of the program: %w", err)
		}
		out = append(out, l)
	}
	return out, nil
}

// Read reads the five tables of a directory; a file that is not there is a table
// without rows.
func Read(dir fs.FS) (catalogue.Rows, error) {
	var rows catalogue.Rows
	for _, t := range tables() {
		text, err := fs.ReadFile(dir, t.file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return catalogue.Rows{}, fmt.Errorf("read prices: %w", err)
		}
		if err := t.read(string(text), &rows); err != nil {
			return catalogue.Rows{}, fmt.Errorf("%s: %w", t.file, err)
		}
	}
	return rows, nil
}
