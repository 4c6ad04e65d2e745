package work_test

import (
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// journal is a replica's journal, as the database knows it.
type journal struct {
	*billingtest.World
	lease metering.JournalLease
	seq   uint64
}

func newJournal(w *billingtest.World, id string) *journal {
	w.Helper()
	lease, err := w.Usage.ClaimJournal(w.Context(), metering.JournalClaim{Journal: id, Nonce: "n", Host: "host of " + id})
	w.Must(err)
	return &journal{World: w, lease: lease}
}

// ship ships the fact of one call.
func (j *journal) ship(at string, tokens int64) {
	j.Helper()
	id, err := metering.NewID()
	j.Must(err)
	j.seq++
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: j.Customer.ID, At: billingtest.Instant(at), Model: "m", Metered: true},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, CostState: metering.CostExact, Journal: j.lease.Journal, FactSeq: j.seq,
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = tokens
	j.Must(j.Usage.Ship(j.Context(), metering.Shipment{Lease: j.lease, From: j.seq - 1, To: j.seq, Events: []*metering.Event{e}}))
}

// beat reports the watermark, how far everything is shipped, and open calls.
func (j *journal) beat(watermark, clean string, open ...metering.OpenCall) {
	j.Helper()
	_, err := j.Usage.Beat(j.Context(), metering.Beat{
		Lease: j.lease, Watermark: billingtest.Instant(watermark), Clean: billingtest.Instant(clean), Open: open,
	})
	j.Must(err)
}

// TestWatermark: a period closes once every live journal has passed its end for
// its customer, and not before, T64, P02.
func TestWatermark(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		a, b := newJournal(w, "a"), newJournal(w, "b")
		a.ship("2026-02-10T00:00:00Z", 3)
		w.Move("2026-03-01T00:00:00Z")
		closes := func(want bool, what string) {
			w.Helper()
			r, err := w.Worker.Settle(w.Context())
			w.Must(err)
			if (r.Closed == 1) != want || want == (len(r.Waiting) > 0) {
				w.Errorf("%s: %+v", what, r)
			}
			if !want && (len(r.Waiting) != 1 || !strings.Contains(r.Waiting[0], "journal")) {
				w.Errorf("%s: waiting for %q", what, r.Waiting)
			}
		}
		mine := metering.OpenCall{Org: metering.DefaultOrg, Customer: w.Customer.ID, At: billingtest.Instant("2026-02-28T23:50:00Z")}
		theirs := mine
		theirs.Customer = "somebody else"
		late := "2026-03-01T00:10:00Z"
		a.beat(late, late)
		closes(false, "b has said nothing")
		b.beat("2026-02-28T23:50:00Z", "2026-02-28T23:50:00Z")
		closes(false, "b is behind")
		b.beat("2026-02-28T23:50:00Z", "2026-03-01T00:00:30Z", theirs)
		closes(false, "a call may be open that is too young to be listed")
		b.beat("2026-02-28T23:50:00Z", late, mine)
		closes(false, "a call of the customer is open")
		b.ship("2026-02-28T23:59:00Z", 4)
		b.beat("2026-02-28T23:50:00Z", late, theirs)
		closes(true, "only another customer's call is open")
		wantTotals(w, 700)

		// What a journal ships after the close is told apart by its position.
		b.ship("2026-02-28T23:58:00Z", 50)
		b.beat("2026-04-02T00:00:00Z", "2026-04-02T00:00:00Z")
		a.beat("2026-04-02T00:00:00Z", "2026-04-02T00:00:00Z")
		if r := w.Audit(w.Invoices()[0].Invoice.ID); r.Late != 1 {
			w.Errorf("%d events came late", r.Late)
		}
		w.Move("2026-04-01T00:00:00Z")
		w.Settle()
		wantTotals(w, 700, 5000)
	})
}

// TestSilentJournal: a replica that says nothing for too long is declared lost,
// and holds up nobody any more.
func TestSilentJournal(t *testing.T) {
	t.Parallel()
	billingtest.OnBoth(t, func(w *billingtest.World) {
		w.Contract(w.Product("P", []billing.Price{w.Price("1", 1)}), "2026-02-01T00:00:00Z")
		w.Use("2026-02-10T00:00:00Z", "3")
		newJournal(w, "silent")
		real := time.Now()
		w.Move("2026-03-01T00:00:00Z")
		early, err := w.Waiting(real.Add(23 * time.Hour)).Settle(w.Context())
		w.Must(err)
		if early.Closed != 0 || len(early.Waiting) != 1 {
			w.Errorf("silent for less than a day: %+v", early)
		}
		r, err := w.Waiting(real.Add(25 * time.Hour)).Settle(w.Context())
		w.Must(err)
		if r.Closed != 1 {
			w.Errorf("silent for more than a day: %+v", r)
		}
		journals, err := w.Usage.Journals(w.Context())
		w.Must(err)
		if journals[0].State != metering.JournalLost {
			w.Errorf("journal %+v", journals[0])
		}
	})
}
