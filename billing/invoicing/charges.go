package invoicing

import (
	"context"
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// Charges is what the usage that a query asks for costs the customers.
type Charges struct {
	Currency billing.Currency // empty: there is nothing to charge
	Total    string           // currency units, exact; empty: in several currencies
	Rows     []string         // of each row; empty: its share is not known
	Open     bool             // a period of it is open: what is included may shift between rows
}

// shown is how many decimals of a share without an end are written. Those with one
// are written whole up to endless decimals: a cost in pico-dollars and a percentage
// of it have some more than twelve, and revenue less cost is the margin.
const (
	shown   = 12
	endless = 30
)

// Charges computes what the rows of a usage answer are charged: before rounding,
// after included units and credit in units. Within a period units have no order,
// so a row has the share of the amount that it has of the quantity, and rows sum
// to the total as [allot] has it. A meter whose quantity the rows do not show,
// because it filters or adds up something else, leaves the shares unknown and the
// total exact.
func (b *Biller) Charges(ctx context.Context, org string, q metering.UsageQuery, rows []metering.UsageRow) (Charges, error) {
	out := Charges{Rows: make([]string, len(rows))}
	list, err := b.accruals(ctx, org, q.Customer, q.From, q.To)
	if err != nil {
		return out, fmt.Errorf("charges: %w", err)
	}
	var total big.Rat
	shares := make(map[string]*big.Rat)
	used := make([]metering.Number, len(list)) // read before calls are, which may be more by then
	for i, a := range list {
		if out.Currency != "" && out.Currency != a.currency {
			return Charges{Rows: make([]string, len(rows))}, nil
		}
		out.Currency, out.Open = a.currency, out.Open || a.open
		if used[i], err = b.partQuantity(ctx, org, a); err != nil {
			return out, fmt.Errorf("charges: %w", err)
		}
		total.Add(&total, a.earned(used[i]))
	}
	known, calls := true, b.attribution(org, q.Zone)
	for i, a := range list {
		if len(rows) > 0 && known {
			if known, err = share(ctx, calls, q, a, used[i], shares); err != nil {
				return out, fmt.Errorf("charges: %w", err)
			}
		}
	}
	out.Total = brief(rounded(&total))
	if !known {
		return out, nil
	}
	exact := make([]*big.Rat, len(rows))
	for i, r := range rows {
		if exact[i] = shares[groupKey(r.Group, q.By)]; exact[i] == nil {
			exact[i] = new(big.Rat)
		}
	}
	for i, n := range allot(rounded(&total), exact) {
		out.Rows[i] = brief(n)
	}
	return out, nil
}

// share adds what each group has of an accrual; false if that is not known.
func share(ctx context.Context, calls *attribution, q metering.UsageQuery, a accrual, part metering.Number, into map[string]*big.Rat) (bool, error) {
	x := sharing{a, part, q.By, nil}
	shared, ok, err := calls.portions(ctx, x)
	if !ok || err != nil {
		return false, err
	}
	for _, p := range shared.portions {
		key := groupKey(p.group, q.By)
		if into[key] == nil {
			into[key] = new(big.Rat)
		}
		into[key].Add(into[key], x.earned(p.quantity, shared.of))
	}
	return true, nil
}

// brief writes an exact decimal, and one without an end to twelve places.
func brief(r *big.Rat) string {
	if places, exact := r.FloatPrec(); exact && places <= endless {
		return rating.Decimal(r)
	}
	text := strings.TrimRight(r.FloatString(shown), "0")
	return strings.TrimSuffix(text, ".")
}
