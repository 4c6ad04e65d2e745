package work_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

func wantTotals(w *billingtest.World, want ...int64) []billing.Account {
	w.Helper()
	list := w.Invoices()
	if diff := cmp.Diff(want, billingtest.Totals(list)); diff != "" {
		w.Errorf("totals of the invoices (-want +got):\n%s", diff)
	}
	return list
}

// TestFirstBill is the guide in one go: usage, close, charge, audit. P12, P11.
func TestFirstBill(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		w.Subscribe("2026-01-31T00:00:00Z")
		w.Use("2026-02-03T10:11:12Z", "1000000")
		w.Use("2026-02-27T23:59:59Z", "234567")
		w.Move("2026-02-27T23:59:59Z")
		if r := w.Settle(); r.Closed != 0 {
			w.Errorf("closed before the end: %+v", r)
		}
		e, err := w.Biller.Estimate(w.Context(), metering.DefaultOrg, w.Customer.ID, w.At())
		w.Must(err)
		if len(e.Invoices) != 1 || e.Invoices[0].Total.String() != "12.35 USD" || e.Invoices[0].Number != "" || len(e.Unbilled) != 0 {
			w.Errorf("estimate %+v", e)
		}
		w.Move("2026-02-28T00:00:01Z") // an anchor on the 31st, P03
		if r := w.Settle(); r.Closed != 1 || r.Paid != 1 {
			w.Errorf("report %+v", r)
		}
		list := wantTotals(w, 1235)
		if len(list) == 0 {
			return
		}
		v, l := list[0].Invoice, list[0].Invoice.Lines[0]
		if list[0].State != billing.InvoicePaid || list[0].Due.Minor != 0 || v.Number != "INV-000001" || v.Period.End != billingtest.Instant("2026-02-28T00:00:00Z") {
			w.Errorf("invoice %+v", list[0])
		}
		if l.Quantity.String() != "1234567" || l.Exact != "12.34567" || l.Rounding != "0.00433" || l.Price.Per != 1000 || l.Events != 2 {
			w.Errorf("line %+v", l)
		}
		if minor, n := w.Bank.Taken(); minor != 1235 || n != 1 {
			w.Errorf("the bank took %d in %d charges", minor, n)
		}
		if r := w.Settle(); r.Closed != 0 || r.Paid != 0 {
			w.Errorf("settled again: %+v", r)
		}
	})
}

// TestPeriods_tile holds that usage on either side of every boundary is on its
// own invoice and that no period is skipped, P02, P03, B18, over a year with an
// anchor on the 31st in a zone with summer time, P17.
func TestPeriods_tile(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("1", 1)})
		s := w.Contract(p, "2026-01-31T05:00:00Z", func(s *billing.Subscription) {
			s.Anchor = period.Anchor{Year: 2026, Month: 1, Day: 31, Zone: zone, Months: 1}
		})
		var want []int64
		for k := range 12 {
			span := s.Anchor.Period(k)
			w.Use(span.Start.Time().Format(time.RFC3339Nano), "1")
			w.Use((span.End - 1).Time().Format(time.RFC3339Nano), "10")
			want = append(want, 1100)
		}
		w.Move("2027-02-01T00:00:00Z")
		if r := w.Settle(); r.Closed != 12 {
			w.Errorf("closed %d periods", r.Closed)
		}
		list := wantTotals(w, want...)
		for i, a := range list {
			if i > 0 && a.Invoice.Period.Start != list[i-1].Invoice.Period.End {
				w.Errorf("invoice %d starts at %v, the one before ends at %v", i, a.Invoice.Period.Start.Time(), list[i-1].Invoice.Period.End.Time())
			}
		}
		if march := list[2].Invoice.Period; march.Start != billingtest.Instant("2026-03-31T04:00:00Z") {
			w.Errorf("the third period starts at %v", march.Start.Time())
		}
	})
}

