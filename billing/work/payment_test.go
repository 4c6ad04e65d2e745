package work_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
)

// due makes a world whose customer owes one period.
func due(w *billingtest.World, card string) {
	w.Helper()
	if card != "" {
		w.Card(card)
	}
	w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
	w.Use("2026-02-10T00:00:00Z", "7")
	w.Move("2026-03-01T00:00:00Z")
}

// TestLostReply is F25 and P15: a charge whose reply is lost is unknown until
// the provider says what became of it, and is taken once.
func TestLostReply(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		due(w, "good")
		w.Bank.LoseNext, w.Bank.Hush = 1, true
		w.Settle()
		list := w.Invoices()
		if list[0].State != billing.InvoiceUnknown || list[0].Paid.Minor != 0 {
			w.Errorf("after the lost reply: %s, paid %s", list[0].State, list[0].Paid)
		}
		if _, err := w.Worker.Pay(w.Context(), metering.DefaultOrg, list[0].Invoice.ID); !errors.Is(err, metering.ErrConflict) {
			w.Errorf("paying what may be paid: %v", err)
		}
		w.Settle()
		if s := w.Invoices()[0].State; s != billing.InvoiceUnknown {
			w.Errorf("while the provider is silent: %s", s)
		}
		w.Bank.Silent = false
		w.Settle()
		w.Settle()
		if a := w.Invoices()[0]; a.State != billing.InvoicePaid || a.Paid.Minor != 700 {
			w.Errorf("in the end: %s, paid %s", a.State, a.Paid)
		}
		if minor, n := w.Bank.Taken(); minor != 700 || n != 1 {
			w.Errorf("the bank took %d in %d charges", minor, n)
		}
	})
}

// TestLostRequest: a charge that never reached the provider is sent again, under
// the same key.
func TestLostRequest(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		due(w, "good")
		w.Bank.DropNext = 2
		for range 4 {
			w.Settle()
		}
		if a := w.Invoices()[0]; a.State != billing.InvoicePaid {
			w.Errorf("in the end: %s", a.State)
		}
		if minor, n := w.Bank.Taken(); minor != 700 || n != 1 || w.Bank.Asked != 3 {
			w.Errorf("the bank took %d in %d charges and was asked %d times", minor, n, w.Bank.Asked)
		}
	})
}

// TestDecline: the invoice is unpaid until a new card pays it, at once, P16.
func TestDecline(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		due(w, "declines")
		if r := w.Settle(); r.Failed != 1 {
			w.Errorf("report %+v", r)
		}
		a := w.Invoices()[0]
		payments, err := w.Store.Payments(w.Context(), metering.DefaultOrg, a.Invoice.ID)
		w.Must(err)
		if a.State != billing.InvoiceFailed || len(payments) != 1 || payments[0].Reason != "card declined" {
			w.Errorf("invoice %s, payments %+v", a.State, payments)
		}
		w.Card("good")
		w.Must(w.Worker.PayAll(w.Context(), metering.DefaultOrg, w.Customer.ID))
		w.Must(w.Worker.PayAll(w.Context(), metering.DefaultOrg, w.Customer.ID))
		if a := w.Invoices()[0]; a.State != billing.InvoicePaid || a.Due.Minor != 0 {
			w.Errorf("with a new card: %s, due %s", a.State, a.Due)
		}
		w.Balanced()
	})
}

// TestNoCard: an invoice of a customer without a card stays open, for whoever
// collects it.
func TestNoCard(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		due(w, "")
		w.Settle()
		if a := w.Invoices()[0]; a.State != billing.InvoiceOpen || a.Due.Minor != 700 {
			w.Errorf("invoice %s, due %s", a.State, a.Due)
		}
		if _, err := w.Worker.Pay(w.Context(), metering.DefaultOrg, "INV-000001"); !errors.Is(err, metering.ErrNotFound) {
			w.Errorf("paying without a card: %v", err)
		}
	})
}

