package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const subscriptionSelect = `SELECT id, customer, currency, anchor, zone, months, start_at, trial_end, trial_usage, end_at, created_at, version FROM subscriptions`

// anchorLayout is how a wall-clock time is stored: it is no instant.
const anchorLayout = "2006-01-02T15:04:05"

// versioned is a subscription and how often it was changed.
type versioned struct {
	billing.Subscription
	version int64
}

func scanSubscription(org string) func(*sql.Rows) (versioned, error) {
	return func(r *sql.Rows) (versioned, error) {
		s := versioned{Subscription: billing.Subscription{Org: org}}
		var anchor, zone string
		err := r.Scan(&s.ID, &s.Customer, &s.Currency, &anchor, &zone, &s.Anchor.Months, &s.Start, &s.TrialEnd, &s.Trial, &s.End, &s.Created, &s.version)
		if err != nil {
			return s, err
		}
		wall, err := time.Parse(anchorLayout, anchor)
		if err != nil {
			return s, fmt.Errorf("anchor of subscription %s: %w", s.ID, err)
		}
		place, err := time.LoadLocation(zone)
		if err != nil {
			return s, fmt.Errorf("zone of subscription %s: %w", s.ID, err)
		}
		s.Anchor = period.Anchor{
			Year: wall.Year(), Month: wall.Month(), Day: wall.Day(), Hour: wall.Hour(), Min: wall.Minute(), Sec: wall.Second(),
			Zone: place, Months: s.Anchor.Months,
		}
		return s, nil
	}
}

// anchorText writes the wall-clock time of an anchor.
func anchorText(a period.Anchor) string {
	return time.Date(a.Year, a.Month, a.Day, a.Hour, a.Min, a.Sec, 0, time.UTC).Format(anchorLayout)
}

func withPhases(ctx context.Context, q sqldb.Tx, s *versioned) error {
	var err error
	s.Phases, err = sqldb.All(ctx, q, "phases of subscription "+s.ID, func(r *sql.Rows) (billing.Phase, error) {
		var p billing.Phase
		err := r.Scan(&p.From, &p.Product)
		return p, err
	}, `SELECT from_at, product FROM phases WHERE org_id = $1 AND subscription = $2 ORDER BY from_at`, s.Org, s.ID)
	return err
}

func readSubscriptions(ctx context.Context, q sqldb.Tx, org, where string, args ...any) ([]versioned, error) {
	list, err := sqldb.All(ctx, q, "subscriptions", scanSubscription(org), subscriptionSelect+" WHERE org_id = $1 AND "+where, append([]any{org}, args...)...)
	for i := range list {
		if err == nil {
			err = withPhases(ctx, q, &list[i])
		}
	}
	return list, err
}

func readSubscription(ctx context.Context, q sqldb.Tx, org, id string) (versioned, error) {
	list, err := readSubscriptions(ctx, q, org, "id = $2", id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("subscription %.100q: %w", id, metering.ErrNotFound)
	}
	if err != nil {
		return versioned{}, err
	}
	return list[0], nil
}

// Subscription returns a subscription.
func (s *Store) Subscription(ctx context.Context, org, id string) (billing.Subscription, error) {
	if err := sqldb.Storable(id); err != nil {
		return billing.Subscription{}, fmt.Errorf("subscription: %w", err)
	}
	v, err := readSubscription(ctx, s.db.Read(), org, id)
	return v.Subscription, err
}

// Subscriptions lists subscriptions in the order in which they were made, those
// of one customer if it is given.
func (s *Store) Subscriptions(ctx context.Context, org, customer string, limit int, cursor string) ([]billing.Subscription, string, error) {
	where, args := " WHERE org_id = $1 AND id > $2", []any{org}
	if customer != "" {
		where, args = " WHERE org_id = $1 AND customer = $2 AND id > $3", []any{org, customer}
	}
	q := s.db.Read()
	list, next, err := sqldb.Page(ctx, q, limit, cursor, "list subscriptions", scanSubscription(org), func(v versioned) string { return v.ID }, subscriptionSelect+where, args...)
	out := make([]billing.Subscription, 0, len(list))
	for i := range list {
		if err == nil {
			err = withPhases(ctx, q, &list[i])
		}
		out = append(out, list[i].Subscription)
	}
	return out, next, err
}

