package api

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/billing/invoicing"
	web "github.com/weirhq/weir/proxy/page"
)

// table answers with a report for a spreadsheet, none of whose cells is a formula.
func (c *call) table(r invoicing.MarginReport, by []string, names *lookup) (answer, error) {
	lines, err := r.Table(by, func(by, value string) (string, error) {
		g, err := names.group(by, value)
		return g.Name, err
	})
	if err != nil {
		return answer{}, err
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, line := range lines {
		for i, cell := range line {
			line[i] = web.CSVCell(cell)
		}
		if err := w.Write(line); err != nil {
			return answer{}, fmt.Errorf("write a table: %w", err)
		}
	}
	w.Flush()
	c.media = "text/csv; charset=utf-8"
	return answer{status: http.StatusOK, raw: b.Bytes()}, w.Error()
}
