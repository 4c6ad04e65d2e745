package work_test

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestCredit_units: units come after what is included and before the price, in
// the order of priority, expiry and age, P13; a pack bought before the
// subscription is there after it starts and after each renewal, P04.
func TestCredit_units(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("100"), Note: "pack"})
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("20"), Note: "soon", Expires: billingtest.Instant("2026-06-01T00:00:00Z")})
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("5"), Note: "first", Priority: -1})
		v := w.Price("1", 1)
		v.Included = billingtest.Number("10")
		w.Contract(w.Product("P", []billing.Price{v}), "2026-02-01T00:00:00Z")
		w.WantLeft("first 5", "soon 20", "pack 100")
		w.Use("2026-02-10T00:00:00Z", "42")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		w.WantLeft("first 0", "soon 0", "pack 93")
		w.Use("2026-03-10T00:00:00Z", "10")
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		w.WantLeft("first 0", "soon 0", "pack 93")
		w.Use("2026-04-10T00:00:00Z", "104")
		w.Move("2026-05-01T00:00:00Z")
		w.Settle()
		w.WantLeft("first 0", "soon 0", "pack 0")
		list := wantTotals(w, 0, 0, 100)
		if l := list[0].Invoice.Lines[0]; l.Free.String() != "10" || l.Covered.String() != "32" || !l.Charged.IsZero() || len(l.Uses) != 3 {
			w.Errorf("line %+v", l)
		}
	})
}

// TestCredit_expiry: a grant covers what was used before it expired and nothing
// after; what is left is booked as expired once no open period can use it.
func TestCredit_expiry(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("50"), Note: "half month", Expires: billingtest.Instant("2026-02-15T10:30:00Z")})
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("4"), Note: "always", Priority: 1})
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-15T10:29:59.999999Z", "30")
		w.Use("2026-02-15T10:30:00Z", "10")
		w.Move("2026-02-20T00:00:00Z")
		if r := w.Settle(); r.Expired != 0 {
			w.Error("expired while its period is open")
		}
		w.Move("2026-03-01T00:00:00Z")
		if r := w.Settle(); r.Expired != 1 {
			w.Errorf("report %+v", r)
		}
		wantTotals(w, 600)
		w.WantLeft("half month 0", "always 0")
		grants, err := w.Store.Grants(w.Context(), metering.DefaultOrg, w.Customer.ID)
		w.Must(err)
		if grants[0].Used.String() != "30" || grants[0].Expired.String() != "20" {
			w.Errorf("grant %+v", grants[0])
		}
	})
}

// TestCredit_later: a grant that is made after a period ended covers nothing of
// it, however late the usage is reported.
func TestCredit_later(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "1")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("100"), Note: "g"})
		w.Use("2026-02-11T00:00:00Z", "2")
		w.Use("2026-03-11T00:00:00Z", "3")
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		wantTotals(w, 100, 200)
		w.WantLeft("g 97")
	})
}

// TestCredit_money pays what is charged, before the card does.
func TestCredit_money(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		w.Grant(billing.Grant{Currency: "USD", Issued: billingtest.Number("10.00"), Note: "welcome"})
		w.Grant(billing.Grant{Currency: "EUR", Issued: billingtest.Number("99"), Note: "other"})
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "7")
		w.Move("2026-03-01T00:00:00Z")
		w.Use("2026-03-10T00:00:00Z", "7")
		w.Settle()
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		list := wantTotals(w, 0, 400)
		if v := list[1].Invoice; v.Subtotal.Minor != 700 || v.Credit.Minor != 300 || list[0].State != billing.InvoicePaid {
			w.Errorf("invoice %+v", v)
		}
		if minor, n := w.Bank.Taken(); minor != 400 || n != 1 {
			w.Errorf("the bank took %d in %d charges", minor, n)
		}
	})
}

// TestCredit_void takes back what is left and nothing of what was used.
func TestCredit_void(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		g := w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("10"), Note: "g"})
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "4")
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		for range 2 {
			v, err := w.Store.VoidGrant(w.Context(), metering.DefaultOrg, g.ID, w.At())
			w.Must(err)
			if v.Voided.String() != "6" || v.Used.String() != "4" {
				w.Errorf("voided %+v", v)
			}
		}
		w.Use("2026-03-10T00:00:00Z", "4")
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		wantTotals(w, 0, 400)
		if _, err := w.Store.VoidGrant(w.Context(), "another", g.ID, w.At()); !errors.Is(err, metering.ErrNotFound) {
			w.Errorf("voided by another organisation: %v", err)
		}
	})
}

