package api_test

import (
	"slices"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// estimated records a call whose usage was estimated and, if withheld says so,
// not billed.
func (s *server) estimated(customer string, withheld metering.MissingPolicy) metering.ID {
	s.t.Helper()
	c, err := s.store.Customer(s.t.Context(), metering.DefaultOrg, customer)
	s.must("customer", err)
	id, err := metering.NewID()
	s.must("id", err)
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: c.ID, At: metering.MicrosOf(s.clock.Now()), Provider: "openai", Endpoint: "openai.chat", Metered: true, Model: "gpt-4o", BodyBytes: 40_000},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, CostState: metering.CostUnpriced,
	}
	u := &e.Usage
	u.State, u.Input, u.Output = metering.UsageEstimated, 100_000, 50_000
	u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)], u.Tokens[metering.OutputCell(false, metering.Text)] = u.Input, u.Output
	u.Estimate = &metering.Estimate{Method: "tiktoken/o200k_base", Low: 90_000, High: 200_000, Input: u.Input, Output: u.Output}
	u.Withhold(withheld)
	_, err = s.store.Ingest(s.t.Context(), metering.DefaultOrg, []*metering.Event{e})
	s.must("record", err)
	return id
}

// tokens is what usage shows of a customer, and how many of its calls are
// estimates.
func (s *server) tokens(customer string) (total, estimated int64) {
	s.t.Helper()
	u, err := s.client.Usage(s.t.Context(), api.UsageOptions{Customer: customer})
	s.must("usage", err)
	if u.Totals.Requests != 1 {
		s.t.Errorf("%d requests", u.Totals.Requests)
	}
	return u.Totals.Total, u.Totals.Estimated
}

func usage(in, out int64) api.UsageStatement {
	t := new(metering.Tokens)
	t[metering.InputCell(metering.CacheNone, metering.Text)], t[metering.OutputCell(false, metering.Text)] = in, out
	return api.UsageStatement{Tokens: t}
}

// walkCorrect makes every call about corrections once.
func walkCorrect(s *server) {
	s.t.Helper()
	_, err := s.client.CreateCustomer(s.t.Context(), api.NewCustomer{ExternalID: "corrected"})
	s.must("create customer", err)
	id := s.estimated("corrected", "").String()
	_, err = s.client.CorrectEvent(s.t.Context(), id, usage(1, 2))
	s.must("correct", err)
	_, err = s.client.CorrectEvent(s.t.Context(), "no-such", usage(1, 2))
	s.refused("an event that is not", err, api.CodeNotFound)
}

// TestCorrect: an estimate gives way to what is said of it, once however often
// it is said, and a statement that says nothing or too much is refused.
func TestCorrect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		withheld         metering.MissingPolicy
		say              api.UsageStatement
		total, estimated int64
	}{
		"exact":          {"", usage(80_000, 40_000), 120_000, 0},
		"an exact zero":  {"", usage(0, 0), 0, 0},
		"held, exact":    {metering.MissingHold, usage(80_000, 40_000), 120_000, 0},
		"held, accepted": {metering.MissingHold, api.UsageStatement{Accept: true}, 150_000, 1},
		"held, zero":     {metering.MissingHold, api.UsageStatement{Zero: true}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			_, err := s.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "acme"})
			s.must("create customer", err)
			id := s.estimated("acme", tt.withheld).String()
			first, err := s.client.CorrectEvent(t.Context(), id, tt.say)
			s.must("correct", err)
			again, err := s.client.CorrectEvent(t.Context(), id, tt.say)
			s.must("correct again", err)
			if again.ID != first.ID || first.Corrects != id {
				t.Errorf("%s corrects %s, then %s", first.ID, first.Corrects, again.ID)
			}
			if total, estimated := s.tokens("acme"); total != tt.total || estimated != tt.estimated {
				t.Errorf("%d tokens, %d estimates, want %d and %d", total, estimated, tt.total, tt.estimated)
			}
			shown, err := s.client.Event(t.Context(), id)
			s.must("show", err)
			if !slices.Equal(shown.Corrections, []string{first.ID}) || shown.Usage.Estimate == nil || shown.Usage.Estimate.Withheld != tt.withheld {
				t.Errorf("shown with %v, %+v", shown.Corrections, shown.Usage.Estimate)
			}
			_, err = s.client.CorrectEvent(t.Context(), first.ID, usage(1, 1))
			s.refused("a correction of a correction", err, api.CodeConflict)
			for what, st := range map[string]api.UsageStatement{"nothing": {}, "two things": {Accept: true, Zero: true}, "a negative count": usage(-1, 0)} {
				_, err = s.client.CorrectEvent(t.Context(), id, st)
				s.refused(what, err, api.CodeInvalid)
			}
		})
	}
}

// TestCorrect_Invoiced: an invoice that is closed stays as it is and proves right,
// and the next one has the difference, once.
func TestCorrect_Invoiced(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	s.subscribed("acme")
	id := s.estimated("acme", "").String() // 150,000 tokens, 1.50 USD
	month := func() api.InvoiceDetail {
		t.Helper()
		// From the 28th of February on, a month is over three days later than one
		// month on.
		moved, err := s.client.AdvanceClock(ctx, "34d")
		s.must("advance", err)
		if len(moved.Invoices) != 1 {
			t.Fatalf("%d invoices of a month", len(moved.Invoices))
		}
		v, err := s.client.Invoice(ctx, moved.Invoices[0].ID)
		s.must("invoice", err)
		return v
	}
	first := month()
	if first.Total != "1.50" {
		t.Fatalf("the first invoice is of %s", first.Total)
	}
	for range 2 {
		_, err := s.client.CorrectEvent(ctx, id, usage(80_000, 40_000)) // 1.20 USD
		s.must("correct", err)
	}
	audit, err := s.client.AuditInvoice(ctx, first.Number)
	s.must("audit", err)
	if again, err := s.client.Invoice(ctx, first.ID); err != nil || again.Total != first.Total || !audit.OK || audit.Late != 1 {
		t.Errorf("the closed invoice is of %s, %v; audit %+v", again.Total, err, audit)
	}
	next := month()
	var amounts []string
	for _, l := range next.Lines {
		if l.Kind == billing.LineAdjustment {
			amounts = append(amounts, l.Amount)
			if l.Corrects != first.Number {
				t.Errorf("the adjustment is of %s, not %s", l.Corrects, first.Number)
			}
		}
	}
	if next.Number == first.Number || !slices.Equal(amounts, []string{"-0.30"}) {
		t.Errorf("invoice %s adjusts by %v", next.Number, amounts)
	}
	if audit, err := s.client.AuditInvoice(ctx, next.Number); err != nil || !audit.OK {
		t.Errorf("audit of the next: %+v, %v", audit, err)
	}
}
