package invoicing

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// noteEstimates says on an invoice how many calls of its period have numbers that
// are not all the provider's own.
func (b *Biller) noteEstimates(ctx context.Context, s billing.Subscription, v *billing.Invoice) error {
	if v.Period.Start >= v.Period.End {
		return nil
	}
	rows, _, err := b.usage.Usage(ctx, metering.UsageQuery{
		Org: s.Org, Customer: s.Customer, From: v.Period.Start, To: v.Period.End, By: []string{"test"},
	})
	if err != nil {
		return fmt.Errorf("count what was estimated: %w", err)
	}
	for _, row := range rows {
		switch n := row.Estimated; {
		case row.Group["test"] == "true" || n == 0:
		case n == 1:
			v.Notes = append(v.Notes, "One call of this period reported no final usage; it is counted by an estimate, which the list of calls marks.")
		default:
			v.Notes = append(v.Notes, fmt.Sprintf("%d calls of this period reported no final usage; they are counted by estimates, which the list of calls marks.", n))
		}
	}
	return nil
}
