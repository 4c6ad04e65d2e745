package invoicing

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Table is the report as lines for a spreadsheet, its head first: the rows, the
// total, and what is outside of it if anything is. Values that are not known are
// empty like those that are none, and the cell unknown lists their dimensions.
// name is what the id of a customer or a key is called, in a cell beside it.
func (r MarginReport) Table(by []string, name func(by, value string) (string, error)) ([][]string, error) {
	head := []string{"row"}
	for _, d := range by {
		if head = append(head, d); named(d) {
			head = append(head, d+"_name")
		}
	}
	head = append(head, "unknown", "groups", "requests", "cost_usd", "unpriced")
	billed := r.Outside != ""
	if billed {
		head = append(head, "currency", "revenue", "margin", "margin_percent", "estimated")
	}
	lines := [][]string{head}
	for _, row := range append(slices.Clone(r.Rows), r.Totals) {
		line, err := row.cells(by, name)
		if err != nil {
			return nil, err
		}
		if billed {
			line = append(line, string(row.Currency), row.Revenue, row.Margin, row.Percent, strconv.FormatBool(row.Estimated()))
		}
		lines = append(lines, line)
	}
	if billed && r.Outside != "0" {
		line := make([]string, len(head))
		line[0], line[slices.Index(head, "currency")], line[slices.Index(head, "revenue")] = "outside", string(r.Totals.Currency), r.Outside
		lines = append(lines, line)
	}
	return lines, nil
}

// named reports whether values of a dimension are ids of what has a name.
func named(by string) bool { return by == "customer" || by == "key" }

// Estimated reports whether figures of a row may still change.
func (r MarginRow) Estimated() bool { return r.Open || r.Unpriced > 0 }

func (r MarginRow) cells(by []string, name func(by, value string) (string, error)) ([]string, error) {
	cells := []string{string(r.Kind)}
	var unknown []string
	for i, d := range by {
		value, called := "", ""
		if i < len(r.Values) {
			value = r.Values[i]
		}
		if value == metering.GroupUnknown {
			value, unknown = "", append(unknown, d)
		}
		if named(d) && value != "" {
			var err error
			if called, err = name(d, value); err != nil {
				return nil, err
			}
		}
		if cells = append(cells, value); named(d) {
			cells = append(cells, called)
		}
	}
	return append(cells, strings.Join(unknown, " "), strconv.Itoa(r.Groups), strconv.FormatInt(r.Requests, 10), r.Cost.String(), strconv.FormatInt(r.Unpriced, 10)), nil
}
