package alert

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// Sources know how prices and costs compare with what others say.
type Sources interface {
	PriceFeeds(ctx context.Context, org string) ([]pricesync.Feed, error)
	HeldPrices(ctx context.Context, org string, states ...pricesync.State) ([]pricesync.Held, error)
	// StandingDifferences are the days that differ from what a provider says, by the
	// latest comparison of each day.
	StandingDifferences(ctx context.Context, org string) ([]reconcile.Standing, error)
}

// stale is how long a catalogue may go unread; it is asked every six hours.
const stale = 24 * time.Hour

// sources watches for catalogues that cannot be read, changes that wait for a
// person, and providers whose own report says something else.
func (w *Watch) sources(ctx context.Context) error {
	if w.o.Sources == nil {
		return nil
	}
	feeds, err := w.o.Sources.PriceFeeds(ctx, w.o.Org)
	if err != nil {
		return err
	}
	held, err := w.o.Sources.HeldPrices(ctx, w.o.Org, pricesync.StateOpen)
	if err != nil {
		return err
	}
	differ, err := w.o.Sources.StandingDifferences(ctx, w.o.Org)
	if err != nil {
		return err
	}
	var raised []metering.Alert
	raise := func(kind metering.AlertKind, subject string, since metering.Micros, format string, args ...any) {
		raised = append(raised, metering.Alert{
			Org: w.o.Org, Kind: kind, Subject: subject, Severity: metering.SeverityWarning, Since: since, Detail: fmt.Sprintf(format, args...),
		})
	}
	for _, f := range feeds {
		if f.Failure != "" && w.o.Now().Sub(f.Read.Time()) > stale {
			raise(metering.AlertPriceFeed, f.URL, 0, "it could not be read for a day; prices stay as they are: %s", f.Failure)
		}
	}
	waiting := make(map[string][]pricesync.Held)
	for _, h := range held {
		waiting[h.Feed] = append(waiting[h.Feed], h)
	}
	for url, list := range waiting {
		raise(metering.AlertPriceHeld, url, list[0].FirstSeen, "%d changes of prices wait for a person: weir pricebook held", len(list))
	}
	for _, d := range differ {
		first, last := d.Days[0], d.Days[len(d.Days)-1]
		days := first.String()
		if n := len(d.Days); n > 1 {
			days = fmt.Sprintf("%d days from %s to %s", n, first, last)
		}
		raise(metering.AlertReconcile, d.Provider, d.Since, "its report of %s says something else: weir reconcile --provider %s --from %s --to %s says what, and ends this where it agrees", days, d.Provider, first, last+1)
	}
	return w.say(ctx, raised, true, metering.AlertPriceFeed, metering.AlertPriceHeld, metering.AlertReconcile)
}