// TestCredit_refuses what is no credit.
func TestCredit_refuses(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		for name, g := range map[string]billing.Grant{
			"nothing":          {Currency: "USD", Issued: billingtest.Number("0")},
			"less":             {Currency: "USD", Issued: billingtest.Number("-1")},
			"half a cent":      {Currency: "USD", Issued: billingtest.Number("0.005")},
			"both":             {Currency: "USD", Meter: w.Meter, Issued: billingtest.Number("1")},
			"neither":          {Issued: billingtest.Number("1")},
			"no currency":      {Currency: "usd", Issued: billingtest.Number("1")},
			"expired at birth": {Currency: "USD", Issued: billingtest.Number("1"), Expires: w.At()},
		} {
			g.Org, g.Customer, g.Created = metering.DefaultOrg, w.Customer.ID, w.At()
			if _, err := w.Store.CreateGrant(w.Context(), g); !errors.Is(err, metering.ErrInvalid) {
				w.Errorf("%s: %v", name, err)
			}
		}
		g := billing.Grant{Org: metering.DefaultOrg, Customer: w.Customer.ID, Meter: "none", Issued: billingtest.Number("1"), Created: w.At()}
		if _, err := w.Store.CreateGrant(w.Context(), g); !errors.Is(err, metering.ErrNotFound) {
			w.Errorf("units of no meter: %v", err)
		}
		w.WantLeft()
	})
}

// TestPieces reports usage in any order, late by any number of periods, and
// closes in between: what was billed in the end is what one invoice for all of
// each period would have been, less what grants cover, B08, B16.
func TestPieces(t *testing.T) {
	t.Parallel()
	newWorldFor := func(t *testing.T) *billingtest.World {
		return billingtest.NewWorld(t, "sqlite:"+t.TempDir()+"/weir.db")
	}
	w := newWorldFor(t)
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		round++
		w.Customer = w.AddCustomer(string(rune('a'+round%26)) + r.Name() + time36(round))
		w.Move("2026-01-31T12:00:00Z")
		v := w.Price("0.013", 7)
		v.Included = billingtest.Number("20")
		p := w.Product(w.Customer.ExternalID, []billing.Price{v})
		w.Contract(p, "2026-02-01T00:00:00Z")
		issued := rapid.Int64Range(0, 3000).Draw(r, "credit")
		if issued > 0 {
			w.Grant(billing.Grant{Meter: w.Meter, Issued: metering.NumberOf(issued), Note: "g"})
		}
		periods := []string{"2026-02", "2026-03", "2026-04", "2026-05"}
		ends := []string{"2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"}
		used := make([]int64, len(periods))
		for k, end := range ends {
			for range rapid.IntRange(0, 3).Draw(r, "events") {
				into := rapid.IntRange(0, min(k, len(periods)-1)).Draw(r, "into")
				n := rapid.Int64Range(1, 2000).Draw(r, "tokens")
				used[into] += n
				w.Use(periods[into]+"-10T10:20:30Z", metering.NumberOf(n).String())
			}
			w.Move(end)
			w.Settle()
		}
		var billed int64
		for _, a := range w.Invoices() {
			billed += a.Invoice.Subtotal.Minor
		}
		wantBilled(r, w, used, billed)
	})
}

// wantBilled holds the sum of all lines against the periods priced as a whole,
// with the units that grants covered of each taken from the lines.
func wantBilled(r *rapid.T, w *billingtest.World, used []int64, billed int64) {
	covered := make(map[metering.Micros]metering.Number)
	var credit metering.Number
	for _, a := range w.Invoices() {
		for _, l := range a.Invoice.Lines {
			covered[l.Span.Start] = l.Covered
			for _, u := range l.Uses {
				credit = credit.Add(u.Amount)
			}
		}
	}
	var want int64
	var sum metering.Number
	for i, n := range used {
		start := billingtest.Instant([]string{"2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"}[i])
		c := covered[start]
		sum = sum.Add(c)
		charged := max(0, n-20-c.Units)
		// 0.013 for 7 units: thousandths of a cent are 1300 * charged / 7, half away from zero.
		want += (2*13*charged + 70) / (2 * 70)
	}
	if sum.Compare(credit) != 0 {
		r.Errorf("lines say that %s units are covered, grants gave %s", sum, credit)
	}
	if billed != want {
		r.Errorf("billed %d, the whole is %d: used %v, covered %v", billed, want, used, covered)
	}
}

func time36(n int) string { return metering.NumberOf(int64(n)).String() }
