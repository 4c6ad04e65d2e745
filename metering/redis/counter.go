// Package redis is the counter that replicas share. Each operation is one
// script on one hash, which holds everything of a customer: a slot is there or
// lost as a whole, and a cluster decides on one node.
//
// A reply may be lost, and any operation may therefore be sent again: a hold is
// known by its id, a fact by its position, and a snapshot sets what it sets.
// Nothing here retries by itself all the same, because the caller knows how
// long it can wait.
package redis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

var _ metering.Counter = (*Counter)(nil)

// Options configure a counter. The zero value is the default. What the URL
// says (dial_timeout, read_timeout, write_timeout, pool_size) wins.
type Options struct {
	// Dial bounds connecting, Timeout each wait for a reply or a free connection.
	// A context that ends earlier bounds both. Zero is 500 ms.
	Dial    time.Duration
	Timeout time.Duration
	// Idle is for how long a slot is kept that nobody asks for, after the longest
	// of its holds; zero is a week. It is then lost until it is restored.
	Idle time.Duration
	// Grace is for how long a window counts after its end; zero is
	// admission.Grace.
	Grace  time.Duration
	Logger *slog.Logger // nil: slog.Default
}

// Counter is a metering.Counter in Redis 7 or newer, or a Redis Cluster.
type Counter struct {
	client goredis.UniversalClient
	opts   Options
	log    *slog.Logger
	looked atomic.Bool // the server's settings have been looked at
}

// Open returns a counter on the server that the URL names: redis://, rediss://
// or unix://, with user, password and database. A redis:// or rediss:// URL with
// the parameter cluster=true, or with further nodes as addr=host:port, is of a
// cluster.
//
// A server that cannot be reached is no error: operations fail until it can. A
// URL that means nothing wraps metering.ErrInvalid. The server's settings that
// endanger counters are logged as a warning, by the first of Open and Ping that
// reaches it.
func Open(ctx context.Context, url string, o Options) (*Counter, error) {
	o = o.withDefaults()
	// The library prints errors to standard error that it also returns.
	logging.Disable()
	client, err := connect(url, o)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	c := &Counter{client: client, opts: o, log: o.Logger}
	if err := c.Ping(ctx); err != nil {
		c.log.Warn("Redis cannot be reached; what depends on shared counters is refused until it can", "err", err)
	}
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Dial <= 0 {
		o.Dial = 500 * time.Millisecond
	}
	if o.Timeout <= 0 {
		o.Timeout = 500 * time.Millisecond
	}
	if o.Idle <= 0 {
		o.Idle = 7 * 24 * time.Hour
	}
	if o.Grace <= 0 {
		o.Grace = admission.Grace
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Close ends the connections.
func (c *Counter) Close() error {
	if err := c.client.Close(); err != nil {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// Admit decides and places the hold. Beyond what metering.Counter says, it
// fails with metering.ErrInvalid, admission.ErrEnded and admission.ErrFull, and
// then has changed nothing.
func (c *Counter) Admit(ctx context.Context, h metering.Hold) (metering.Decision, error) {
	if len(h.Claims) == 0 {
		return admission.Unclaimed(), nil
	}
	if err := admission.CheckHold(&h); err != nil {
		return metering.Decision{}, fmt.Errorf("admit: %w", err)
	}
	reply, err := c.run(ctx, admitScript, h.Slot, c.admitArgs(&h)).StringSlice()
	if err != nil {
		return metering.Decision{}, fmt.Errorf("admit: %w", err)
	}
	answer, err := decision(reply)
	switch {
	case errors.Is(err, metering.ErrSlotLost):
		return metering.Decision{}, err
	case err != nil:
		return metering.Decision{}, fmt.Errorf("admit: %w", err)
	}
	return answer, nil
}

// Settle applies facts. A fact that adds nothing asks nothing of a slot that is
// lost. Beyond what metering.Counter says, a settlement may answer
// metering.ErrInvalid or admission.ErrFull, and then has changed nothing.
func (c *Counter) Settle(ctx context.Context, batch []metering.Settlement) ([]error, error) {
	results := make([]error, len(batch))
	calls := c.group(batch, results)
	for len(calls) > 0 {
		n := min(len(calls), pipelined)
		if err := c.send(ctx, calls[:n], results); err != nil {
			return nil, fmt.Errorf("settle: %w", err)
		}
		calls = calls[n:]
	}
	return results, nil
}

// Restore sets a slot from what the database knows. Beyond what
// metering.Counter says, it fails with metering.ErrInvalid and
// admission.ErrFull, and then has changed nothing.
func (c *Counter) Restore(ctx context.Context, s metering.Snapshot) (bool, error) {
	if err := admission.CheckSnapshot(&s); err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	status, err := c.run(ctx, restoreScript, s.Slot, c.restoreArgs(&s)).Int()
	switch {
	case err != nil:
		return false, fmt.Errorf("restore: %w", err)
	case status == statusFull:
		return false, fmt.Errorf("restore: %w", admission.ErrFull)
	}
	return status == 1, nil
}

// Totals returns what the slot has used and holds. Beyond what metering.Counter
// says, it fails with metering.ErrInvalid and admission.ErrEnded.
func (c *Counter) Totals(ctx context.Context, slot metering.Slot, windows []metering.Window) (used, held []int64, err error) {
	if err := admission.CheckSlot(slot); err != nil {
		return nil, nil, fmt.Errorf("totals: %w", err)
	}
	args := make([]any, 0, 1+2*len(windows))
	args = append(args, micros(c.opts.Grace))
	for i := range windows {
		if err := admission.CheckWindow(&windows[i]); err != nil {
			return nil, nil, fmt.Errorf("totals: %w", err)
		}
		args = append(args, field(&windows[i]), int64(windows[i].End))
	}
	reply, err := c.run(ctx, totalsScript, slot, args).StringSlice()
	if err != nil {
		return nil, nil, fmt.Errorf("totals: %w", err)
	}
	used, held, err = totals(reply, len(windows))
	switch {
	case errors.Is(err, metering.ErrSlotLost):
		return nil, nil, err
	case err != nil:
		return nil, nil, fmt.Errorf("totals: %w", err)
	}
	return used, held, nil
}
