// Package memory is the counter that lives and dies with the process. It is for
// one replica; several share the one in package redis.
//
// What it keeps is bounded: beyond [Options].Slots customers, the one that was
// asked for longest ago and holds nothing is dropped, and is lost until it is
// restored.
package memory

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

var _ metering.Counter = (*Counter)(nil)

// ErrFull says that all the slots there may be hold something, so that none can
// be made.
var ErrFull = errors.New("counters of all customers are in use")

const (
	shards       = 64
	defaultSlots = 200_000
)

// Options configure a counter. The zero value is the default.
type Options struct {
	// Slots is how many customers are kept at most, spread over 64 shards that
	// each keep their part; zero is 200,000. A customer with the usual four
	// windows takes about 1.2 KB.
	Slots int
	// Grace is for how long a window counts after its end; zero is
	// admission.Grace.
	Grace time.Duration
	Now   func() time.Time // nil: time.Now
}

// Counter is a metering.Counter. A customer's slot is in one shard, whose lock
// is held for one decision or one fact and never while anything is waited for.
type Counter struct {
	seed   maphash.Seed
	shards [shards]shard
	grace  time.Duration
	now    func() time.Time
}

// New returns a counter in which every slot is lost.
func New(o Options) *Counter {
	if o.Slots <= 0 {
		o.Slots = defaultSlots
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	c := &Counter{seed: maphash.MakeSeed(), grace: o.Grace, now: o.Now}
	for i := range c.shards {
		c.shards[i].most = max(1, o.Slots/shards)
	}
	return c
}

func (c *Counter) shard(s metering.Slot) *shard {
	h := maphash.String(c.seed, s.Customer) ^ maphash.String(c.seed, s.Org)<<1
	return &c.shards[h%shards]
}

func (c *Counter) clock() metering.Micros { return metering.MicrosOf(c.now()) }

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
	if err := ctx.Err(); err != nil {
		return metering.Decision{}, fmt.Errorf("admit: %w", err)
	}
	now := c.clock()
	sh := c.shard(h.Slot)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(h.Slot)
	if e == nil {
		return metering.Decision{}, metering.ErrSlotLost
	}
	answer, err := e.slot.Admit(&h, now)
	if err != nil {
		return metering.Decision{}, fmt.Errorf("admit: %w", err)
	}
	return answer, nil
}

// Settle applies facts. A fact that adds nothing asks nothing of a slot that is
// lost. Beyond what metering.Counter says, a settlement may answer
// metering.ErrInvalid or admission.ErrFull, and then has changed nothing.
func (c *Counter) Settle(ctx context.Context, batch []metering.Settlement) ([]error, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("settle: %w", err)
	}
	now := c.clock()
	results := make([]error, len(batch))
	for i := range batch {
		results[i] = c.settle(&batch[i], now)
	}
	return results, nil
}

func (c *Counter) settle(f *metering.Settlement, now metering.Micros) error {
	if err := admission.CheckSettlement(f); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	sh := c.shard(f.Slot)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(f.Slot)
	if e == nil {
		if len(f.Add) == 0 {
			return nil
		}
		return metering.ErrSlotLost
	}
	return e.slot.Settle(f, now)
}

// Restore sets a slot from what the database knows. Beyond what
// metering.Counter says, it fails with metering.ErrInvalid, admission.ErrFull
// and [ErrFull], and then has changed nothing.
func (c *Counter) Restore(ctx context.Context, s metering.Snapshot) (bool, error) {
	if err := admission.CheckSnapshot(&s); err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	if err := ctx.Err(); err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	now := c.clock()
	sh := c.shard(s.Slot)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e, err := sh.findOrMake(s.Slot, c.grace, now)
	if err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	// A slot that was just made has room for any snapshot that was let in.
	ok, err := e.slot.Restore(&s, now)
	if err != nil {
		return false, fmt.Errorf("restore: %w", err)
	}
	return ok, nil
}

// Totals returns what the slot has used and holds. Beyond what metering.Counter
// says, it fails with metering.ErrInvalid and admission.ErrEnded.
func (c *Counter) Totals(ctx context.Context, slot metering.Slot, windows []metering.Window) (used, held []int64, err error) {
	if err := errors.Join(admission.CheckSlot(slot), ctx.Err()); err != nil {
		return nil, nil, fmt.Errorf("totals: %w", err)
	}
	for i := range windows {
		if err := admission.CheckWindow(&windows[i]); err != nil {
			return nil, nil, fmt.Errorf("totals: %w", err)
		}
	}
	now := c.clock()
	sh := c.shard(slot)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := sh.find(slot)
	if e == nil {
		return nil, nil, metering.ErrSlotLost
	}
	used, held, err = e.slot.Totals(windows, now)
	if err != nil {
		return nil, nil, fmt.Errorf("totals: %w", err)
	}
	return used, held, nil
}

// Forget drops every slot, as the end of the process would: all are lost until
// they are restored.
func (c *Counter) Forget() {
	for i := range c.shards {
		c.shards[i].forget()
	}
}
