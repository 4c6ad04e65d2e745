package sqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

const other = "other"

// TestOrganisations is P05, S26 and B29: whatever belongs to an organisation
// does not exist for another one, though both call it by one name.
func TestOrganisations(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		product := w.Product("P", []billing.Price{w.Price("1", 1)})
		sub := w.Contract(product, "2026-02-01T00:00:00Z")
		grant := w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("1"), Note: "g"})
		w.Use("2026-02-02T00:00:00Z", "9")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		invoice := w.Invoices()[0].Invoice
		theirs, err := w.Usage.CreateCustomer(w.Context(), metering.Customer{Org: other, ExternalID: w.Customer.ExternalID})
		w.Must(err)

		ctx, s, now := w.Context(), w.Store, w.At()
		for name, try := range map[string]func() error{
			"product":         func() error { _, err := s.Product(ctx, other, product.ID); return err },
			"product by name": func() error { _, err := s.Product(ctx, other, "P"); return err },
			"rename":          func() error { return s.RenameProduct(ctx, other, product.ID, "Q") },
			"archive":         func() error { return s.ArchiveProduct(ctx, other, product.ID, now) },
			"price": func() error {
				v := w.Price("1", 1)
				v.Product = product.ID
				_, err := s.AddPrice(ctx, other, v, now)
				return err
			},
			"subscription": func() error { _, err := s.Subscription(ctx, other, sub.ID); return err },
			"contract":     func() error { _, err := s.Contract(ctx, other, sub.ID); return err },
			"switch": func() error {
				_, err := s.SwitchProduct(ctx, other, sub.ID, billing.Phase{Product: product.ID}, now)
				return err
			},
			"end":               func() error { _, err := s.EndSubscription(ctx, other, sub.ID, 0, now); return err },
			"void":              func() error { _, err := s.VoidGrant(ctx, other, grant.ID, now); return err },
			"invoice":           func() error { _, err := s.Invoice(ctx, other, invoice.ID); return err },
			"invoice by number": func() error { _, err := s.Invoice(ctx, other, invoice.Number); return err },
			"document":          func() error { _, _, err := s.Document(ctx, other, invoice.ID); return err },
			"audit":             func() error { _, err := w.Biller.Audit(ctx, other, invoice.ID); return err },
			"card":              func() error { _, err := s.Method(ctx, other, w.Customer.ID); return err },
			"pay":               func() error { _, err := w.Worker.Pay(ctx, other, invoice.ID); return err },
			"their product": func() error {
				_, err := s.CreateSubscription(ctx, billing.Subscription{
					Org: other, Customer: theirs.ID, Anchor: period.AnchorAt(now, time.UTC, 1), Start: now, Phases: []billing.Phase{{From: now, Product: product.ID}},
				})
				return err
			},
			"our customer": func() error {
				_, err := s.CreateGrant(ctx, billing.Grant{Org: other, Customer: w.Customer.ID, Currency: "USD", Issued: billingtest.Number("1"), Created: now})
				return err
			},
		} {
			if err := try(); !errors.Is(err, metering.ErrNotFound) {
				w.Errorf("%s: %v", name, err)
			}
		}
		for name, n := range map[string]func() (int, error){
			"products":      func() (int, error) { l, _, err := s.Products(ctx, other, 10, ""); return len(l), err },
			"subscriptions": func() (int, error) { l, _, err := s.Subscriptions(ctx, other, "", 10, ""); return len(l), err },
			"periods":       func() (int, error) { l, err := s.Periods(ctx, other, sub.ID); return len(l), err },
			"grants":        func() (int, error) { l, err := s.Grants(ctx, other, w.Customer.ID); return len(l), err },
			"invoices":      func() (int, error) { l, _, err := s.Invoices(ctx, other, "", 10, ""); return len(l), err },
			"payments":      func() (int, error) { l, err := s.Payments(ctx, other, invoice.ID); return len(l), err },
			"unpaid":        func() (int, error) { l, err := s.Unpaid(ctx, other, w.Customer.ID); return len(l), err },
		} {
			if got, err := n(); got != 0 || err != nil {
				w.Errorf("%s of the other organisation: %d, %v", name, got, err)
			}
		}
		if p, err := s.CreateProduct(ctx, billing.Product{Org: other, Name: "P", Months: 1, TrialUsage: billing.TrialFree, Created: now}); err != nil || p.ID == product.ID {
			w.Errorf("a product of one name: %+v, %v", p, err)
		}
	})
}