// CreateSubscription makes a subscription and opens the period that contains
// its start, which may be in the past: usage from then on is billed, as far as
// no other subscription has it. metering.ErrConflict: another one of the
// customer has a price for one of its meters at the same time.
func (s *Store) CreateSubscription(ctx context.Context, sub billing.Subscription) (billing.Subscription, error) {
	var err error
	if sub.ID, err = newID(); err != nil {
		return sub, fmt.Errorf("create subscription: %w", err)
	}
	if sub.Trial == "" {
		sub.Trial = billing.TrialFree
	}
	err = s.db.Write(ctx, "create subscription", func(tx sqldb.Tx) error {
		if err := lock(ctx, tx, sub.Org, sub.Customer); err != nil {
			return err
		}
		if _, err := readSubscription(ctx, tx, sub.Org, sub.ID); err == nil {
			return nil // by an attempt of this call whose commit lost its reply
		}
		product, err := subscribable(ctx, tx, &sub, sub.Phases)
		if err != nil {
			return err
		}
		if sub.Currency == "" && len(product.Prices) > 0 {
			sub.Currency = product.Prices[0].Currency
		}
		if err := sub.Validate(); err != nil {
			return err
		}
		if err := exclusive(ctx, tx, sub); err != nil {
			return err
		}
		return insertSubscription(ctx, tx, sub)
	})
	return sub, err
}

// subscribable returns the product of the first phase, having checked all.
func subscribable(ctx context.Context, tx sqldb.Tx, sub *billing.Subscription, phases []billing.Phase) (billing.Product, error) {
	var first billing.Product
	for i := range phases {
		p, err := readProduct(ctx, tx, sub.Org, phases[i].Product)
		if err != nil {
			return first, err
		}
		phases[i].Product = p.ID
		if i == 0 {
			first = p
		}
		switch {
		case p.Archived != 0:
			return first, fmt.Errorf("product %q is archived: %w", p.Name, metering.ErrInvalid)
		case p.Months != sub.Anchor.Months:
			return first, fmt.Errorf("product %q has periods of %d months, not of %d: %w", p.Name, p.Months, sub.Anchor.Months, metering.ErrInvalid)
		case len(p.Prices) == 0 && sub.Currency == "":
			return first, fmt.Errorf("product %q has no price yet: %w", p.Name, metering.ErrInvalid)
		case len(p.Prices) > 0 && sub.Currency != "" && p.Prices[0].Currency != sub.Currency:
			return first, fmt.Errorf("product %q is in %s, not in %s: %w", p.Name, p.Prices[0].Currency, sub.Currency, metering.ErrInvalid)
		}
	}
	return first, nil
}

func insertSubscription(ctx context.Context, tx sqldb.Tx, sub billing.Subscription) error {
	_, err := tx.Exec(ctx, `INSERT INTO subscriptions (org_id, id, customer, currency, anchor, zone, months, start_at, trial_end, trial_usage, end_at, created_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 1)`,
		sub.Org, sub.ID, sub.Customer, string(sub.Currency), anchorText(sub.Anchor), sub.Zone(), sub.Anchor.Months,
		int64(sub.Start), int64(sub.TrialEnd), string(sub.Trial), int64(sub.End), int64(sub.Created))
	if err != nil {
		return err
	}
	if err := insertPhases(ctx, tx, sub, sub.Phases); err != nil {
		return err
	}
	return openPeriod(ctx, tx, sub, sub.Anchor.Index(sub.Start))
}

func insertPhases(ctx context.Context, tx sqldb.Tx, sub billing.Subscription, phases []billing.Phase) error {
	for _, p := range phases {
		if _, err := tx.Exec(ctx, `INSERT INTO phases (org_id, subscription, from_at, product) VALUES ($1, $2, $3, $4)`, sub.Org, sub.ID, int64(p.From), p.Product); err != nil {
			return err
		}
	}
	return nil
}

// exclusive refuses a subscription that would share a meter with another one of
// the customer at some instant: a unit is billed once.
func exclusive(ctx context.Context, tx sqldb.Tx, sub billing.Subscription) error {
	others, err := readSubscriptions(ctx, tx, sub.Org, "customer = $2 AND id <> $3", sub.Customer, sub.ID)
	if err != nil {
		return err
	}
	products := make(map[string]billing.Product)
	for _, v := range append(others, versioned{Subscription: sub}) {
		for _, id := range v.Products() {
			if products[id], err = readProduct(ctx, tx, sub.Org, id); err != nil {
				return err
			}
		}
	}
	for _, other := range others {
		if meter := billing.Shared(sub, other.Subscription, products); meter != "" {
			return fmt.Errorf("subscription %s of this customer has a price for meter %s at the same time, and a unit is billed once: %w", other.ID, meter, metering.ErrConflict)
		}
	}
	return nil
}

