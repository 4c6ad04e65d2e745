package sqlstore_test

import (
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
)

// TestLostReply loses the reply to the COMMIT of everything that billing writes,
// twice: each comes to the same as with its reply. F24, F25.
func TestLostReply(t *testing.T) {
	t.Parallel()
	again, address := meteringtest.Sever(t, meteringtest.Postgres(t))
	w := billingtest.NewWorld(t, address)
	ctx, s, org := t.Context(), w.Store, metering.DefaultOrg
	var product billing.Product
	again("product", func() (err error) {
		product, err = s.CreateProduct(ctx, billing.Product{Org: org, Name: "P", Months: 1, TrialUsage: billing.TrialFree, Prices: []billing.Price{w.Price("1", 1)}})
		return err
	})
	start := billingtest.Instant("2026-02-01T00:00:00Z")
	var sub billing.Subscription
	again("subscription", func() (err error) {
		sub, err = s.CreateSubscription(ctx, billing.Subscription{
			Org: org, Customer: w.Customer.ID, Anchor: period.AnchorAt(start, time.UTC, 1), Start: start, Phases: []billing.Phase{{From: start, Product: product.ID}},
		})
		return err
	})
	again("grant", func() error {
		_, err := s.CreateGrant(ctx, billing.Grant{Org: org, Customer: w.Customer.ID, Meter: w.Meter, Issued: billingtest.Number("3"), Note: "g", Created: w.At()})
		return err
	})
	again("card", func() error {
		_, err := s.SaveMethod(ctx, billing.PaymentMethod{Org: org, Customer: w.Customer.ID, Provider: "bank", Token: "good", Created: w.At()})
		return err
	})
	again("price", func() error {
		v := w.Price("2", 1)
		v.Product, v.From = product.ID, billingtest.Instant("2026-02-10T00:00:00Z")
		_, err := s.AddPrice(ctx, org, v, w.At())
		return err
	})
	w.Use("2026-02-05T00:00:00Z", "10")
	w.Use("2026-02-15T00:00:00Z", "10")
	w.Move("2026-03-01T00:00:00Z")

	lease, ok, err := s.Acquire(ctx, "billing", "test", time.Minute, w.Time())
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	contract, err := s.Contract(ctx, org, sub.ID)
	w.Must(err)
	invoice, err := w.Biller.Draft(ctx, contract, contract.Periods[0])
	w.Must(err)
	invoice.ID, invoice.Issued = "00000000-0000-7000-8000-00000000000a", w.At()
	closing := billing.Closing{Lease: lease, Period: contract.Periods[0], Version: contract.Version, Invoice: &invoice, At: w.At()}
	again("close", func() error { return s.Close(ctx, closing) })
	payment := billing.Payment{Org: org, ID: "00000000-0000-7000-8000-00000000000b", Invoice: invoice.ID, Customer: w.Customer.ID, Provider: "bank"}
	again("start payment", func() error { _, err := s.StartPayment(ctx, payment); return err })
	again("settle payment", func() error {
		_, err := s.SettlePayment(ctx, org, payment.ID, billing.ChargeResult{State: billing.PaymentSucceeded}, w.At())
		return err
	})
	again("end", func() error { _, err := s.EndSubscription(ctx, org, sub.ID, 0, w.At()); return err })

	list := w.Invoices()
	if len(list) != 1 || list[0].Invoice.Total.Minor != 2700 || list[0].Paid.Minor != 2700 || list[0].State != billing.InvoicePaid || list[0].Invoice.Number != "INV-000001" {
		t.Errorf("invoices %+v", list)
	}
	w.WantLeft("g 0")
	w.Balanced()
	periods, err := s.Periods(ctx, org, sub.ID)
	w.Must(err)
	if len(periods) != 1 || periods[0].State != billing.PeriodClosed {
		t.Errorf("periods %+v", periods)
	}
}
