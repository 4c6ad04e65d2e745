package alert

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirhq/weir/metering"
)

// Unsure knows which calls have no cost, or none that is certain.
type Unsure interface {
	// UnsureModels sums them by provider, model and state, the most calls first.
	UnsureModels(ctx context.Context, org string, limit int) ([]metering.UnsureModel, error)
	// Unsettled lists them from an instant on.
	Unsettled(ctx context.Context, org string, at metering.Micros, after metering.ID, limit int) ([]*metering.Event, error)
}

// Loss is what earns less than is asked for.
type Loss struct {
	Subject string // customer:ID or model:NAME
	Detail  string
}

// Options are what a [Watch] works with.
type Options struct {
	Org    string
	Store  Store
	Alerts metering.Alerts
	Unsure Unsure
	// Losses lists what earned less than is asked for in a span; nil: nobody earns.
	Losses func(ctx context.Context, from, to metering.Micros) ([]Loss, error)
	// Sources are the catalogues that are followed, what of them waits, and the days
	// that differ from what providers say; nil: nobody looks at them.
	Sources Sources
	// Window is how far back Losses looks.
	Window time.Duration
	// Lead reports whether this process is the one of the installation that looks.
	Lead   func(ctx context.Context) (bool, error)
	Now    func() time.Time
	Logger *slog.Logger
}

// Watch looks every five minutes at what only a look at the usage can tell.
// Raising is idempotent, so that two that look at once do no harm.
type Watch struct{ o Options }

const (
	every = 5 * time.Minute
	// most is how many models are looked at; there are as many as clients make up.
	most = 500
	// sample is how many calls of an instant are looked at for the reason of one.
	sample = 20
)

// NewWatch returns a watch.
func NewWatch(o Options) *Watch { return &Watch{o} }

// Run looks until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			w.o.Logger.Error("the usage cannot be watched for what people should know of", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Look raises what is so now and clears what is no more, if this process leads.
func (w *Watch) Look(ctx context.Context) error {
	leads, err := w.o.Lead(ctx)
	if err != nil || !leads {
		return err
	}
	return errors.Join(w.unsure(ctx), w.losses(ctx), w.sources(ctx))
}

// unsure watches for models without a price, and with one that is not certain.
func (w *Watch) unsure(ctx context.Context) error {
	models, err := w.o.Unsure.UnsureModels(ctx, w.o.Org, most)
	if err != nil {
		return err
	}
	var raised []metering.Alert
	for _, m := range models {
		a := metering.Alert{Org: w.o.Org, Subject: m.Provider + "/" + m.Model, Severity: metering.SeverityWarning, Since: m.First}
		reason, err := w.reason(ctx, m)
		if err != nil {
			return err
		}
		if m.State == metering.CostUnpriced {
			a.Kind, a.Severity = metering.AlertUnpriced, metering.SeverityCritical
			a.Detail = fmt.Sprintf("%d calls have no cost%s; they are priced by themselves once there is a price: weir pricebook add", m.Calls, reason)
		} else {
			a.Kind = metering.AlertProvisional
			a.Detail = fmt.Sprintf("the cost of %d calls is not certain%s; it counts until a confirmed price holds", m.Calls, reason)
		}
		raised = append(raised, a)
	}
	return w.say(ctx, raised, len(models) < most, metering.AlertUnpriced, metering.AlertProvisional)
}

// reason is why the first of the calls has no certain cost.
func (w *Watch) reason(ctx context.Context, m metering.UnsureModel) (string, error) {
	list, err := w.o.Unsure.Unsettled(ctx, w.o.Org, m.First, metering.ID{}, sample)
	if err != nil {
		return "", err
	}
	for _, e := range list {
		if e.At == m.First && e.Provider == m.Provider && e.Model == m.Model && e.CostReason != "" {
			return ", because of " + e.CostReason, nil
		}
	}
	return "", nil
}

// losses watches for margins that are too low.
func (w *Watch) losses(ctx context.Context) error {
	if w.o.Losses == nil {
		return nil
	}
	now := w.o.Now()
	list, err := w.o.Losses(ctx, metering.MicrosOf(now.Add(-w.o.Window)).Hour(), metering.MicrosOf(now))
	if err != nil {
		return fmt.Errorf("margins: %w", err)
	}
	raised := make([]metering.Alert, 0, len(list))
	for _, l := range list {
		raised = append(raised, metering.Alert{Org: w.o.Org, Kind: metering.AlertNegativeMargin, Subject: l.Subject, Severity: metering.SeverityCritical, Detail: l.Detail})
	}
	return w.say(ctx, raised, true, metering.AlertNegativeMargin)
}

// say raises alerts and, where these are all of their kinds, clears the others.
func (w *Watch) say(ctx context.Context, raised []metering.Alert, all bool, kinds ...metering.AlertKind) error {
	type key struct {
		kind    metering.AlertKind
		subject string
	}
	stand := make(map[key]bool, len(raised))
	for _, a := range raised {
		if err := w.o.Alerts.Raise(ctx, a); err != nil {
			return err
		}
		stand[key{a.Kind, metering.AlertSubject(a.Subject)}] = true
	}
	if !all {
		return nil
	}
	for _, kind := range kinds {
		open, err := w.o.Store.Alerts(ctx, metering.AlertQuery{Org: w.o.Org, Kind: kind})
		if err != nil {
			return err
		}
		for _, a := range open {
			if !stand[key{kind, a.Subject}] && (a.Subject != metering.AlertOthers || len(raised) < metering.MaxAlerts/2) {
				if err := w.o.Alerts.Clear(ctx, w.o.Org, kind, a.Subject); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
