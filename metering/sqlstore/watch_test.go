package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/alert"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// open are the alerts that are open, in short.
func (r *rerating) open() []string {
	r.Helper()
	list, err := r.store.Alerts(r.Context(), metering.AlertQuery{Org: metering.DefaultOrg})
	r.must(err)
	out := []string{}
	for _, a := range list {
		out = append(out, fmt.Sprintf("%s %s %s %d %d: %s", a.Kind, a.Subject, a.Severity, a.Since, a.Count, a.Detail))
	}
	return out
}

// TestWatch covers T40: a model without a price is known within a look, with the
// reason and the calls; the alert is over once all of them are priced; a margin
// that is too low is told from when until it is. Each is logged once as it begins
// and once as it ends, by the process that leads.
func TestWatch(t *testing.T) {
	eachEngine(t, func(r *rerating) {
		at := 1000 * day
		leads, losses := true, []alert.Loss{{Subject: "model:m", Detail: "earned 1 and cost 2"}}
		var log bytes.Buffer
		now := func() time.Time { return (at + day).Time() }
		board := alert.NewBoard(r.store, now, slog.New(slog.NewTextHandler(&log, nil)))
		var asked [2]metering.Micros
		w := alert.NewWatch(alert.Options{
			Org: metering.DefaultOrg, Store: r.store, Alerts: board, Unsure: r.store, Now: now, Window: 24*time.Hour + time.Minute, Logger: slog.New(slog.DiscardHandler),
			Lead: func(context.Context) (bool, error) { return leads, nil },
			Losses: func(_ context.Context, from, to metering.Micros) ([]alert.Loss, error) {
				asked = [2]metering.Micros{from, to}
				return losses, nil
			},
		})
		look := func(want ...string) {
			t.Helper()
			r.must(w.Look(r.Context()))
			if d := cmp.Diff(append([]string{}, want...), r.open()); d != "" {
				r.Errorf("open alerts (-want +got):\n%s", d)
			}
		}
		r.call("known", at, nil)
		r.call("new", at+2, nil)
		r.call("new", at+1, nil)
		r.call("new", at, func(e *metering.Event) { e.Test = true })
		leads = false
		look()
		leads = true
		unpriced := "unpriced p/new critical 86400000000001 %d: 2 calls have no cost, because of model: new; they are priced by themselves once there is a price: weir pricebook add"
		loss := "negative_margin model:m critical 86486400000000 %d: earned 1 and cost 2"
		look(fmt.Sprintf(loss, 1), fmt.Sprintf(unpriced, 1))
		if asked != [2]metering.Micros{at - 3_600_000_000, at + day} {
			r.Errorf("asked for losses of %v", asked)
		}
		losses = nil
		look(fmt.Sprintf(unpriced, 2))

		provisional := input("new", "2")
		provisional.Status = "provisional"
		r.prices(input("known", "1"), provisional)
		r.run(rerate.Request{})
		r.must(w.Look(r.Context()))
		if got := r.open(); len(got) != 1 || !strings.HasPrefix(got[0], "provisional p/new warning 86400000000001 1: the cost of 2 calls is not certain") {
			r.Errorf("after a provisional price: %v", got)
		}
		r.prices(input("known", "1"), input("new", "2"))
		r.run(rerate.Request{})
		look()
		for text, times := range map[string]int{
			"msg=alert kind=unpriced subject=p/new": 1, `msg="alert is over" kind=unpriced`: 1, "msg=alert kind=negative_margin": 1, `msg="alert is over" kind=negative_margin`: 1,
			"msg=alert kind=provisional": 1, `msg="alert is over" kind=provisional`: 1,
		} {
			if got := strings.Count(log.String(), text); got != times {
				r.Errorf("%q is in the log %d times, want %d:\n%s", text, got, times, log.String())
			}
		}
	})
}

// said is what catalogues and providers say.
type said struct {
	feeds  []pricesync.Feed
	held   []pricesync.Held
	differ []reconcile.Standing
}

func (s *said) PriceFeeds(context.Context, string) ([]pricesync.Feed, error) { return s.feeds, nil }

func (s *said) HeldPrices(_ context.Context, _ string, states ...pricesync.State) ([]pricesync.Held, error) {
	if len(states) != 1 || states[0] != pricesync.StateOpen {
		return nil, fmt.Errorf("asked for those in %v", states)
	}
	return s.held, nil
}

func (s *said) StandingDifferences(context.Context, string) ([]reconcile.Standing, error) {
	return s.differ, nil
}

// TestWatch_sources: a catalogue that is not read for a day, changes that wait, and
// a provider that says something else are told until they are over.
func TestWatch_sources(t *testing.T) {
	t.Parallel()
	r := &rerating{T: t, store: open(t, engines()["sqlite"](t))}
	at := 1000 * day
	s := &said{}
	now := func() time.Time { return at.Time() }
	board := alert.NewBoard(r.store, now, slog.New(slog.DiscardHandler))
	w := alert.NewWatch(alert.Options{
		Org: metering.DefaultOrg, Store: r.store, Alerts: board, Unsure: r.store, Sources: s, Now: now, Window: 24 * time.Hour, Logger: slog.New(slog.DiscardHandler),
		Lead: func(context.Context) (bool, error) { return true, nil },
	})
	look := func(want ...string) {
		t.Helper()
		r.must(w.Look(r.Context()))
		var got []string
		for _, a := range r.open() {
			got = append(got, strings.Join(strings.Fields(a)[:2], " "))
		}
		slices.Sort(got)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("open alerts (-want +got):\n%s", d)
		}
	}
	look()
	s.feeds = []pricesync.Feed{{URL: "u", Read: at - day, Failure: "gone"}, {URL: "good", Read: at - 9*day}}
	look() // a day exactly, and one that does not fail
	s.feeds[0].Read--
	s.held = []pricesync.Held{{Feed: "u", FirstSeen: 1}, {Feed: "u", FirstSeen: 2}}
	s.differ = []reconcile.Standing{{Provider: "openai", Days: []reconcile.Day{20758, 20760}, Since: at}}
	look("price_feed u", "price_held u", "reconcile openai")
	if detail := strings.Join(r.open(), "; "); !strings.Contains(detail, "2 days from 2026-11-01 to 2026-11-03") || !strings.Contains(detail, "--from 2026-11-01 --to 2026-11-04") {
		t.Errorf("%s does not say what to do", detail)
	}
	s.feeds[0].Failure, s.held, s.differ = "", nil, nil
	look()
}
