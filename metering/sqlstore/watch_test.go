package sqlstore_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/alert"
	"github.com/weirhq/weir/metering/pricebook/rerate"
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
