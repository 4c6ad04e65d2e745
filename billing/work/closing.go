package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

// close closes one period, if nothing of it is still to come.
func (w *Worker) close(ctx context.Context, lease billing.Lease, p billing.Period, r *Report) error {
	why, err := w.waiting(ctx, p)
	if err != nil {
		return err
	}
	if why != "" {
		r.Waiting = append(r.Waiting, fmt.Sprintf("subscription %s, period %d: %s", p.Subscription, p.Index, why))
		return nil
	}
	for try := 1; ; try++ {
		c, err := w.draft(ctx, lease, p)
		if err == nil {
			fault.At(fault.BillBeforeClose)
			err = w.o.Store.Close(ctx, c)
			fault.At(fault.BillAfterClose)
		}
		if errors.Is(err, metering.ErrConflict) && try < drafts {
			continue
		}
		if err != nil {
			return fmt.Errorf("close period %d of subscription %s: %w", p.Index, p.Subscription, err)
		}
		r.Closed++
		if c.Invoice != nil {
			r.Invoices = append(r.Invoices, c.Invoice.ID)
		}
		return nil
	}
}

// draft computes what closing a period writes.
func (w *Worker) draft(ctx context.Context, lease billing.Lease, p billing.Period) (billing.Closing, error) {
	now := metering.MicrosOf(w.o.Now())
	out := billing.Closing{Lease: lease, Period: p, At: now}
	contract, err := w.o.Store.Contract(ctx, p.Org, p.Subscription)
	if err != nil {
		return out, err
	}
	out.Version = contract.Version
	v, err := w.o.Drafter.Draft(ctx, contract, p)
	if err != nil {
		return out, err
	}
	if invoicing.Empty(v) {
		return out, nil
	}
	id, err := metering.NewID()
	if err != nil {
		return out, err
	}
	v.ID, v.Issued = id.String(), now
	out.Invoice = &v
	return out, w.charge(ctx, &out)
}

// charge decides how the invoice is paid: by the card on file, not at all where
// it is too small or the customer has credit with us, or by whatever is arranged
// outside.
func (w *Worker) charge(ctx context.Context, c *billing.Closing) error {
	v := c.Invoice
	if v.Total.Minor < 0 {
		c.Carry = true
		return nil
	}
	if w.o.Provider == nil || v.Total.Minor == 0 {
		return nil
	}
	method, err := w.o.Store.Method(ctx, v.Org, v.Customer.ID)
	if errors.Is(err, metering.ErrNotFound) || err == nil && method.Provider != w.o.Provider.Name() {
		return nil
	}
	if err != nil {
		return err
	}
	if v.Total.Minor < w.o.Provider.Minimum(v.Currency) {
		c.Carry = true
		return nil
	}
	p, err := w.payment(v.Org, v.ID, v.Customer.ID, v.Total, method)
	c.Charge = &p
	return err
}

func (w *Worker) payment(org, invoice, customer string, amount billing.Money, method billing.PaymentMethod) (billing.Payment, error) {
	id, err := metering.NewID()
	now := metering.MicrosOf(w.o.Now())
	return billing.Payment{
		Org: org, ID: id.String(), Invoice: invoice, Customer: customer, Amount: amount, State: billing.PaymentPending,
		Provider: w.o.Provider.Name(), Method: method, Created: now, Updated: now,
	}, err
}

// listed is for how long a call may be open before its journal lists it.
const listed = metering.Micros(time.Minute / time.Microsecond)

// waiting says what of a period may still come; empty if nothing. Every live
// journal must have passed its end: either no call from before then is open or
// unshipped at all, or those that are belong to other customers. A journal that
// says nothing for too long is declared lost; what it ships later becomes an
// adjustment.
func (w *Worker) waiting(ctx context.Context, p billing.Period) (string, error) {
	journals, err := w.o.Journals.Journals(ctx)
	if err != nil {
		return "", err
	}
	for _, j := range journals {
		if j.State != metering.JournalLive || passed(j, p) {
			continue
		}
		silent := w.o.Wall().Sub(j.Beaten.Time())
		if silent < w.o.MaxWait {
			return fmt.Sprintf("journal %s of %s has not passed the end of it (watermark %s)", j.Journal, j.Host, j.Watermark.Time().Format(time.RFC3339)), nil
		}
		w.o.Logger.Error("a journal is silent and was declared lost: what it ships later becomes an adjustment", "journal", j.Journal, "host", j.Host, "silent", silent)
		if err := w.o.Journals.DeclareLost(ctx, j.Journal); err != nil {
			return "", err
		}
	}
	return "", nil
}

// passed reports whether nothing of the period's customer can still come from a
// journal. Every call of more than a minute is listed with its customer, so once
// everything up to a minute after the end has been shipped, the list tells.
func passed(j metering.JournalInfo, p billing.Period) bool {
	if j.Watermark >= p.End {
		return true
	}
	if j.Clean < p.End+2*listed {
		return false
	}
	for _, c := range j.Open {
		if c.Org == p.Org && c.Customer == p.Customer && c.At < p.End {
			return false
		}
	}
	return true
}
