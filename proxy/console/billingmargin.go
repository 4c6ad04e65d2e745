package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// marginPage compares what was earned with what it cost.
type marginPage struct {
	Period page.Period
	By     string
	Groups []string
	Head   string // of the first column
	Rows   []marginRow
	More   int // groups beyond those that are shown
	Totals marginRow
	Tiles  []page.Tile
	Chart  *page.Chart
	CSV    string // URL of the same figures as a file
	Fault  string // why there are no figures
	Stated string // what providers state of the same time; empty: nothing
}

// marginRow is a group as the page shows it.
type marginRow struct {
	invoicing.MarginRow
	Group  string // the value of the dimension
	Name   string
	Link   string // to what the group is; empty: nothing
	Losing bool   // it cost more than it earned
}

// RevenueHTML and MarginHTML are the figures as an estimate reads, with the
// exact ones as title.
func (r marginRow) RevenueHTML() template.HTML { return amountHTML(r.Revenue, r.Currency) }

// MarginHTML is what is left of the revenue; a dash where that is not known.
func (r marginRow) MarginHTML() template.HTML {
	if r.Margin == "" {
		return page.TextHTML("–")
	}
	return amountHTML(r.Margin, r.Currency)
}

const (
	// marginShown is how many groups the table has; the file has all of them.
	marginShown = 200
	// marginDrawn is how many groups the chart has.
	marginDrawn = 20
)

// marginQuery is what the URL asks for.
type marginQuery struct {
	org    string
	by     string
	period page.Period
}

func (b *billingPages) marginQuery(r *http.Request) (marginQuery, error) {
	q := marginQuery{org: b.org(r), by: r.URL.Query().Get("by")}
	if q.by == "" {
		q.by = "customer"
	}
	if err := invoicing.CheckDimensions([]string{q.by}); err != nil {
		return q, err
	}
	var err error
	q.period, err = page.ParsePeriod(r.URL.Query(), b.now(), "month")
	return q, err
}

// margins are the rows that the page, the chart and the file share.
func (b *billingPages) margins(ctx context.Context, q marginQuery, names int) ([]marginRow, marginRow, error) {
	report, err := b.Biller.Margins(ctx, invoicing.MarginQuery{Org: q.org, From: q.period.From, To: q.period.To, By: []string{q.by}})
	if err != nil {
		return nil, marginRow{}, err
	}
	rows, who := make([]marginRow, 0, len(report.Rows)), b.parties(q.org)
	for i, m := range report.Rows {
		row := marginRow{MarginRow: m, Group: m.Values[0], Name: m.Values[0], Losing: strings.HasPrefix(m.Margin, "-")}
		switch {
		case m.Kind == invoicing.RowUnattributed:
			row.Name = "cannot be told apart by " + q.by
		case row.Group == metering.GroupUnknown:
			row.Name = "not recorded"
		case row.Group == "":
			row.Name = nameless(q.by)
		case q.by == "customer" && i < names:
			c, err := who.customer(ctx, row.Group)
			if err != nil && !errors.Is(err, metering.ErrNotFound) {
				return nil, marginRow{}, fmt.Errorf("customer of a margin: %w", err)
			}
			if err == nil {
				row.Name, row.Link = cmp.Or(c.Name, c.ExternalID), b.base+"/customers/"+c.ID
			}
		}
		rows = append(rows, row)
	}
	return rows, marginRow{MarginRow: report.Totals, Name: "Total", Losing: strings.HasPrefix(report.Totals.Margin, "-")}, nil
}

// nameless names the group that has no name.
func nameless(by string) string {
	switch by {
	case "product":
		return "no subscription"
	case "customer":
		return "no customer"
	default:
		return "no " + by
	}
}

