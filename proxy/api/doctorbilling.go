package api

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Bounds of what is healthy about money.
const (
	overdueLate = 5 * time.Minute // periods close within seconds of their end
	overdueGone = 24 * time.Hour
	unknownLate = 5 * time.Minute // the worker asks the provider every second
	unknownGone = 24 * time.Hour
	maxDue      = 1000
)

// checkPeriods looks for periods that ended and were not closed.
func (s *Server) checkPeriods(ctx context.Context, org string) Check {
	now := s.opts.Now()
	due, err := s.opts.Billing.Store.Due(ctx, metering.MicrosOf(now.Add(-overdueLate)), maxDue)
	if err != nil {
		return s.unmeasured(ctx, "overdue periods", err)
	}
	count, oldest := 0, metering.Micros(0)
	for _, p := range due {
		if p.Org != org {
			continue
		}
		if count++; oldest == 0 || p.End < oldest {
			oldest = p.End
		}
	}
	check := Check{Name: "overdue periods", Status: StatusOK, Measured: "none"}
	if count == 0 {
		return check
	}
	check.Status = StatusWarn
	check.Measured = fmt.Sprintf("%d that ended over %s ago are not billed, the oldest %s ago", count, overdueLate, age(now, oldest))
	check.Remedy = "a journal has not passed their end: look at the journals above; one that is gone for good has to be declared lost"
	if now.Sub(oldest.Time()) > overdueGone {
		check.Status = StatusFail
	}
	return check
}

// checkPayments looks for charges whose end is not known.
func (s *Server) checkPayments(ctx context.Context, org string) Check {
	now := s.opts.Now()
	open, err := s.opts.Billing.Store.Unsettled(ctx)
	if err != nil {
		return s.unmeasured(ctx, "unknown payments", err)
	}
	var unknown, confirm int
	var oldest metering.Micros
	for _, p := range open {
		switch {
		case p.Org != org:
		case p.State == billing.PaymentAction:
			confirm++
		case now.Sub(p.Created.Time()) >= unknownLate:
			if unknown++; oldest == 0 || p.Created < oldest {
				oldest = p.Created
			}
		}
	}
	check := Check{Name: "unknown payments", Status: StatusOK, Measured: fmt.Sprintf("%d whose end is not known, %d that wait for their customer", unknown, confirm)}
	if unknown == 0 {
		return check
	}
	check.Status = StatusWarn
	check.Measured += fmt.Sprintf(", the oldest since %s", age(now, oldest))
	check.Remedy = "the payment provider does not say what became of them; they are asked about every second and never charged twice"
	if now.Sub(oldest.Time()) > unknownGone {
		check.Status = StatusFail
	}
	return check
}
