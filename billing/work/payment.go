package work

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

// answerWithin bounds how long a provider may take.
const answerWithin = 30 * time.Second

// settlePayments follows every payment whose end is not known.
func (w *Worker) settlePayments(ctx context.Context, r *Report) error {
	if w.o.Provider == nil {
		return nil
	}
	list, err := w.o.Store.Unsettled(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, p := range list {
		if p.Provider != w.o.Provider.Name() {
			continue
		}
		got, err := w.follow(ctx, p)
		errs = append(errs, err)
		switch got.State {
		case billing.PaymentSucceeded:
			r.Paid++
		case billing.PaymentDeclined:
			r.Failed++
		case billing.PaymentUnknown, billing.PaymentAction, billing.PaymentPending:
			r.Unknown++
		}
	}
	return errors.Join(errs...)
}

// follow finds out what became of a payment, and sends it if the provider has
// never had it. The provider takes one key once, so whoever else is at it, and
// however often the process died on the way, the customer pays once.
func (w *Worker) follow(ctx context.Context, p billing.Payment) (billing.Payment, error) {
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	result, err := w.o.Provider.Find(asking, p.ID)
	if errors.Is(err, metering.ErrNotFound) {
		return w.send(ctx, p)
	}
	if err != nil {
		// Nothing is known; the next look asks again.
		w.o.Logger.Warn("the payment provider does not say what became of a payment", "payment", p.ID, "error", err)
		result = billing.ChargeResult{State: billing.PaymentUnknown}
	}
	if result.State == p.State {
		return p, nil
	}
	return w.o.Store.SettlePayment(ctx, p.Org, p.ID, result, metering.MicrosOf(w.o.Now()))
}

// send asks the provider to take a payment that is on record.
func (w *Worker) send(ctx context.Context, p billing.Payment) (billing.Payment, error) {
	acc, err := w.o.Store.Invoice(ctx, p.Org, p.Invoice)
	if err != nil {
		return p, err
	}
	asking, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	fault.At(fault.BillBeforeCharge)
	result, err := w.o.Provider.Charge(asking, billing.Charge{
		Key: p.ID, Customer: p.Customer, Method: p.Method.Token, Amount: p.Amount, Description: "Invoice " + acc.Invoice.Number,
	})
	fault.At(fault.BillAfterCharge)
	switch {
	case errors.Is(err, metering.ErrInvalid):
		result = billing.ChargeResult{State: billing.PaymentDeclined, Reason: "refused by the provider: " + err.Error()}
	case err != nil:
		w.o.Logger.Warn("the reply to a charge was lost", "payment", p.ID, "invoice", acc.Invoice.Number, "error", err)
		result = billing.ChargeResult{State: billing.PaymentUnknown}
	}
	return w.o.Store.SettlePayment(ctx, p.Org, p.ID, result, metering.MicrosOf(w.o.Now()))
}

// Pay charges what is due of an invoice to the card on file, now.
// metering.ErrConflict: there is nothing due, or an attempt whose end is not
// known. metering.ErrNotFound: no such invoice, or no card on file.
func (w *Worker) Pay(ctx context.Context, org, invoice string) (billing.Payment, error) {
	if w.o.Provider == nil {
		return billing.Payment{}, fmt.Errorf("pay: no payment provider is configured: %w", metering.ErrConflict)
	}
	acc, err := w.o.Store.Invoice(ctx, org, invoice)
	if err != nil {
		return billing.Payment{}, err
	}
	method, err := w.o.Store.Method(ctx, org, acc.Invoice.Customer.ID)
	if err != nil {
		return billing.Payment{}, fmt.Errorf("pay invoice %s: %w", acc.Invoice.Number, err)
	}
	p, err := w.payment(org, acc.Invoice.ID, acc.Invoice.Customer.ID, acc.Due, method)
	if err != nil {
		return p, err
	}
	if p, err = w.o.Store.StartPayment(ctx, p); err != nil {
		return p, fmt.Errorf("pay invoice %s: %w", acc.Invoice.Number, err)
	}
	return w.send(ctx, p)
}

// PayAll charges every invoice of a customer that is unpaid: what a new card is
// for.
func (w *Worker) PayAll(ctx context.Context, org, customer string) error {
	list, err := w.o.Store.Unpaid(ctx, org, customer)
	if err != nil {
		return err
	}
	var errs []error
	for _, acc := range list {
		if _, err := w.Pay(ctx, org, acc.Invoice.ID); err != nil && !errors.Is(err, metering.ErrConflict) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