func (b *billingPages) showMargin(w http.ResponseWriter, r *http.Request) {
	q, err := b.marginQuery(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data := marginPage{Period: q.period, By: q.by, Groups: invoicing.Dimensions(), Head: marginHead(q.by)}
	if data.CSV, err = b.asFile(r, "/margin.csv"); err != nil {
		b.site.Fail(w, r, err)
		return
	}
	rows, totals, err := b.margins(r.Context(), q, marginShown)
	switch {
	case errors.Is(err, metering.ErrInvalid):
		data.Fault = plain(err) // customers pay in several currencies
	case err != nil:
		b.site.Fail(w, r, err)
		return
	default:
		data.Rows, data.More = rows[:min(len(rows), marginShown)], max(0, len(rows)-marginShown)
		if data.Stated, err = b.stated(r.Context(), q); err != nil {
			b.site.Fail(w, r, err)
			return
		}
		data.Totals, data.Tiles, data.Chart = totals, marginTiles(totals.MarginRow, ""), marginChart(q, rows)
	}
	b.site.Render(w, r, http.StatusOK, "billing-margin", data)
}

// stated says how what providers state of the calls of a period compares with what
// the price book says.
func (b *billingPages) stated(ctx context.Context, q marginQuery) (string, error) {
	rows, err := b.metering.StatedCosts(ctx, metering.StatedQuery{Org: q.org, From: q.period.From, To: q.period.To})
	if err != nil {
		return "", fmt.Errorf("stated costs: %w", err)
	}
	var sum metering.StatedSums
	for i := range rows {
		sum.Add(&rows[i].StatedSums)
	}
	if sum.Compared == 0 {
		return "", nil
	}
	return fmt.Sprintf("Of %s calls the provider states a cost that the price book has too: $%s stated, $%s by the book; %s of them differ by more than 0.1 %%. weir pricebook stated has them by model.",
		page.Number(sum.Compared), sum.StatedCompared, sum.Computed, page.Number(sum.Differing)), nil
}

func marginHead(by string) string {
	if label, ok := strings.CutPrefix(by, "tag:"); ok {
		return "Label " + label
	}
	return map[string]string{
		"customer": "Customer", "product": "Product", "day": "Day (UTC)", "hour": "Hour (UTC)", "model": "Model", "provider": "Provider", "key": "Key", "upstream": "Upstream", "run": "Run", "period": "Billing period",
	}[by]
}

// marginTiles are the figures at the top. link leads to what makes them; empty
// where that is the same page.
func marginTiles(t invoicing.MarginRow, link string) []page.Tile {
	revenue := page.Tile{Label: "Revenue", Value: amountHTML(t.Revenue, t.Currency), Link: link, Note: "closed periods, before rounding"}
	if t.Open {
		revenue.Label, revenue.Note = "Revenue (estimate)", "accrued so far; periods are still open"
	}
	cost := page.Tile{Label: "Upstream cost", Value: page.CostHTML(t.Cost), Link: link, Note: "of the priced calls"}
	if t.Unpriced > 0 {
		cost.State, cost.Note = "warn", "of the priced calls; unpriced: "+page.Number(t.Unpriced)
	}
	margin := page.Tile{Label: "Margin", Value: page.TextHTML("–"), Link: link, Note: "revenue is not in USD, which upstream costs are in"}
	if t.Margin != "" {
		margin.Value, margin.Note = amountHTML(t.Margin, t.Currency), "revenue less upstream cost"
		if t.Percent != "" {
			margin.Note = t.Percent + " % of revenue"
		}
		margin.State = "ok"
		if strings.HasPrefix(t.Margin, "-") {
			margin.State = "bad"
		}
	}
	return []page.Tile{revenue, cost, margin}
}

// amountHTML is an accrued amount as an estimate reads: its exact value is in
// the table and the file.
func amountHTML(decimal string, currency billing.Currency) template.HTML {
	if currency == billing.USD {
		if markup, ok := page.DollarsHTML(decimal); ok {
			return markup
		}
	}
	return page.MoneyHTML(decimal, string(currency))
}

// marginChart draws days as lines and other groups as their margins.
func marginChart(q marginQuery, rows []marginRow) *page.Chart {
	chart := &page.Chart{Title: "Margin by " + q.by, Kind: page.Bars, Unit: page.UnitUSD, Axis: marginHead(q.by)}
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
	if q.by == "day" {
		drawn = daily(q.period, rows)
		chart.Title, chart.Kind, chart.Partial = "Revenue, cost and margin per day", page.Lines, q.period.Running()
		chart.Series = []page.Series{
			value("Revenue", func(r marginRow) string { return r.Revenue }),
			value("Cost", func(r marginRow) string { return r.Cost.String() }),
			value("Margin", margin),
		}
		chart.Series[1].Slot, chart.Series[2].Slot = 1, 2
	} else {
		chart.Series = []page.Series{value("Margin", margin)}
	}
	losing := 0
	for _, row := range rows {
		if row.Losing {
			losing++
		}
	}
	for _, row := range drawn {
		chart.Labels = append(chart.Labels, row.Name)
	}
	chart.Summary = fmt.Sprintf("%d of %d %ss cost more than earned.", losing, len(rows), q.by)
	if len(drawn) < len(rows) && q.by != "day" {
		chart.Summary += fmt.Sprintf(" Drawn are the %d with the lowest margin.", len(drawn))
	}
	return chart
}

// daily has a row for every day of the period that has begun: on those without
// usage nothing was earned and nothing spent.
func daily(p page.Period, rows []marginRow) []marginRow {
	var out []marginRow
	for _, day := range p.Buckets(page.Daily) {
		name := page.BucketLabel(day, page.Daily)
		i := slices.IndexFunc(rows, func(r marginRow) bool { return r.Group == name })
		if i >= 0 {
			out = append(out, rows[i])
			continue
		}
		out = append(out, marginRow{Name: name, Group: name, MarginRow: invoicing.MarginRow{Currency: rows[0].Currency, Revenue: "0", Margin: "0"}})
	}
	return out
}

func (b *billingPages) exportMargin(w http.ResponseWriter, r *http.Request) {
	q, err := b.marginQuery(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	rows, totals, err := b.margins(r.Context(), q, exportWithin)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	out := make([][]string, 0, len(rows)+1)
	for i, m := range append(rows, totals) {
		group := m.Group
		if i == len(rows) {
			group = "total"
		}
		out = append(out, []string{
			group, m.Name, string(m.Currency), m.Revenue, m.Cost.String(), m.Margin, m.Percent, strconv.FormatInt(m.Unpriced, 10), strconv.FormatBool(m.Open),
		})
	}
	b.export(w, r, "margin-by-"+q.by+".csv", []string{q.by, "name", "currency", "revenue", "cost_usd", "margin", "margin_percent", "unpriced_calls", "estimate"}, out)
}
