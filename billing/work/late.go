package work

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// lateFor is for how long after its end a subscription is looked at.
const lateFor = metering.Micros(100 * 24 * time.Hour / time.Microsecond)

// late opens a period without length for each subscription that has ended and
// of which usage was reported since its last invoice: there is no next invoice
// that an adjustment could stand on, so it gets one.
func (w *Worker) late(ctx context.Context, lease billing.Lease, now metering.Micros) error {
	ended, err := w.o.Store.Ended(ctx, now-lateFor, now)
	if err != nil {
		return err
	}
	var errs []error
	for _, last := range ended {
		if err := w.reopen(ctx, lease, last); err != nil {
			errs = append(errs, fmt.Errorf("look for late usage of subscription %s: %w", last.Subscription, err))
		}
	}
	return errors.Join(errs...)
}

func (w *Worker) reopen(ctx context.Context, lease billing.Lease, last billing.Period) error {
	contract, err := w.o.Store.Contract(ctx, last.Org, last.Subscription)
	if err != nil {
		return err
	}
	next := billing.Period{
		Org: last.Org, Subscription: last.Subscription, Customer: last.Customer, Index: last.Index + 1, Start: last.End, End: last.End, State: billing.PeriodOpen,
	}
	v, err := w.o.Drafter.Draft(ctx, contract, next)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(v.Lines, func(l billing.Line) bool { return l.Kind == billing.LineAdjustment }) {
		return nil
	}
	return w.o.Store.Reopen(ctx, lease, next)
}
