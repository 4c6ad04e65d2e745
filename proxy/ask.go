package proxy

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
)

const (
	// deafFor is for how long a model is not asked for usage that has refused to be
	// asked. Servers are upgraded.
	deafFor = time.Hour
	// maxDeaf bounds the models that are remembered of one upstream; with more of
	// them, those beyond are asked each time and refuse each time.
	maxDeaf = 1024
)

// deafness remembers which models of an upstream refuse stream_options.
type deafness struct {
	some  atomic.Bool // any is remembered
	mu    sync.Mutex
	until map[string]time.Time
}

// is reports whether a model is not to be asked.
func (d *deafness) is(model string, now time.Time) bool {
	if !d.some.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	until, known := d.until[model]
	if known && !now.Before(until) {
		delete(d.until, model)
		d.some.Store(len(d.until) > 0)
	}
	return known && now.Before(until)
}

// learn notes that a model refuses. It reports whether that is news.
func (d *deafness) learn(model string, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.until == nil {
		d.until = make(map[string]time.Time)
	}
	for m, until := range d.until {
		if !now.Before(until) {
			delete(d.until, m)
		}
	}
	_, known := d.until[model]
	if !known && len(d.until) >= maxDeaf {
		return false
	}
	d.until[model] = now.Add(deafFor)
	d.some.Store(true)
	return !known
}

// askPolicy is how a stream that does not ask for its usage is treated on its way
// to an upstream.
func (x *exchange) askPolicy(u *upstream) metering.AskPolicy {
	if x.principal != nil && x.principal.Customer.IncludeUsage != "" {
		return x.principal.Customer.IncludeUsage
	}
	return metering.AskPolicy(u.IncludeUsage)
}

// missingPolicy is what becomes of an estimate.
func (x *exchange) missingPolicy() metering.MissingPolicy {
	if x.principal != nil && x.principal.Customer.MissingUsage != "" {
		return x.principal.Customer.MissingUsage
	}
	return x.up.MissingUsage
}

// missing ends an estimate: it says why there is one, and withholds it where that
// is the policy. A client that has hung up is billed whatever the policy: it
// would only have to leave before the last frame to pay nothing.
func (x *exchange) missing(u *metering.Usage) {
	if u.Estimate == nil {
		return
	}
	switch {
	case x.deaf:
		u.Flag(metering.FlagAskRefused)
	case x.asked.Spliceable && !x.spliced:
		u.Flag(metering.FlagNotAsked)
	}
	if x.outcome != metering.OutcomeClientGone {
		u.Withhold(x.missingPolicy())
	}
}
