package invoicing_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestNotes_estimates: an invoice says how many of its calls are estimates, those
// of test keys apart, and says nothing where there are none.
func TestNotes_estimates(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		product := w.Product("P", []billing.Price{w.Price("1", 1)})
		w.Contract(product, "2026-02-01T00:00:00Z")
		guessed := func(e *metering.Event) { e.Usage.State = metering.UsageEstimated }
		w.Call("2026-02-02T00:00:00Z", "m", 20)
		w.Call("2026-02-03T00:00:00Z", "m", 20, guessed)
		w.Call("2026-02-04T00:00:00Z", "m", 20, guessed)
		w.Call("2026-02-05T00:00:00Z", "m", 20, guessed, func(e *metering.Event) { e.Test = true })
		w.Move("2026-03-01T00:00:00Z")
		w.Settle()
		w.Call("2026-03-02T00:00:00Z", "m", 20)
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		list := w.Invoices()
		if len(list) != 2 {
			w.Fatalf("%d invoices", len(list))
		}
		for _, a := range list {
			v := a.Invoice
			var notes []string
			for _, note := range v.Notes {
				if strings.Contains(note, "reported no final usage") {
					notes = append(notes, note)
				}
			}
			if len(notes) > 1 {
				w.Errorf("several notes: %q", notes)
			}
			says := len(notes) == 1 && strings.HasPrefix(notes[0], "2 calls of this period")
			if first := v.Period.Start == billingtest.Instant("2026-02-01T00:00:00Z"); says != first {
				w.Errorf("the notes of the period from %s are %q", v.Period.Start.Time(), v.Notes)
			}
		}
	})
}
