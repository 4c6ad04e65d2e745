package objects

import (
	"context"
	"time"

	"github.com/weirhq/weir/metering"
)

const (
	// gather is how long an item waits for others to share a transaction.
	gather = 50 * time.Millisecond
	// together is how many items share one at most.
	together = 200
	// itemsKept is how long items have rows; OpenAI keeps responses for 30 days.
	itemsKept  = 31 * 24 * time.Hour
	purgeEvery = time.Hour
	lastWrites = 5 * time.Second
)

// Run writes the rows of items until ctx ends, and then those that still wait.
func (r *Registry) Run(ctx context.Context) error {
	purge := time.NewTicker(purgeEvery)
	defer purge.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWrites)
			defer cancel()
			for batch := r.take(nil); len(batch) > 0; batch = r.take(nil) {
				r.write(last, batch)
			}
			return ctx.Err()
		case <-purge.C:
			if err := r.o.Store.Purge(ctx, metering.MicrosOf(r.o.Now().Add(-itemsKept))); err != nil {
				r.o.Logger.Warn("drop old items", "error", err)
			}
		case first := <-r.items:
			wait := time.NewTimer(gather)
			select {
			case <-wait.C:
			case <-ctx.Done():
			}
			wait.Stop()
			r.write(context.WithoutCancel(ctx), r.take([]Row{first}))
		}
	}
}

// take adds what waits now.
func (r *Registry) take(batch []Row) []Row {
	for len(batch) < together {
		select {
		case row := <-r.items:
			batch = append(batch, row)
		default:
			return batch
		}
	}
	return batch
}

func (r *Registry) write(ctx context.Context, batch []Row) {
	ctx, cancel := context.WithTimeout(ctx, lastWrites)
	defer cancel()
	if _, err := r.o.Store.Insert(ctx, batch); err != nil {
		r.dropped.Add(int64(len(batch)))
		r.o.Logger.Warn("items of answers can be referred to on this server alone", "items", len(batch), "error", err)
	}
}
