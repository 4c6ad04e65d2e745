package portal

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirhq/weir/proxy/page"
)

// file is the rows of a page for programs: as CSV, or as JSON objects by the
// names of the columns. Figures are exact.
type file struct {
	name    string // without the ending
	columns []string
	rows    [][]string
	// counts are the columns that are whole numbers in JSON; the others are text.
	counts map[string]bool
	totals []string // of the columns; nil: none. In JSON alone: a CSV is summed by its reader
	more   bool     // rows are missing at the end
}

// export answers with the file, by the ending of the path.
func (s *Server) export(w http.ResponseWriter, r *http.Request, f file) error {
	if f.more {
		w.Header().Set("X-Weir-Truncated", "true")
	}
	if !strings.HasSuffix(r.URL.Path, ".json") {
		if err := page.WriteCSV(w, f.name+".csv", f.columns, f.rows); err != nil {
			s.gone(r, err)
		}
		return nil
	}
	body, err := f.encode()
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(body); err != nil {
		s.gone(r, err)
	}
	return nil
}

func (f file) encode() ([]byte, error) {
	out := struct {
		Rows      []map[string]any `json:"rows"`
		Totals    map[string]any   `json:"totals,omitempty"`
		Truncated bool             `json:"truncated"`
	}{make([]map[string]any, 0, len(f.rows)), nil, f.more}
	for _, row := range f.rows {
		out.Rows = append(out.Rows, f.object(row))
	}
	if f.totals != nil {
		out.Totals = f.object(f.totals)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.name, err)
	}
	return append(body, '\n'), nil
}

func (f file) object(row []string) map[string]any {
	o := make(map[string]any, len(row))
	for i, name := range f.columns {
		switch {
		case !f.counts[name]:
			o[name] = row[i]
		case row[i] == "":
			o[name] = nil
		default:
			o[name] = json.Number(row[i])
		}
	}
	return o
}

// twins are the links to the files of a page.
type twins struct{ CSV, JSON string }

// twinsOf are the files at a path, asked for as the page was, with parameters
// changed.
func twinsOf(r *http.Request, path string, pairs ...any) (twins, error) {
	var out twins
	for ending, link := range map[string]*string{".csv": &out.CSV, ".json": &out.JSON} {
		u := *r.URL
		u.Path, u.RawPath = path+ending, ""
		text, err := page.Query(&u, pairs...)
		if err != nil {
			return out, err
		}
		*link = text
	}
	return out, nil
}
