package api

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// UsageAnswer is the usage of a customer, or of all of them, by groups.
type UsageAnswer struct {
	Rows   []UsageRow  `json:"rows"`
	Totals UsageTotals `json:"totals"`
}

// UsageTotals are sums over calls. Charge is what the customer is charged for
// them, in Currency, before rounding: "0" as long as no product has a price for
// the usage, and null where it is not known: of a group whose share of a price
// cannot be told, and in total where Currency is empty, because there are several.
type UsageTotals struct {
	Requests int64 `json:"requests"`
	metering.Classes
	Total        int64            `json:"total"`         // sum of the classes
	InputTokens  int64            `json:"input_tokens"`  // inclusive, as providers count
	OutputTokens int64            `json:"output_tokens"` // inclusive, as providers count
	Cost         metering.Cost    `json:"cost_usd"`      // of the priced calls alone
	Charge       *string          `json:"charge"`
	Currency     billing.Currency `json:"currency"`
	Estimated    int64            `json:"estimated"` // calls whose numbers are not all the provider's
	Unpriced     int64            `json:"unpriced"`  // calls whose cost is unknown
}

// UsageRow is the usage of one group. In JSON each group is a member of its
// own name beside the totals: "model", "key", "day", "tag:NAME".
type UsageRow struct {
	Group []metering.Tag
	UsageTotals
}

// MarshalJSON writes the groups and then the totals, in one flat object.
func (r UsageRow) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for _, g := range r.Group {
		name, err := json.Marshal(g.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(g.Value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%s:%s,", name, value)
	}
	totals, err := json.Marshal(r.UsageTotals)
	if err != nil {
		return nil, err
	}
	b.Write(totals[1:])
	return b.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON writes.
func (r *UsageRow) UnmarshalJSON(b []byte) error {
	*r = UsageRow{}
	if err := json.Unmarshal(b, &r.UsageTotals); err != nil {
		return fmt.Errorf("usage row: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("usage row: %w", err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fmt.Errorf("usage row: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return fmt.Errorf("usage row: %w", err)
		}
		var text string
		if n := name.(string); isGroup(n) && json.Unmarshal(value, &text) == nil {
			r.Group = append(r.Group, metering.Tag{Name: n, Value: text})
		}
	}
	return nil
}

// isGroup reports whether usage can be grouped by that name.
func isGroup(name string) bool {
	if tag, ok := strings.CutPrefix(name, "tag:"); ok {
		return tag != ""
	}
	return slices.Contains([]string{"model", "key", "day", "customer", "provider"}, name)
}

// maxGroups bounds the groups of one question.
const maxGroups = 4

func (s *Server) showUsage(c *call) (answer, error) {
	q := metering.UsageQuery{Org: c.org, Zone: c.query.zoned(), By: readGroups(c.query)}
	q.From, q.To = c.query.span()
	sync := c.query.boolean("sync")
	ref := c.query.text("customer", 512)
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	var err error
	if q.Customer, err = s.customerID(c, ref); err != nil {
		return answer{}, err
	}
	if sync {
		if err := s.sync(c.Context()); err != nil {
			return answer{}, err
		}
	}
	rows, totals, err := s.opts.Store.Usage(c.Context(), q)
	if err != nil {
		return answer{}, fmt.Errorf("usage: %w", err)
	}
	charges, err := chargesOf(c.Context(), s.charger(), q, rows)
	if err != nil {
		return answer{}, err
	}
	out := UsageAnswer{Rows: make([]UsageRow, 0, len(rows)), Totals: showTotals(totals, charges.Total, charges.Currency)}
	for i, r := range rows {
		row := UsageRow{UsageTotals: showTotals(r.UsageTotals, charges.Rows[i], charges.Currency)}
		for _, name := range q.By {
			row.Group = append(row.Group, metering.Tag{Name: name, Value: r.Group[name]})
		}
		out.Rows = append(out.Rows, row)
	}
	return ok(out)
}

// readGroups reads by=model,day.
func readGroups(q *query) []string {
	text := q.text("by", 300)
	if text == "" {
		return nil
	}
	groups := strings.Split(text, ",")
	if len(groups) > maxGroups {
		q.fault("by", "has more than %d groups", maxGroups)
	}
	for i, g := range groups {
		if !isGroup(g) || unprintable(g) != "" {
			q.fault("by", "%.60q is not model, key, day, customer, provider or tag:NAME", g)
		}
		if slices.Contains(groups[:i], g) {
			q.fault("by", "has %q twice", g)
		}
	}
	return groups
}

// Charger computes what usage costs the customers.
type Charger interface {
	Charges(ctx context.Context, org string, q metering.UsageQuery, rows []metering.UsageRow) (invoicing.Charges, error)
}

func (s *Server) charger() Charger {
	if s.opts.Billing == nil {
		return nil
	}
	return s.opts.Billing.Biller
}

// chargesOf is what usage costs the customers; nothing without a biller.
func chargesOf(ctx context.Context, biller Charger, q metering.UsageQuery, rows []metering.UsageRow) (invoicing.Charges, error) {
	none := invoicing.Charges{Currency: billing.USD, Total: "0", Rows: slices.Repeat([]string{"0"}, len(rows))}
	if biller == nil {
		return none, nil
	}
	got, err := biller.Charges(ctx, q.Org, q, rows)
	if err != nil {
		return none, fmt.Errorf("charges of usage: %w", err)
	}
	if len(got.Rows) != len(rows) {
		return none, fmt.Errorf("%d charges for %d rows of usage", len(got.Rows), len(rows))
	}
	if got.Currency == "" && got.Total != "" {
		return none, nil // no product has a price for it
	}
	return got, nil
}

// showTotals shows sums with what they are charged; empty: not known.
func showTotals(t metering.UsageTotals, charge string, currency billing.Currency) UsageTotals {
	return UsageTotals{
		Requests: t.Requests, Classes: t.Classes, Total: t.Total, InputTokens: t.InputTokens, OutputTokens: t.OutputTokens,
		Cost: t.Cost, Charge: known(charge), Currency: currency, Estimated: t.Estimated, Unpriced: t.Unpriced,
	}
}
