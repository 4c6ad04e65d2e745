package api

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	web "github.com/weirhq/weir/proxy/page"
)

// table answers with lines for a spreadsheet, none of whose cells is a formula.
func (c *call) table(lines [][]string) (answer, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, line := range lines {
		safe := make([]string, len(line))
		for i, cell := range line {
			safe[i] = web.CSVCell(cell)
		}
		if err := w.Write(safe); err != nil {
			return answer{}, fmt.Errorf("write a table: %w", err)
		}
	}
	w.Flush()
	c.media = "text/csv; charset=utf-8"
	return answer{status: http.StatusOK, raw: b.Bytes()}, w.Error()
}

// table has the rows, the totals, and what is outside of them if anything is.
func (a *MarginAnswer) table() [][]string {
	figures := []string{"currency", "revenue", "margin", "margin_percent", "estimated"}
	lines := [][]string{append(costHead(a.By), figures...)}
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	for _, r := range append(slices.Clone(a.Rows), a.Totals) {
		lines = append(lines, append(r.cells(a.By), string(r.Currency), r.Revenue, text(r.Margin), text(r.Percent), strconv.FormatBool(r.Estimated)))
	}
	if a.Outside != "0" {
		line := make([]string, len(lines[0]))
		line[0], line[slices.Index(lines[0], "currency")], line[slices.Index(lines[0], "revenue")] = "outside", string(a.Totals.Currency), a.Outside
		lines = append(lines, line)
	}
	return lines
}

func (a *CostAnswer) table() [][]string {
	lines := [][]string{costHead(a.By)}
	for _, r := range append(slices.Clone(a.Rows), a.Totals) {
		lines = append(lines, r.cells(a.By))
	}
	return lines
}

// named reports whether values of a dimension have names beside them.
func named(by string) bool { return by == "customer" || by == "key" }

// costHead is what the cells of a row are called: unknown lists the dimensions of
// which the value is not known, so that an empty cell is none.
func costHead(by []string) []string {
	head := []string{"row"}
	for _, d := range by {
		if head = append(head, d); named(d) {
			head = append(head, d+"_name")
		}
	}
	return append(head, "unknown", "groups", "requests", "cost_usd", "unpriced")
}

func (r *CostRow) cells(by []string) []string {
	cells := []string{string(r.Kind)}
	var unknown []string
	for i, d := range by {
		var g Group
		if i < len(r.Groups) {
			g = r.Groups[i]
		}
		value := ""
		switch {
		case g.Value != nil:
			value = *g.Value
		case g.By != "":
			unknown = append(unknown, d)
		}
		if cells = append(cells, value); named(d) {
			cells = append(cells, g.Name)
		}
	}
	return append(cells, strings.Join(unknown, " "), strconv.Itoa(r.Count), strconv.FormatInt(r.Requests, 10), r.Cost.String(), strconv.FormatInt(r.Unpriced, 10))
}
