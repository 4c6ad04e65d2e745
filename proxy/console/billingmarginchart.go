package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/proxy/page"
)

// marginDrawn is how many groups the chart has.
const marginDrawn = 20

// marginChart draws days and hours as lines and other groups as their margins.
func marginChart(q marginQuery, rows []marginRow) *page.Chart {
	by := strings.Join(q.By, " and ")
	chart := &page.Chart{Title: "Margin by " + by, Kind: page.Bars, Unit: page.UnitUSD, Axis: marginHead(q.By[0])}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r marginRow) bool { return r.Kind == invoicing.RowOthers })
	if len(rows) == 0 || rows[0].Currency != billing.USD {
		return chart
	}
	drawn := slices.Clone(rows[:min(len(rows), marginDrawn)])
	value := func(name string, of func(marginRow) string) page.Series {
		s := page.Series{Name: name}
		for _, row := range drawn {
			s.Values = append(s.Values, of(row))
		}
		return s
	}
	margin := func(r marginRow) string { return r.Margin }
	lines := q.lined()
	if lines {
		drawn = overTime(q.Period, by, rows)
		chart.Title, chart.Kind, chart.Partial = "Revenue, cost and margin per "+by, page.Lines, q.Period.Running()
		chart.Series = []page.Series{
			value("Revenue", func(r marginRow) string { return r.Revenue }),
			value("Cost", func(r marginRow) string { return r.Cost.String() }),
			value("Margin", margin),
		}
		chart.Series[1].Slot, chart.Series[2].Slot = 1, 2
	} else {
		chart.Series = []page.Series{value("Margin", margin)}
	}
	losing, groups := 0, 0
	for _, row := range rows {
		if row.Kind == invoicing.RowGroup {
			groups++
		}
		if row.Losing {
			losing++
		}
	}
	for _, row := range drawn {
		chart.Labels = append(chart.Labels, row.Name())
	}
	chart.Summary = fmt.Sprintf("%d of %d groups by %s cost more than earned.", losing, groups, by)
	if len(drawn) < len(rows) && !lines {
		chart.Summary += fmt.Sprintf(" Drawn are the %d with the lowest margin.", len(drawn))
	}
	return chart
}

// lined reports whether the chart is of the whole time, for which all of it has to
// be known.
func (q marginQuery) lined() bool {
	by := q.By[0]
	return len(q.By) == 1 && (by == page.Daily || by == page.Hourly && len(q.Period.Buckets(by)) <= maxHourly)
}

// overTime has a row for every day or hour of the period that has begun: in those
// without usage nothing was earned and nothing spent.
func overTime(p page.Period, bucket string, rows []marginRow) []marginRow {
	layout := time.DateOnly
	if bucket == page.Hourly {
		layout = time.RFC3339
	}
	var out []marginRow
	for _, at := range p.Buckets(bucket) {
		i := slices.IndexFunc(rows, func(r marginRow) bool { return r.Kind == invoicing.RowGroup && r.Values[0] == at.Format(layout) })
		row := marginRow{MarginRow: invoicing.MarginRow{Currency: rows[0].Currency, Revenue: "0", Margin: "0"}}
		if i >= 0 {
			row = rows[i]
		}
		row.Cells = []marginCell{{Name: page.BucketLabel(at, bucket)}}
		out = append(out, row)
	}
	return out
}