// TestSwitch is P01 and B11: A, B and A again within a period, a new price in
// its middle, and each unit at the price it was used under.
func TestSwitch(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		a := w.Product("A", []billing.Price{w.Price("1", 1)})
		b := w.Product("B", []billing.Price{w.Price("0.10", 1)})
		s := w.Contract(a, "2026-02-01T00:00:00Z")
		org := metering.DefaultOrg
		step := func(at string, do func(now metering.Micros) error) {
			w.Move(at)
			w.Must(do(w.At()))
		}
		w.Use("2026-02-02T00:30:00Z", "3")
		step("2026-02-03T00:00:00Z", func(now metering.Micros) error {
			_, err := w.Store.SwitchProduct(w.Context(), org, s.ID, billing.Phase{From: now, Product: b.ID}, now)
			return err
		})
		w.Use("2026-02-03T00:00:00Z", "50")
		step("2026-02-04T10:30:00Z", func(now metering.Micros) error {
			v := w.Price("0.20", 1)
			v.Product = b.ID
			_, err := w.Store.AddPrice(w.Context(), org, v, now)
			return err
		})
		w.Use("2026-02-04T10:29:59.999999Z", "5")
		w.Use("2026-02-04T10:30:00Z", "7")
		step("2026-02-05T00:00:00Z", func(now metering.Micros) error {
			_, err := w.Store.SwitchProduct(w.Context(), org, s.ID, billing.Phase{From: now, Product: "A"}, now)
			return err
		})
		w.Use("2026-02-06T00:00:00Z", "2")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		// 3 + 2 at 1.00, 50 + 5 at 0.10, 7 at 0.20
		list := wantTotals(w, 300+550+140+200)
		if n := len(list[0].Invoice.Lines); n != 4 {
			w.Errorf("%d lines", n)
		}
		if _, err := w.Store.SwitchProduct(w.Context(), org, s.ID, billing.Phase{From: w.At() - 1, Product: b.ID}, w.At()); !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("a switch in the past: %v", err)
		}
		v := w.Price("9", 1)
		v.Product, v.From = b.ID, w.At()-1
		if _, err := w.Store.AddPrice(w.Context(), org, v, w.At()); !errors.Is(err, metering.ErrInvalid) {
			w.Errorf("a price in the past: %v", err)
		}
	})
}

// TestIncluded: included units are those of a period, whatever its prices.
func TestIncluded(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		v := w.Price("1", 1)
		v.Included = billingtest.Number("10")
		p := w.Product("P", []billing.Price{v})
		w.Contract(p, "2026-02-01T00:00:00Z")
		w.Use("2026-02-02T00:00:00Z", "8")
		w.Move("2026-02-10T00:00:00Z")
		v = w.Price("2", 1)
		v.Product, v.Included = p.ID, billingtest.Number("10")
		_, err := w.Store.AddPrice(w.Context(), metering.DefaultOrg, v, w.At())
		w.Must(err)
		w.Use("2026-02-11T00:00:00Z", "5")
		w.Move("2026-04-01T00:00:00Z")
		w.Use("2026-03-11T00:00:00Z", "9")
		w.Settle()
		list := wantTotals(w, 600, 0)
		if free := list[0].Invoice.Lines[1].Free; free.String() != "2" {
			w.Errorf("%s units of the second price are included", free)
		}
		// A late unit under the first price takes an included one from the second.
		w.Use("2026-02-03T00:00:00Z", "1")
		w.Move("2026-05-01T00:00:00Z")
		w.Use("2026-04-03T00:00:00Z", "1")
		w.Settle()
		wantTotals(w, 600, 0, 200)
	})
}

