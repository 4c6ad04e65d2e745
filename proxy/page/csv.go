package page

import (
	"encoding/csv"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/weirhq/weir/metering"
)

// CSVCell is s as a cell that no spreadsheet takes for a formula: what begins
// with =, +, -, @, a tab or a line end gets an apostrophe before it, unless it
// is a plain number. Spreadsheets also look behind leading spaces.
func CSVCell(s string) string {
	bare := strings.TrimLeft(s, " ")
	if bare == "" || !strings.ContainsRune("=+-@\t\r\n", rune(bare[0])) {
		return s
	}
	if _, err := metering.ParseNumber(s); err == nil {
		return s
	}
	return "'" + s
}

// WriteCSV answers with a file of that name. The error is the reader's: the
// answer has begun.
func WriteCSV(w http.ResponseWriter, filename string, header []string, rows [][]string) error {
	h := w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": filename}))
	out := csv.NewWriter(w)
	safe := make([]string, 0, len(header))
	for _, row := range append([][]string{header}, rows...) {
		safe = safe[:0]
		for _, cell := range row {
			safe = append(safe, CSVCell(cell))
		}
		if err := out.Write(safe); err != nil {
			return fmt.Errorf("write %s: %w", filename, err)
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write %s: %w", filename, err)
	}
	return nil
}