// TestProducts_refuse what no product is.
func TestProducts_refuse(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		good := func() billing.Product {
			return billing.Product{Org: metering.DefaultOrg, Name: "P", Months: 1, TrialUsage: billing.TrialFree, Prices: []billing.Price{w.Price("1", 1)}}
		}
		for name, spoil := range map[string]func(*billing.Product){
			"no name":          func(p *billing.Product) { p.Name = "" },
			"NUL":              func(p *billing.Product) { p.Name = "a\x00b" },
			"no UTF-8":         func(p *billing.Product) { p.Name = "a\xff" },
			"two months":       func(p *billing.Product) { p.Months = 2 },
			"no rule":          func(p *billing.Product) { p.TrialUsage = "" },
			"negative trial":   func(p *billing.Product) { p.TrialDays = -1 },
			"negative price":   func(p *billing.Product) { p.Prices[0].Amount = billingtest.Number("-1") },
			"unknown currency": func(p *billing.Product) { p.Prices[0].Currency = "ABC" },
			"two currencies": func(p *billing.Product) {
				v := w.Price("1", 1)
				v.Meter, v.Currency = "m", "EUR"
				p.Prices = append(p.Prices, v)
			},
			"a meter twice": func(p *billing.Product) { p.Prices = append(p.Prices, p.Prices[0]) },
		} {
			p := good()
			spoil(&p)
			if _, err := w.Store.CreateProduct(w.Context(), p); !errors.Is(err, metering.ErrInvalid) {
				w.Errorf("%s: %v", name, err)
			}
		}
		p := good()
		p.Prices[0].Meter = "none"
		if _, err := w.Store.CreateProduct(w.Context(), p); !errors.Is(err, metering.ErrNotFound) {
			w.Errorf("a price for no meter: %v", err)
		}
		if list, _, err := w.Store.Products(w.Context(), metering.DefaultOrg, 10, ""); err != nil || len(list) != 0 {
			w.Errorf("products left behind: %+v, %v", list, err)
		}
		made, err := w.Store.CreateProduct(w.Context(), good())
		w.Must(err)
		if _, err := w.Store.CreateProduct(w.Context(), good()); !errors.Is(err, metering.ErrConflict) {
			w.Errorf("a name twice: %v", err)
		}
		if err := w.Usage.ArchiveMeter(w.Context(), metering.DefaultOrg, w.Meter, w.At()); !errors.Is(err, metering.ErrConflict) {
			w.Errorf("archiving a meter that has a price: %v", err)
		}
		w.Must(w.Store.ArchiveProduct(w.Context(), metering.DefaultOrg, made.ID, w.At()))
		at := w.At()
		_, err = w.Store.CreateSubscription(w.Context(), billing.Subscription{
			Org: metering.DefaultOrg, Customer: w.Customer.ID, Anchor: period.AnchorAt(at, time.UTC, 1), Start: at, Phases: []billing.Phase{{From: at, Product: made.ID}},
		})
		if !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("subscribing to what is archived: %v", err)
		}
	})
}

// TestFirstPrice: a product cannot get a price for a meter that a subscriber
// has from elsewhere, P09.
func TestFirstPrice(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		m, err := w.Usage.CreateMeter(w.Context(), metering.Meter{
			Org: metering.DefaultOrg, Name: "calls", Aggregate: metering.Aggregate{Func: metering.AggregateCount}, Filter: metering.Filter{Conjunction: metering.And},
		})
		w.Must(err)
		calls := w.Price("1", 1)
		calls.Meter = m.ID
		tokens := w.Product("tokens", []billing.Price{w.Price("1", 1)})
		w.Contract(tokens, "2026-02-01T00:00:00Z")
		p := w.Product("calls", []billing.Price{calls})
		w.Contract(p, "2026-02-01T00:00:00Z")
		v := w.Price("1", 1)
		v.Product = p.ID
		if _, err := w.Store.AddPrice(w.Context(), metering.DefaultOrg, v, w.At()); !errors.Is(err, metering.ErrConflict) {
			w.Errorf("a second place for one meter: %v", err)
		}
	})
}

// TestDatabase_guards: the schema itself refuses what must not be twice, B19.
func TestDatabase_guards(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-02T00:00:00Z", "9")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		a := w.Invoices()[0].Invoice
		method := billing.PaymentMethod{}
		first, err := w.Store.StartPayment(w.Context(), billing.Payment{Org: metering.DefaultOrg, ID: "p1", Invoice: a.ID, Customer: a.Customer.ID, Provider: "bank", Method: method})
		w.Must(err)
		again, err := w.Store.StartPayment(w.Context(), billing.Payment{Org: metering.DefaultOrg, ID: "p1", Invoice: a.ID, Customer: a.Customer.ID, Provider: "bank", Method: method})
		w.Must(err)
		if again.ID != first.ID {
			w.Errorf("started again: %+v", again)
		}
		_, err = w.Store.StartPayment(w.Context(), billing.Payment{Org: metering.DefaultOrg, ID: "p2", Invoice: a.ID, Customer: a.Customer.ID, Provider: "bank", Method: method})
		if !errors.Is(err, metering.ErrConflict) {
			w.Errorf("a second attempt beside the first: %v", err)
		}
		for range 2 { // the reply of the first may be lost
			_, err := w.Store.SettlePayment(w.Context(), metering.DefaultOrg, "p1", billing.ChargeResult{State: billing.PaymentSucceeded}, w.At())
			w.Must(err)
		}
		_, err = w.Store.SettlePayment(w.Context(), metering.DefaultOrg, "p1", billing.ChargeResult{State: billing.PaymentDeclined}, w.At())
		w.Must(err)
		if got := w.Invoices()[0]; got.Paid.Minor != 900 || got.State != billing.InvoicePaid {
			w.Errorf("invoice %s, paid %s", got.State, got.Paid)
		}
		w.Balanced()
	})
}