// TestCancel is P07: at once, and what was used until then is invoiced.
func TestCancel(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		s := w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-02T00:00:00Z", "3")
		w.Move("2026-02-10T00:00:00Z")
		_, err := w.Store.EndSubscription(w.Context(), metering.DefaultOrg, s.ID, 0, w.At())
		w.Must(err)
		w.Use("2026-02-10T00:00:00Z", "100") // after the end
		w.Move("2026-02-10T00:00:01Z")
		w.Settle()
		wantTotals(w, 300)
		w.Move("2026-06-10T00:00:00Z")
		w.Settle()
		wantTotals(w, 300)
		e, err := w.Biller.Estimate(w.Context(), metering.DefaultOrg, w.Customer.ID, w.At())
		w.Must(err)
		if len(e.Invoices) != 0 || len(e.Unbilled) != 1 || e.Unbilled[0].Quantity.String() != "100" {
			w.Errorf("estimate after the end: %+v", e)
		}
	})
}

// TestUnbilled is P08: usage before any subscription is visible, and billed by
// one that starts early enough.
func TestUnbilled(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Use("2026-01-15T00:00:00Z", "4")
		e, err := w.Biller.Estimate(w.Context(), metering.DefaultOrg, w.Customer.ID, w.At())
		w.Must(err)
		if len(e.Unbilled) != 1 || e.Unbilled[0].Quantity.String() != "4" || e.Unbilled[0].Events != 1 {
			w.Errorf("unbilled %+v", e.Unbilled)
		}
		// What nobody sells is only counted, once something is sold.
		counts, err := w.Usage.CreateMeter(w.Context(), metering.Meter{
			Org: metering.DefaultOrg, Name: "calls", Aggregate: metering.Aggregate{Func: metering.AggregateCount}, Filter: metering.Filter{Conjunction: metering.And},
		})
		w.Must(err)
		p := w.Product("P", []billing.Price{w.Price("1", 1)})
		e, err = w.Biller.Estimate(w.Context(), metering.DefaultOrg, w.Customer.ID, w.At())
		w.Must(err)
		if len(e.Unbilled) != 1 || e.Unbilled[0].Meter == counts.ID {
			w.Errorf("unbilled while only tokens are sold: %+v", e.Unbilled)
		}
		w.Contract(p, "2026-01-01T00:00:00Z")
		w.Move("2026-02-01T00:00:00Z")
		w.Settle()
		wantTotals(w, 400)
	})
}

// TestOneMeterOnce is P09: two subscriptions on one meter at one time are
// refused, one after the other is fine, and two at once race for one place.
func TestOneMeterOnce(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		p := w.Product("P", []billing.Price{w.Price("1", 1)})
		q := w.Product("Q", []billing.Price{w.Price("2", 1)})
		made := make(chan error, 2)
		for _, product := range []billing.Product{p, q} {
			go func() {
				at := billingtest.Instant("2026-02-01T00:00:00Z")
				_, err := w.Store.CreateSubscription(w.Context(), billing.Subscription{
					Org: metering.DefaultOrg, Customer: w.Customer.ID, Anchor: period.AnchorAt(at, time.UTC, 1), Start: at,
					Phases: []billing.Phase{{From: at, Product: product.ID}},
				})
				made <- err
			}()
		}
		first, second := <-made, <-made
		if (first == nil) == (second == nil) || !errors.Is(errors.Join(first, second), metering.ErrConflict) {
			w.Fatalf("two at once: %v and %v", first, second)
		}
		w.Use("2026-02-02T00:00:00Z", "1")
		subs, _, err := w.Store.Subscriptions(w.Context(), metering.DefaultOrg, w.Customer.ID, 10, "")
		w.Must(err)
		w.Move("2026-02-20T00:00:00Z")
		_, err = w.Store.EndSubscription(w.Context(), metering.DefaultOrg, subs[0].ID, 0, w.At())
		w.Must(err)
		w.Contract(q, "2026-02-20T00:00:00Z")
		w.Use("2026-02-21T00:00:00Z", "1")
		w.Move("2026-03-20T00:00:00Z")
		w.Settle()
		list := w.Invoices()
		if got := billingtest.Totals(list); len(got) != 2 || got[1] != 200 {
			w.Errorf("totals %v", got)
		}
	})
}

