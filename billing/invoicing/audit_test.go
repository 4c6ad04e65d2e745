package invoicing_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// TestAudit_finds changes what an invoice rests on behind its back, one thing at
// a time, and holds that the audit names it, B22.
func TestAudit_finds(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Card("good")
		w.Grant(billing.Grant{Meter: w.Meter, Issued: billingtest.Number("100"), Note: "units"})
		w.Grant(billing.Grant{Currency: "USD", Issued: billingtest.Number("1.00"), Note: "money"})
		v := w.Price("1", 1000)
		v.Included = billingtest.Number("500")
		w.Contract(w.Product("P", []billing.Price{v}), "2026-02-01T00:00:00Z")
		w.Call("2026-02-02T00:30:00Z", "m", 3000)
		w.Call("2026-02-03T00:30:00Z", "m", 4321)
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		if a := w.Invoices()[0]; a.Invoice.Total.Minor != 572 || a.State != billing.InvoicePaid {
			w.Fatalf("the invoice to begin with: %s, %s", a.Invoice.Total, a.State)
		}
		for name, tt := range map[string]struct{ change, back, finds string }{
			"an event is gone":     {`UPDATE events SET at = at + 31536000000000 WHERE at < 1770076800000000`, `UPDATE events SET at = at - 31536000000000 WHERE at > 1800000000000000`, "line 1: quantity"},
			"a price has changed":  {`UPDATE prices SET amount_units = 2`, `UPDATE prices SET amount_units = 1`, "line 1: price version"},
			"more was included":    {`UPDATE prices SET included_units = 600`, `UPDATE prices SET included_units = 500`, "line 1: price version"},
			"a payment is gone":    {`UPDATE payments SET state = 'declined'`, `UPDATE payments SET state = 'succeeded'`, "captured by payments"},
			"more is paid than is": {`UPDATE invoices SET paid = paid + 1`, `UPDATE invoices SET paid = paid - 1`, "captured by payments"},
		} {
			change(w, tt.change)
			r, err := w.Biller.Audit(w.Context(), metering.DefaultOrg, "INV-000001")
			w.Must(err)
			found := false
			for _, c := range r.Checks {
				found = found || !c.OK && c.Name == tt.finds
			}
			if r.OK || !found {
				w.Errorf("%s: ok is %v, checks %+v", name, r.OK, r.Checks)
			}
			change(w, tt.back)
			w.Audit("INV-000001")
		}
		change(w, `UPDATE invoices SET sha256 = 'another'`)
		if _, err := w.Biller.Audit(w.Context(), metering.DefaultOrg, "INV-000001"); err == nil || !strings.Contains(err.Error(), "SHA-256") {
			w.Errorf("a document that is not the one that was issued: %v", err)
		}
	})
}

// change runs a statement behind the store's back.
func change(w *billingtest.World, statement string) {
	w.Helper()
	w.Must(w.Usage.DB().Write(w.Context(), "change", func(tx sqldb.Tx) error {
		n, err := tx.Exec(w.Context(), statement)
		if err == nil && n == 0 {
			w.Errorf("%s: nothing changed", statement)
		}
		return err
	}))
}