// TestMinimum is P10: an amount below the provider's minimum is carried to the
// next invoice, visibly, and once.
func TestMinimum(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		w.Contract(w.Product("P", []billing.Price{w.Price("0.30", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "1")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		if a := wantTotals(w, 30)[0]; a.State != billing.InvoiceCarried || a.Due.Minor != 0 {
			w.Errorf("invoice %s, due %s", a.State, a.Due)
		}
		w.Use("2026-03-10T00:00:00Z", "2")
		w.Use("2026-04-10T00:00:00Z", "2")
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		w.Move("2026-05-01T00:00:00Z")
		w.Settle()
		list := wantTotals(w, 30, 90, 60)
		if l := list[1].Invoice.Lines[1]; l.Kind != billing.LineCarry || l.Corrects != list[0].Invoice.Number {
			w.Errorf("line %+v", l)
		}
		if minor, n := w.Bank.Taken(); minor != 150 || n != 2 {
			w.Errorf("the bank took %d in %d charges", minor, n)
		}
	})
}

// TestWorkers_race is F24, B19 and B25: any number of workers of any number of
// processes make one invoice and one charge, and each number once.
func TestWorkers_race(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("1", 1)})
		const customers = 5
		for i := range customers {
			w.Customer = w.AddCustomer(time36(i))
			w.Card("good")
			w.Contract(p, "2026-02-01T00:00:00Z")
			w.UseAs(w.Customer.ID, "2026-02-10T00:00:00Z", "7")
		}
		w.Move("2026-03-01T00:00:00Z")
		var all sync.WaitGroup
		for i := range 4 {
			all.Go(func() {
				other := w.Another(time36(i))
				for range 3 {
					if _, err := other.Settle(w.Context()); err != nil && !errors.Is(err, metering.ErrFenced) {
						w.Error(err)
					}
					w.Later(time.Minute) // the lease of whoever has it is over
				}
			})
		}
		all.Wait()
		w.Settle()
		list, _, err := w.Store.Invoices(w.Context(), metering.DefaultOrg, "", 100, "")
		w.Must(err)
		seen := make(map[string]bool)
		for _, a := range list {
			seen[a.Invoice.Number] = true
			if a.State != billing.InvoicePaid {
				w.Errorf("invoice %s is %s", a.Invoice.Number, a.State)
			}
		}
		minor, n := w.Bank.Taken()
		if len(list) != customers || len(seen) != customers || !seen["INV-000005"] || minor != 700*customers || n != customers {
			w.Errorf("%d invoices, numbers %v, the bank took %d in %d charges", len(list), seen, minor, n)
		}
	})
}

// paused is a drafter that lets a test act between reading and closing.
type paused struct {
	*invoicing.Biller
	then func()
}

func (p paused) Draft(ctx context.Context, c billing.Contract, of billing.Period) (billing.Invoice, error) {
	v, err := p.Biller.Draft(ctx, c, of)
	if p.then != nil {
		p.then()
	}
	return v, err
}

// TestZombie: a worker that stood still while another one did its work writes
// nothing of what it had drafted.
func TestZombie(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		due(w, "good")
		zombie := work.New(work.Options{
			Store: w.Store, Journals: w.Usage, Provider: w.Bank, Holder: "zombie", Now: w.Time, Wall: w.Time,
			Drafter: paused{w.Biller, func() {
				w.Move("2026-03-01T01:00:00Z")
				w.Settle()
			}},
		})
		if _, err := zombie.Settle(w.Context()); !errors.Is(err, metering.ErrFenced) {
			w.Errorf("the zombie: %v", err)
		}
		wantTotals(w, 700)
		if _, n := w.Bank.Taken(); n != 1 {
			w.Errorf("%d charges", n)
		}
	})
}

// TestSkew: the clock of who changes a price is behind that of who closes. Before
// the period is closed the closing starts again with the new price; after it,
// what is billed stays, B11.
func TestSkew(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("1", 1)})
		q := w.Product("Q", []billing.Price{w.Price("5", 1)})
		s := w.Contract(p, "2026-02-01T00:00:00Z")
		w.Use("2026-02-28T23:59:30Z", "1")
		behind := billingtest.Instant("2026-02-28T23:59:00Z")
		w.Move("2026-03-01T00:00:00Z")
		v := w.Price("3", 1)
		v.Product = p.ID
		tries := 0
		closer := work.New(work.Options{
			Store: w.Store, Journals: w.Usage, Holder: "first", Now: w.Time, Wall: w.Time,
			Drafter: paused{w.Biller, func() {
				if tries++; tries == 1 {
					_, err := w.Store.AddPrice(w.Context(), metering.DefaultOrg, v, behind)
					w.Must(err)
				}
			}},
		})
		if _, err := closer.Settle(w.Context()); err != nil || tries != 2 {
			w.Fatalf("after %d drafts: %v", tries, err)
		}
		wantTotals(w, 300)
		v.From = 0
		if _, err := w.Store.AddPrice(w.Context(), metering.DefaultOrg, v, behind+1); !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("a price for what is billed: %v", err)
		}
		if _, err := w.Store.SwitchProduct(w.Context(), metering.DefaultOrg, s.ID, billing.Phase{Product: q.ID}, behind); !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("a switch of what is billed: %v", err)
		}
		if _, err := w.Store.EndSubscription(w.Context(), metering.DefaultOrg, s.ID, 0, behind); !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("an end of what is billed: %v", err)
		}
	})
}

// TestChanged: what changes between drafting and closing makes the closing start
// again with what holds then.
func TestChanged(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		g := w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("5"), Note: "g"})
		due(w, "")
		done := false
		other := work.New(work.Options{
			Store: w.Store, Journals: w.Usage, Holder: "first", Now: w.Time, Wall: w.Time,
			Drafter: paused{w.Biller, func() {
				if !done {
					_, err := w.Store.VoidGrant(w.Context(), metering.DefaultOrg, g.ID, w.At())
					w.Must(err)
				}
				done = true
			}},
		})
		if _, err := other.Settle(w.Context()); err != nil {
			w.Fatal(err)
		}
		wantTotals(w, 700)
		w.Balanced()
	})
}
