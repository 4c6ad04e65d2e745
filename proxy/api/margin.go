package api

import (
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// MarginAnswer compares what was earned with what it cost upstream. Rows with
// the worst margin come first.
type MarginAnswer struct {
	By     string      `json:"by"`
	Rows   []MarginRow `json:"rows"`
	Totals MarginRow   `json:"totals"`
}

// MarginRow is what a group earned and cost. What is unknown is null, which is
// not zero.
type MarginRow struct {
	Group     string           `json:"group"`          // id of a customer, name of a product, day, model; empty: none of them
	Name      string           `json:"name,omitempty"` // external id of a customer
	Currency  billing.Currency `json:"currency"`       // of revenue
	Revenue   *string          `json:"revenue"`        // accrued, before rounding
	Cost      metering.Cost    `json:"cost_usd"`       // of the priced calls alone
	Margin    *string          `json:"margin"`         // revenue - cost, in US dollars
	Percent   *string          `json:"margin_percent"` // of revenue, one decimal
	Unpriced  int64            `json:"unpriced"`       // calls whose cost is unknown
	Estimated bool             `json:"estimated"`      // with periods that are not closed, or calls without a cost
}

// known is nil for what is unknown.
func known(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func showMarginRow(r invoicing.MarginRow) MarginRow {
	return MarginRow{
		Group: r.Group, Currency: r.Currency, Revenue: known(r.Revenue), Cost: r.Cost, Margin: known(r.Margin), Percent: known(r.Percent),
		Unpriced: r.Unpriced, Estimated: r.Open || r.Unpriced > 0,
	}
}

func (s *Server) showMargin(c *call) (answer, error) {
	by := c.query.text("by", 100)
	if by == "" {
		by = "customer"
	}
	if !invoicing.GroupsMargins(by) {
		c.query.fault("by", "must be one of %v, or tag:NAME", invoicing.MarginGroups())
	}
	c.query.zoned()
	from, to := c.query.span()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	rows, totals, err := s.opts.Billing.Biller.Margins(c.Context(), c.org, from, to, by)
	if err != nil {
		return answer{}, fmt.Errorf("margin: %w", err)
	}
	out := MarginAnswer{By: by, Rows: make([]MarginRow, 0, len(rows)), Totals: showMarginRow(totals)}
	names := s.lookup(c)
	for _, r := range rows {
		row := showMarginRow(r)
		if by == "customer" {
			if row.Name, err = names.customer(r.Group); err != nil {
				return answer{}, err
			}
		}
		out.Rows = append(out.Rows, row)
	}
	return ok(out)
}