// TestTrial is P18: usage of a trial follows the product's rule, and the
// invoice says which.
func TestTrial(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		for _, rule := range []billing.TrialRule{billing.TrialFree, billing.TrialBilled} {
			w.Customer = w.AddCustomer(string(rule))
			p := w.Product(string(rule), []billing.Price{w.Price("1", 1)}, func(p *billing.Product) { p.TrialDays, p.TrialUsage = 14, rule })
			w.Contract(p, "2026-02-01T00:00:00Z")
			w.Use("2026-02-14T23:59:59Z", "5")
			w.Use("2026-02-15T00:00:00Z", "2")
		}
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		wantTotals(w, 700) // billed
		c, err := w.Usage.Customer(w.Context(), metering.DefaultOrg, string(billing.TrialFree))
		w.Must(err)
		w.Customer.ID = c.ID
		list := wantTotals(w, 200)
		lines := list[0].Invoice.Lines
		if len(lines) != 2 || lines[0].Kind != billing.LineTrial || lines[0].Quantity.String() != "5" || len(list[0].Invoice.Notes) == 0 {
			w.Errorf("lines %+v, notes %q", lines, list[0].Invoice.Notes)
		}
	})
}

// TestAggregations is P20: avg, max, min, count and unique over a period are
// what the events give, which the audit computes one by one.
func TestAggregations(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		var prices []billing.Price
		for _, f := range []metering.Aggregation{metering.AggregateAvg, metering.AggregateMax, metering.AggregateMin, metering.AggregateCount, metering.AggregateUnique} {
			m := metering.Meter{Org: metering.DefaultOrg, Name: string(f), Aggregate: metering.Aggregate{Func: f, Property: "n"}, Filter: metering.Filter{Conjunction: metering.And}}
			if f == metering.AggregateCount {
				m.Aggregate.Property = ""
			}
			m, err := w.Usage.CreateMeter(w.Context(), m)
			w.Must(err)
			prices = append(prices, billing.Price{Meter: m.ID, Model: billing.PerUnit, Currency: billing.USD, Amount: billingtest.Number("1"), Per: 1})
		}
		w.Contract(w.Product("P", prices), "2026-02-01T00:30:00Z")
		for i, n := range []string{"3", "4", "3", "7.25"} {
			w.Use(time.Date(2026, 2, 1+i, 0, 40+i, 0, 0, time.UTC).Format(time.RFC3339), "1", `"n":`+n)
		}
		w.Move("2026-03-01T00:30:00Z")
		w.Settle()
		list := w.Invoices()
		got := map[string]string{}
		for _, l := range list[0].Invoice.Lines {
			got[l.MeterName] = l.Quantity.String()
		}
		if diff := cmp.Diff(map[string]string{"avg": "4.3125", "max": "7.25", "min": "3", "count": "4", "unique": "3"}, got); diff != "" {
			w.Errorf("quantities (-want +got):\n%s", diff)
		}
	})
}

// TestFinal is B21 and F of late facts: what is reported after a period closed
// is a line of the next invoice, and the bytes of the first never change.
func TestFinal(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Subscribe("2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "1499")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		first := wantTotals(w, 1)[0]
		document, _, err := w.Store.Document(w.Context(), metering.DefaultOrg, first.Invoice.ID)
		w.Must(err)
		w.Use("2026-02-11T00:00:00Z", "1") // 1,500 tokens are 0.015, which is 0.02
		if r := w.Audit(first.Invoice.ID); r.Late != 1 {
			w.Errorf("%d events came late", r.Late)
		}
		w.Use("2026-03-11T00:00:00Z", "1000")
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		second := wantTotals(w, 1, 2)[1]
		kinds := []billing.LineKind{}
		for _, l := range second.Invoice.Lines {
			kinds = append(kinds, l.Kind)
		}
		if !slices.Equal(kinds, []billing.LineKind{billing.LineAdjustment, billing.LineUsage}) || second.Invoice.Lines[0].Corrects != first.Invoice.Number {
			w.Errorf("lines %+v", second.Invoice.Lines)
		}
		again, _, err := w.Store.Document(w.Context(), metering.DefaultOrg, first.Invoice.ID)
		w.Must(err)
		if !bytes.Equal(document, again) {
			w.Error("the first invoice has changed")
		}
	})
}

