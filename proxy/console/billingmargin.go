package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// marginPage compares what was earned with what it cost.
type marginPage struct {
	marginQuery
	Heads   []string // of the columns of the dimensions
	Chosen  []marginFilter
	Rows    []marginRow
	Totals  marginRow
	Outside string // revenue that the filters cannot tell; empty: none
	Tiles   []page.Tile
	Chart   *page.Chart
	CSV     string // URL of the same figures as a file
	Fault   string // why there are no figures
	Stated  string // what providers state of the same time; empty: nothing
}

// marginRow is a row as the page shows it.
type marginRow struct {
	invoicing.MarginRow
	Cells  []marginCell // of the dimensions
	Made   string       // URL of what makes it; empty: nothing more is known
	Calls  string       // URL of its calls; empty: they cannot be listed
	Losing bool         // it cost more than it earned
}

// marginCell is the value of a dimension.
type marginCell struct {
	Name string
	Link string // to what it is; empty: nothing
}

// marginFilter is a filter and the URL without it.
type marginFilter struct{ By, Name, Without string }

// Name is what the row is called in one line.
func (r marginRow) Name() string {
	names := make([]string, len(r.Cells))
	for i, c := range r.Cells {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// Running reports whether periods of the row are not closed.
func (r marginRow) Running() bool { return r.Open }

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

// marginShown is how many groups the table tells apart, but for days and hours that
// are drawn; the file has all of them.
const marginShown = 200

// margins are the rows that the page and the chart share.
func (b *billingPages) margins(ctx context.Context, q marginQuery) (rows []marginRow, r invoicing.MarginReport, err error) {
	top := marginShown
	if q.lined() {
		top = 0
	}
	if r, err = b.Biller.Margins(ctx, q.question(top)); err != nil {
		return nil, r, err
	}
	names := b.parties(q.org)
	for _, m := range append(slices.Clone(r.Rows), r.Totals) {
		row := marginRow{MarginRow: m, Losing: strings.HasPrefix(m.Margin, "-"), Made: q.open(m)}
		if row.Calls, err = q.calls(b.base, m); err != nil {
			return nil, r, err
		}
		for i, by := range q.By {
			var cell marginCell
			switch {
			case m.Kind == invoicing.RowGroup || i < len(m.Values) && m.Values[i] != metering.GroupUnknown:
				if cell, err = names.cell(ctx, by, m.Values[i]); err != nil {
					return nil, r, err
				}
			case m.Kind == invoicing.RowUnattributed:
				cell.Name = "unattributed"
			case i > 0:
			case m.Kind == invoicing.RowOthers:
				cell.Name = page.Number(int64(m.Groups)) + " more groups"
			default:
				cell.Name = "Total"
			}
			row.Cells = append(row.Cells, cell)
		}
		rows = append(rows, row)
	}
	return rows, r, nil
}

// cell is a value as people know it.
func (p *parties) cell(ctx context.Context, by, value string) (marginCell, error) {
	switch {
	case value == metering.GroupUnknown:
		return marginCell{Name: "not recorded"}, nil
	case value == "" && (by == "product" || by == "period"):
		return marginCell{Name: "no subscription"}, nil
	case value == "":
		return marginCell{Name: "no " + strings.TrimPrefix(by, "tag:")}, nil
	}
	name, path, err := value, "", error(nil)
	switch by {
	case "customer":
		var c metering.Customer
		if c, err = p.customer(ctx, value); err == nil {
			name, path = nameOf(c), "/customers/"+c.ID
		}
	case "key":
		var k metering.Key
		if k, err = p.b.metering.Key(ctx, p.org, value); err == nil {
			name, path = keyName(k), "/keys/"+k.ID
		}
	case "period":
		name = strings.ReplaceAll(strings.ReplaceAll(value, "T00:00:00Z", ""), "/", " to ")
	}
	if err != nil && !errors.Is(err, metering.ErrNotFound) {
		return marginCell{}, fmt.Errorf("name of a %s: %w", by, err)
	}
	if path != "" {
		path = p.b.base + path
	}
	return marginCell{Name: cmp.Or(name, value), Link: path}, nil
}

// chosen are the filters as the page shows them.
func (b *billingPages) chosen(ctx context.Context, q marginQuery) ([]marginFilter, error) {
	names := b.parties(q.org)
	out := make([]marginFilter, 0, len(q.Only))
	for i, f := range q.Only {
		cell, err := names.cell(ctx, f.By, f.Value)
		if err != nil {
			return nil, err
		}
		out = append(out, marginFilter{marginHead(f.By), cell.Name, q.link(slices.Delete(slices.Clone(q.Only), i, i+1), "", 0, 0)})
	}
	return out, nil
}

func (b *billingPages) showMargin(w http.ResponseWriter, r *http.Request) {
	q, err := b.marginQuery(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data := marginPage{marginQuery: q}
	for _, by := range q.By {
		data.Heads = append(data.Heads, marginHead(by))
	}
	if data.Chosen, err = b.chosen(r.Context(), q); err == nil {
		data.CSV, err = b.asFile(r, "/margin.csv")
	}
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	rows, report, err := b.margins(r.Context(), q)
	switch {
	case errors.Is(err, metering.ErrInvalid):
		data.Fault = plain(err) // customers pay in several currencies
	case err != nil:
		b.site.Fail(w, r, err)
		return
	default:
		last := len(rows) - 1
		data.Rows, data.Totals, data.Tiles = rows[:last], rows[last], marginTiles(report.Totals, "")
		data.Chart = marginChart(q, data.Rows)
		if data.Stated, err = b.stated(r.Context(), q); err != nil {
			b.site.Fail(w, r, err)
			return
		}
		if report.Outside != "0" {
			data.Outside = report.Outside + " " + string(report.Totals.Currency)
		}
	}
	b.site.Render(w, r, http.StatusOK, "billing-margin", data)
}

// stated says how what providers state of the calls of a period compares with what
// the price book says; nothing of some calls alone.
func (b *billingPages) stated(ctx context.Context, q marginQuery) (string, error) {
	if len(q.Only) > 0 {
		return "", nil
	}
	rows, err := b.metering.StatedCosts(ctx, metering.StatedQuery{Org: q.org, From: q.Period.From, To: q.Period.To})
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
		"customer": "Customer", "product": "Product", "day": "Day (UTC)", "hour": "Hour (UTC)", "model": "Model", "provider": "Provider", "key": "Key",
		"upstream": "Upstream", "run": "Run", "period": "Billing period",
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

func (b *billingPages) exportMargin(w http.ResponseWriter, r *http.Request) {
	q, err := b.marginQuery(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	report, err := b.Biller.Margins(r.Context(), q.question(0))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	names := b.parties(q.org)
	lines, err := report.Table(q.By, func(by, value string) (string, error) {
		cell, err := names.cell(r.Context(), by, value)
		return cell.Name, err
	})
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	b.export(w, r, "margin-by-"+strings.ReplaceAll(strings.Join(q.By, "-"), ":", "-")+".csv", lines[0], lines[1:])
}