// lockSubscription reads a subscription that nobody else changes until the
// transaction ends.
func lockSubscription(ctx context.Context, tx sqldb.Tx, org, id string) (versioned, error) {
	sub, err := readSubscription(ctx, tx, org, id)
	if err != nil {
		return sub, err
	}
	if err := lock(ctx, tx, org, sub.Customer); err != nil {
		return sub, err
	}
	return readSubscription(ctx, tx, org, id)
}

// SwitchProduct lets another product hold from ph.From on, now or later. Usage
// until then keeps its price. A switch that was to come later is replaced.
func (s *Store) SwitchProduct(ctx context.Context, org, id string, ph billing.Phase, now metering.Micros) (billing.Subscription, error) {
	if ph.From == 0 {
		ph.From = now
	}
	var out billing.Subscription
	err := s.db.Write(ctx, "switch product", func(tx sqldb.Tx) error {
		sub, err := lockSubscription(ctx, tx, org, id)
		if err != nil {
			return err
		}
		switch {
		case ph.From < now:
			return fmt.Errorf("a switch in the past would change what usage costs: %w", metering.ErrInvalid)
		case !sub.Covers(ph.From):
			return fmt.Errorf("the subscription does not hold at that instant: %w", metering.ErrInvalid)
		}
		if err := notClosed(ctx, tx, sub.Subscription, ph.From); err != nil {
			return err
		}
		phase := []billing.Phase{ph}
		if _, err := subscribable(ctx, tx, &sub.Subscription, phase); err != nil {
			return err
		}
		sub.Phases = append(slices.DeleteFunc(sub.Phases, func(p billing.Phase) bool { return p.From >= ph.From }), phase[0])
		if err := exclusive(ctx, tx, sub.Subscription); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM phases WHERE org_id = $1 AND subscription = $2 AND from_at >= $3`, org, id, int64(ph.From)); err != nil {
			return err
		}
		out = sub.Subscription
		if err := insertPhases(ctx, tx, out, phase); err != nil {
			return err
		}
		return touch(ctx, tx, org, id)
	})
	return out, err
}

// notClosed refuses a change of a subscription at an instant that was billed.
func notClosed(ctx context.Context, tx sqldb.Tx, sub billing.Subscription, at metering.Micros) error {
	return unsettled(ctx, tx, at, `SELECT MAX(end_at) FROM periods WHERE org_id = $1 AND subscription = $2 AND state = 'closed'`, sub.Org, sub.ID)
}

// touch moves the version of a subscription.
func touch(ctx context.Context, tx sqldb.Tx, org, id string) error {
	_, err := tx.Exec(ctx, `UPDATE subscriptions SET version = version + 1 WHERE org_id = $1 AND id = $2`, org, id)
	return err
}

// EndSubscription ends a subscription now or later; its last period ends with
// it. One that has ended stays as it is.
func (s *Store) EndSubscription(ctx context.Context, org, id string, at, now metering.Micros) (billing.Subscription, error) {
	if at == 0 {
		at = now
	}
	var out billing.Subscription
	err := s.db.Write(ctx, "end subscription", func(tx sqldb.Tx) error {
		sub, err := lockSubscription(ctx, tx, org, id)
		if err != nil {
			return err
		}
		if sub.End != 0 && sub.End <= now {
			out = sub.Subscription
			return nil
		}
		if at < now {
			return fmt.Errorf("a subscription ends now or later: %w", metering.ErrInvalid)
		}
		if err := notClosed(ctx, tx, sub.Subscription, at); err != nil {
			return err
		}
		sub.End = max(at, sub.Start)
		out = sub.Subscription
		if _, err := tx.Exec(ctx, `UPDATE subscriptions SET end_at = $3 WHERE org_id = $1 AND id = $2`, org, id, int64(sub.End)); err != nil {
			return err
		}
		if err := recut(ctx, tx, out); err != nil {
			return err
		}
		return touch(ctx, tx, org, id)
	})
	return out, err
}
