package console

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// subscription is a subscription as pages show it.
type subscription struct {
	billing.Subscription
	Party   metering.Customer
	Current billing.Product // that holds now, or did last, or will first
	Phases  []phaseRow
	Periods []billing.Period // the newest first
	Open    *billing.Period  // the next to close; nil: none
	State   string
	Kind    string // of the badge
}

// phaseRow is a product and the span in which it holds.
type phaseRow struct {
	Product billing.Product
	From    metering.Micros
	Until   metering.Micros // zero: open-ended
}

// In writes an instant in the zone of the subscription.
func (s subscription) In(at metering.Micros) string { return zoned(at, s.Anchor.Zone) }

// Anchored says where periods are cut.
func (s subscription) Anchored() string { return anchorText(s.Anchor) }

// Trialing reports whether the trial has not ended.
func (s subscription) Trialing(now time.Time) bool { return s.TrialEnd > metering.MicrosOf(now) }

// zoned writes an instant in a zone.
func zoned(at metering.Micros, zone *time.Location) string {
	if at == 0 {
		return "–"
	}
	if zone == nil {
		zone = time.UTC
	}
	return at.Time().In(zone).Format("2 Jan 2006 15:04 MST")
}

func anchorText(a period.Anchor) string {
	every := "month"
	if a.Months != 1 {
		every = fmt.Sprintf("%d months", a.Months)
	}
	day := fmt.Sprintf("on day %d", a.Day)
	if a.Day > 28 {
		day += " or the last one"
	}
	return fmt.Sprintf("every %s %s at %02d:%02d", every, day, a.Hour, a.Min)
}

// spanText writes a span in the zone of that name: half-open, as it is billed.
func spanText(s period.Span, zone string) string {
	place, err := time.LoadLocation(zone)
	if err != nil {
		place = time.UTC // the document has a zone that this machine does not know
	}
	end := "without an end"
	if s.End != 0 {
		end = "to " + zoned(s.End, place)
	}
	if s.Start == 0 {
		return "from the beginning " + end
	}
	start := s.Start.Time().In(place).Format("2 Jan 2006 15:04")
	if s.End == 0 {
		start = "from " + zoned(s.Start, place)
	}
	return start + " " + end
}

// subscriptionsOf completes subscriptions.
func (b *billingPages) subscriptionsOf(ctx context.Context, org string, list []billing.Subscription) ([]subscription, error) {
	who, products := b.parties(org), make(map[string]billing.Product)
	out := make([]subscription, 0, len(list))
	for _, s := range list {
		row := subscription{Subscription: s}
		var err error
		if row.Party, err = who.customer(ctx, s.Customer); err != nil {
			return nil, fmt.Errorf("customer of subscription %s: %w", s.ID, err)
		}
		for i, ph := range s.Phases {
			if _, ok := products[ph.Product]; !ok {
				if products[ph.Product], err = b.Store.Product(ctx, org, ph.Product); err != nil {
					return nil, fmt.Errorf("product of subscription %s: %w", s.ID, err)
				}
			}
			phase := phaseRow{Product: products[ph.Product], From: ph.From, Until: s.End}
			if i+1 < len(s.Phases) {
				phase.Until = s.Phases[i+1].From
			}
			row.Phases = append(row.Phases, phase)
		}
		periods, err := b.Store.Periods(ctx, org, s.ID)
		if err != nil {
			return nil, err
		}
		row.live(periods, b.instant())
		out = append(out, row)
	}
	return out, nil
}

// live says where the subscription is in its life.
func (s *subscription) live(periods []billing.Period, now metering.Micros) {
	for i := len(periods) - 1; i >= 0; i-- {
		s.Periods = append(s.Periods, periods[i])
		if periods[i].State == billing.PeriodOpen {
			s.Open = &periods[i] // the oldest comes last
		}
	}
	for i, ph := range s.Phases {
		if i == 0 || ph.From <= now {
			s.Current = ph.Product
		}
	}
	switch {
	case s.End != 0 && s.End <= now:
		s.State, s.Kind = "ended", "plain"
	case s.Start > now:
		s.State, s.Kind = "to come", "info"
	case s.TrialEnd > now:
		s.State, s.Kind = "trial", "info"
	case s.End != 0:
		s.State, s.Kind = "ending", "warn"
	default:
		s.State, s.Kind = "active", "ok"
	}
}

// subscriptionForm reads a subscription of a customer to a product.
func (b *billingPages) subscriptionForm(r *http.Request, customer metering.Customer) (billing.Subscription, error) {
	s := billing.Subscription{Org: b.org(r), Customer: customer.ID, Created: b.instant()}
	ref := strings.TrimSpace(r.PostFormValue("product"))
	if ref == "" {
		return s, invalid("choose a product")
	}
	p, err := b.Store.Product(r.Context(), s.Org, ref)
	if err != nil {
		return s, err
	}
	zone, err := zoneOf(strings.TrimSpace(r.PostFormValue("zone")))
	if err != nil {
		return s, err
	}
	if s.Start, err = instantField(r, "start", zone); err != nil {
		return s, err
	}
	if s.Start == 0 {
		s.Start = s.Created
	}
	days, err := wholeField(r, "trial_days", int64(p.TrialDays))
	if err != nil {
		return s, err
	}
	if days < 0 || days > 366 {
		return s, invalid("a trial has 0 to 366 days")
	}
	if s.Trial = p.TrialUsage; days > 0 {
		s.TrialEnd = metering.MicrosOf(s.Start.Time().In(zone).AddDate(0, 0, int(days)))
	}
	s.Anchor = period.AnchorAt(s.Start, zone, p.Months)
	if r.PostFormValue("anchor") == "first" {
		s.Anchor.Day, s.Anchor.Hour, s.Anchor.Min, s.Anchor.Sec = 1, 0, 0, 0
	}
	s.Phases = []billing.Phase{{From: s.Start, Product: p.ID}}
	return s, nil
}
