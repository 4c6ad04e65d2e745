package page

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// File is the rows of a page for programs: as CSV, or as JSON objects by the
// names of the columns. Figures are exact.
type File struct {
	Name    string // without the ending
	Columns []string
	Rows    [][]string
	// Counts are the columns that are whole numbers in JSON; the others are text.
	// One that is empty is null.
	Counts map[string]bool
	Totals []string // of the columns; nil: none. In JSON alone: a CSV is summed by its reader
	More   bool     // rows are missing at the end
}

// Write answers with the file, by the ending of the path. gone is that the
// reader has left; err is ours.
func (f File) Write(w http.ResponseWriter, r *http.Request) (gone, err error) {
	if f.More {
		w.Header().Set("X-Weir-Truncated", "true")
	}
	if !strings.HasSuffix(r.URL.Path, ".json") {
		return WriteCSV(w, f.Name+".csv", f.Columns, f.Rows), nil
	}
	body, err := f.encode()
	if err != nil {
		return nil, err
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write %s: %w", f.Name, err), nil
	}
	return nil, nil
}

func (f File) encode() ([]byte, error) {
	out := struct {
		Rows      []map[string]any `json:"rows"`
		Totals    map[string]any   `json:"totals,omitempty"`
		Truncated bool             `json:"truncated"`
	}{make([]map[string]any, 0, len(f.Rows)), nil, f.More}
	for _, row := range f.Rows {
		out.Rows = append(out.Rows, f.object(row))
	}
	if f.Totals != nil {
		out.Totals = f.object(f.Totals)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Name, err)
	}
	return append(body, '\n'), nil
}

func (f File) object(row []string) map[string]any {
	o := make(map[string]any, len(row))
	for i, name := range f.Columns {
		switch {
		case !f.Counts[name]:
			o[name] = row[i]
		case row[i] == "":
			o[name] = nil
		default:
			o[name] = json.Number(row[i])
		}
	}
	return o
}

// Twins are the links to the files of a page.
type Twins struct{ CSV, JSON string }

// TwinsOf are the files at a path, asked for as the page was, with parameters
// changed.
func TwinsOf(r *http.Request, path string, pairs ...any) (Twins, error) {
	var out Twins
	for ending, link := range map[string]*string{".csv": &out.CSV, ".json": &out.JSON} {
		u := *r.URL
		u.Path, u.RawPath = path+ending, ""
		text, err := Query(&u, pairs...)
		if err != nil {
			return out, err
		}
		*link = text
	}
	return out, nil
}
