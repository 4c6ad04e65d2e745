package api

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// Group is what a row or a filter has of a dimension. Value is null where it is
// not known, which is not the same as none; Name is the external id of a customer
// and the name of a key.
type Group struct {
	By    string  `json:"by"`
	Value *string `json:"value"`
	Name  string  `json:"name,omitempty"`
}

// MarginAnswer compares what was earned with what it cost upstream. Rows with the
// worst margin come first, and sum to the totals exactly.
type MarginAnswer struct {
	By      []string    `json:"by"`
	Filters []Group     `json:"filters"`
	Rows    []MarginRow `json:"rows"`
	Totals  MarginRow   `json:"totals"`
	// Outside is revenue that the filters cannot tell to be theirs or not: it is in
	// no row and not in the totals.
	Outside string `json:"outside"`
}

// MarginRow is what a group earned and cost. What is unknown is null, which is
// not zero.
type MarginRow struct {
	CostRow
	Currency  billing.Currency `json:"currency"`       // of revenue
	Revenue   string           `json:"revenue"`        // accrued, whole if it ends, else to twelve decimals
	Margin    *string          `json:"margin"`         // revenue - cost, in US dollars
	Percent   *string          `json:"margin_percent"` // of revenue, one decimal
	Estimated bool             `json:"estimated"`      // with periods that are not closed, or calls without a cost
}

// CostAnswer is what calls cost upstream, the highest cost first.
type CostAnswer struct {
	By      []string  `json:"by"`
	Filters []Group   `json:"filters"`
	Rows    []CostRow `json:"rows"`
	Totals  CostRow   `json:"totals"`
}

// CostRow is what a group cost.
type CostRow struct {
	Kind     invoicing.RowKind `json:"kind"`
	Groups   []Group           `json:"groups"` // by the dimensions, in their order; none of others and the total
	Count    int               `json:"count"`  // of groups that it is the sum of
	Cost     metering.Cost     `json:"cost_usd"`
	Requests int64             `json:"requests"`
	Unpriced int64             `json:"unpriced"` // calls whose cost is unknown
}

// known is nil for what is unknown.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (s *Server) showMargin(c *call) (answer, error) {
	q, err := s.spending(c)
	if err != nil {
		return answer{}, err
	}
	report, err := s.opts.Billing.Biller.Margins(c.Context(), q.MarginQuery)
	if err != nil {
		return answer{}, fmt.Errorf("margin: %w", err)
	}
	names := s.lookup(c)
	if q.csv {
		return c.table(report, q.By, names)
	}
	out := MarginAnswer{By: q.By, Rows: make([]MarginRow, 0, len(report.Rows)), Outside: report.Outside}
	if out.Filters, err = names.filters(q.Only); err != nil {
		return answer{}, err
	}
	for _, r := range append(report.Rows, report.Totals) {
		row, err := names.marginRow(q.By, r)
		if err != nil {
			return answer{}, err
		}
		out.Rows = append(out.Rows, row)
	}
	out.Totals, out.Rows = out.Rows[len(report.Rows)], out.Rows[:len(report.Rows)]
	return ok(out)
}

func (s *Server) showCost(c *call) (answer, error) {
	q, err := s.spending(c)
	if err != nil {
		return answer{}, err
	}
	var report invoicing.MarginReport
	if s.opts.Billing != nil {
		report, err = s.opts.Billing.Biller.Costs(c.Context(), q.MarginQuery)
	} else {
		report, err = invoicing.Costs(c.Context(), s.opts.Store, q.MarginQuery)
	}
	if err != nil {
		return answer{}, fmt.Errorf("cost: %w", err)
	}
	names := s.lookup(c)
	if q.csv {
		return c.table(report, q.By, names)
	}
	out := CostAnswer{By: q.By}
	if out.Filters, err = names.filters(q.Only); err != nil {
		return answer{}, err
	}
	if out.Rows, err = each(report.Rows, func(r invoicing.MarginRow) (CostRow, error) { return names.costRow(q.By, r) }); err != nil {
		return answer{}, err
	}
	if out.Totals, err = names.costRow(q.By, report.Totals); err != nil {
		return answer{}, err
	}
	return ok(out)
}

func (l *lookup) marginRow(by []string, r invoicing.MarginRow) (MarginRow, error) {
	cost, err := l.costRow(by, r)
	return MarginRow{
		CostRow: cost, Currency: r.Currency, Revenue: r.Revenue, Margin: known(r.Margin), Percent: known(r.Percent), Estimated: r.Estimated(),
	}, err
}

func (l *lookup) costRow(by []string, r invoicing.MarginRow) (CostRow, error) {
	out := CostRow{Kind: r.Kind, Groups: []Group{}, Count: r.Groups, Cost: r.Cost, Requests: r.Requests, Unpriced: r.Unpriced}
	for i, value := range r.Values {
		g, err := l.group(by[i], value)
		if err != nil {
			return out, err
		}
		out.Groups = append(out.Groups, g)
	}
	return out, nil
}

func (l *lookup) filters(only []metering.UsageFilter) ([]Group, error) {
	return each(only, func(f metering.UsageFilter) (Group, error) { return l.group(f.By, f.Value) })
}

// group is a value with the name of what it is the id of, if there still is one.
func (l *lookup) group(by, value string) (Group, error) {
	if value == metering.GroupUnknown {
		return Group{By: by}, nil
	}
	g := Group{By: by, Value: &value}
	var err error
	switch by {
	case "customer":
		g.Name, err = l.customer(value)
	case "key":
		g.Name, err = l.key(value)
	}
	if errors.Is(err, metering.ErrNotFound) {
		err = nil
	}
	return g, err
}