// TestLate_afterTheEnd: what is reported after a subscription has ended is
// invoiced all the same, once, and a carried amount alone makes no invoice.
func TestLate_afterTheEnd(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		s := w.Contract(w.Product("P", []billing.Price{w.Price("0.10", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-02T00:00:00Z", "3")
		w.Move("2026-02-10T00:00:00Z")
		_, err := w.Store.EndSubscription(w.Context(), metering.DefaultOrg, s.ID, 0, w.At())
		w.Must(err)
		w.Move("2026-02-10T00:00:01Z")
		w.Settle()
		w.Move("2026-02-11T00:00:00Z")
		w.Settle()
		wantTotals(w, 30) // less than can be charged, so it is carried
		w.Use("2026-02-03T00:00:00Z", "7")
		w.Move("2026-02-11T00:30:00Z")
		w.Settle() // within the hour nobody looks again
		wantTotals(w, 30)
		w.Move("2026-02-11T02:00:00Z")
		w.Settle()
		list := wantTotals(w, 30, 100)
		if l := list[1].Invoice.Lines; len(l) != 2 || l[0].Kind != billing.LineAdjustment || l[0].Corrects != "INV-000001" || l[1].Kind != billing.LineCarry {
			w.Errorf("lines %+v", l)
		}
		w.Move("2026-03-11T00:00:00Z")
		w.Settle()
		wantTotals(w, 30, 100)
		if minor, n := w.Bank.Taken(); minor != 100 || n != 1 {
			w.Errorf("the bank took %d in %d charges", minor, n)
		}
	})
}

// TestBroken: a subscription that ended and cannot be read any more is told of,
// and holds up nobody else's period.
func TestBroken(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		broken := w.Product("broken", []billing.Price{w.Price("1", 1)})
		s := w.Contract(broken, "2026-02-01T00:00:00Z")
		w.Move("2026-02-05T00:00:00Z")
		_, err := w.Store.EndSubscription(w.Context(), metering.DefaultOrg, s.ID, 0, w.At())
		w.Must(err)
		w.Settle()
		w.Must(w.Usage.DB().Write(w.Context(), "break", func(tx sqldb.Tx) error {
			_, err := tx.Exec(w.Context(), `DELETE FROM products WHERE id = $1`, broken.ID)
			return err
		}))
		w.Customer = w.AddCustomer("sound")
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "3")
		w.Move("2026-03-01T00:00:00Z")
		r, err := w.Worker.Settle(w.Context())
		if r.Closed != 1 || !errors.Is(err, metering.ErrNotFound) {
			w.Errorf("report %+v, %v", r, err)
		}
		wantTotals(w, 300)
	})
}

// TestTestKeys: what test keys used is on no invoice.
func TestTestKeys(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Subscribe("2026-02-01T00:00:00Z")
		id, err := metering.NewID()
		w.Must(err)
		_, err = w.Usage.Ingest(w.Context(), metering.DefaultOrg, []*metering.Event{{
			Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: w.Customer.ID, At: billingtest.Instant("2026-02-05T00:00:00Z"), Test: true},
			Name: metering.EventLLM, Properties: []byte(`{"totalTokens":1000000}`),
		}})
		w.Must(err)
		w.Move("2026-03-01T00:00:00Z")
		if r := w.Settle(); r.Closed != 1 || len(r.Invoices) != 0 {
			w.Errorf("report %+v", r)
		}
	})
}
