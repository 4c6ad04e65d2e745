package api_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// slowly is a worker that does nothing for some rounds.
type slowly struct {
	api.BillingWorker
	rounds atomic.Int64
}

func (w *slowly) Settle(ctx context.Context) (work.Report, error) {
	if w.rounds.Add(-1) >= 0 {
		return work.Report{Waiting: []string{"journal j of host has not passed the end of it"}}, nil
	}
	return w.BillingWorker.Settle(ctx)
}

// TestAdvance_waits until what is due is closed, whoever closes it.
func TestAdvance_waits(t *testing.T) {
	t.Parallel()
	worker := &slowly{}
	s := newServer(t, func(o *api.Options) {
		worker.BillingWorker = o.Billing.Worker
		o.Billing.Worker = worker
	})
	s.subscribed("acme")
	s.use("acme", "", "100000")
	worker.rounds.Store(2)
	moved, err := s.client.AdvanceClock(t.Context(), "1mo")
	s.must("advance", err)
	if len(moved.Invoices) != 1 || len(moved.Waiting) != 0 || worker.rounds.Load() != -1 {
		t.Errorf("advanced: %+v after %d rounds", moved, 2-worker.rounds.Load())
	}
	again, err := s.client.AdvanceClock(t.Context(), "1h")
	s.must("advance", err)
	if len(again.Invoices) != 0 || again.AheadSeconds != moved.AheadSeconds+3600 {
		t.Errorf("advanced again: %+v", again)
	}
	three, err := s.client.AdvanceClock(t.Context(), "3mo")
	s.must("advance", err)
	sub, err := s.client.Subscriptions(t.Context(), "acme", api.ListOptions{})
	s.must("subscriptions", err)
	full, err := s.client.Subscription(t.Context(), sub.Items[0].ID)
	s.must("subscription", err)
	if len(three.Invoices) != 0 || len(full.Periods) != 4 || full.Periods[2].State != billing.PeriodClosed || full.Periods[3].State != billing.PeriodOpen {
		t.Errorf("after three months without usage: %+v, periods %+v", three, full.Periods)
	}
}

// patient is a clock that takes its time.
type patient struct {
	api.SandboxClock
	takes time.Duration
}

func (p patient) Advance(ctx context.Context, months, days int, d time.Duration) (time.Time, error) {
	select {
	case <-ctx.Done():
		return time.Time{}, context.Cause(ctx)
	case <-time.After(p.takes):
		return p.SandboxClock.Advance(ctx, months, days, d)
	}
}

// TestSlowRequest: what may take long outlives the read timeout of the server,
// which has read all there is.
func TestSlowRequest(t *testing.T) {
	t.Parallel()
	const readTimeout = 100 * time.Millisecond
	var handler http.Handler
	s := newServer(t, func(o *api.Options) {
		o.Clock = patient{o.Clock, 5 * readTimeout}
		var err error
		if handler, err = api.New(*o); err != nil {
			t.Fatal(err)
		}
	})
	web := httptest.NewUnstartedServer(handler)
	web.Config.ReadTimeout = readTimeout
	web.Start()
	defer web.Close()
	if _, err := api.NewClient(web.URL, s.token, nil).AdvanceClock(t.Context(), "1h"); err != nil {
		t.Error(err)
	}
}

// due is a store with periods that ended long ago and payments without an end.
type due struct {
	api.BillingStore
	at metering.Micros
}

func (d due) Due(_ context.Context, before metering.Micros, _ int) ([]billing.Period, error) {
	if d.at > before {
		return nil, nil
	}
	return []billing.Period{{Org: metering.DefaultOrg, End: d.at}, {Org: "other", End: d.at - 1}}, nil
}

func (d due) Unsettled(context.Context) ([]billing.Payment, error) {
	return []billing.Payment{
		{Org: metering.DefaultOrg, State: billing.PaymentUnknown, Created: d.at}, {Org: "other", State: billing.PaymentUnknown, Created: d.at},
		{Org: metering.DefaultOrg, State: billing.PaymentAction, Created: d.at},
	}, nil
}

// TestDoctor_billing: overdue periods and charges without an end are shown, of
// the organisation that asks.
func TestDoctor_billing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		ago              time.Duration
		period, payment  api.Status
		measures, charge string
	}{
		{time.Minute, api.StatusOK, api.StatusOK, "none", "0 whose end is not known, 1 that wait for their customer"},
		{time.Hour, api.StatusWarn, api.StatusWarn, "1 that ended over 5m0s ago", "1 whose end is not known, 1 that wait for their customer, the oldest since 1h0m"},
		{48 * time.Hour, api.StatusFail, api.StatusFail, "1 that ended over 5m0s ago", "1 whose end is not known, 1 that wait"},
	} {
		s := newServer(t, func(o *api.Options) {
			o.Billing.Store = due{o.Billing.Store, metering.MicrosOf(o.Now().Add(-tt.ago))}
		})
		d, err := s.client.Doctor(t.Context())
		s.must("doctor", err)
		have := make(map[string]api.Check)
		for _, check := range d.Checks {
			have[check.Name] = check
		}
		for name, want := range map[string]struct {
			status api.Status
			says   string
		}{"overdue periods": {tt.period, tt.measures}, "unknown payments": {tt.payment, tt.charge}} {
			got := have[name]
			if got.Status != want.status || !strings.Contains(got.Measured, want.says) || (got.Remedy == "") != (got.Status == api.StatusOK) {
				t.Errorf("%s ago: %+v, want %s, %q", tt.ago, got, want.status, want.says)
			}
		}
	}
}

// TestDoctor_moved: a sandbox whose clock was moved is as healthy as before:
// journals beat and keys age by the wall clock.
func TestDoctor_moved(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	lease, err := s.store.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n", Host: "h"})
	s.must("claim a journal", err)
	beat := func() {
		now := metering.MicrosOf(s.clock.Now())
		_, err := s.store.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: now, Clean: now})
		s.must("beat", err)
	}
	beat()
	_, err = s.clock.Advance(t.Context(), 1, 0, 0)
	s.must("advance", err)
	beat()
	d, err := s.client.Doctor(t.Context())
	s.must("doctor", err)
	checked := 0
	for _, check := range d.Checks {
		if check.Name == "keys" || check.Name == "journal j" {
			checked++
			if check.Status != api.StatusOK {
				t.Errorf("after a month in a moment: %+v", check)
			}
		}
	}
	if checked != 2 {
		t.Errorf("%d checks of keys and journals: %+v", checked, d.Checks)
	}
}
