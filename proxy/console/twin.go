package console

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
	more   bool // rows are missing at the end
}

// maxExport is how many rows a file of calls has at most.
const maxExport = 10_000

// export answers with the file, by the ending of the path.
func (s *Server) export(w http.ResponseWriter, r *http.Request, f file) error {
	if f.more {
		w.Header().Set("X-Weir-Truncated", "true")
	}
	var err error
	if strings.HasSuffix(r.URL.Path, ".json") {
		err = f.writeJSON(w)
	} else {
		err = page.WriteCSV(w, f.name+".csv", f.columns, f.rows)
	}
	if err != nil {
		s.opts.Logger.DebugContext(r.Context(), "the reader of a file is gone", "error", err)
	}
	return nil
}

func (f file) writeJSON(w http.ResponseWriter) error {
	type object = map[string]any
	out := struct {
		Rows      []object `json:"rows"`
		Truncated bool     `json:"truncated"`
	}{make([]object, 0, len(f.rows)), f.more}
	for _, row := range f.rows {
		o := make(object, len(row))
		for i, name := range f.columns {
			if f.counts[name] {
				o[name] = json.Number(row[i])
			} else {
				o[name] = row[i]
			}
		}
		out.Rows = append(out.Rows, o)
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode %s: %w", f.name, err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(append(body, '\n')); err != nil {
		return fmt.Errorf("write %s: %w", f.name, err)
	}
	return nil
}

// twins are the links to the files of a page: the same path and question.
type twins struct{ CSV, JSON string }

func twinsOf(r *http.Request) (twins, error) {
	var out twins
	for ending, link := range map[string]*string{".csv": &out.CSV, ".json": &out.JSON} {
		u := *r.URL
		u.Path, u.RawPath = u.Path+ending, ""
		text, err := page.Query(&u)
		if err != nil {
			return out, err
		}
		*link = text
	}
	return out, nil
}
