package ship_test

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/weirhq/weir/metering"
)

// errLost is what a caller sees when a call failed or its reply was lost.
var errLost = errors.New("connection lost")

// database is a registry and an event table in memory. It can fail before or
// after it has done what it was asked.
type database struct {
	mu        sync.Mutex
	epoch     int64
	shipped   uint64
	events    []*metering.Event
	byID      map[metering.ID]bool
	positions map[metering.Slot]uint64
	asked     int64
	beats     []metering.Beat
	released  bool
	fenced    error

	// fail is asked before and after each operation; nil never fails.
	fail func(op string) error
	beat chan metering.Beat // unless nil, gets each beat
}

func newDatabase() *database {
	return &database{byID: make(map[metering.ID]bool), positions: make(map[metering.Slot]uint64)}
}

func (d *database) trouble(op string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(op)
}

func (d *database) ClaimJournal(_ context.Context, c metering.JournalClaim) (metering.JournalLease, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fenced != nil {
		return metering.JournalLease{}, d.fenced
	}
	d.epoch++
	return metering.JournalLease{Journal: c.Journal, Epoch: d.epoch, Shipped: d.shipped}, nil
}

func (d *database) Ship(ctx context.Context, s metering.Shipment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(ctx.Err(), d.trouble("before ship")); err != nil {
		return err
	}
	switch {
	case d.fenced != nil || s.Lease.Epoch != d.epoch:
		return fmt.Errorf("epoch %d: %w", s.Lease.Epoch, metering.ErrFenced)
	case s.To == d.shipped:
		return nil // applied, and the reply was lost
	case s.From != d.shipped:
		return fmt.Errorf("shipment from %d, database at %d: %w", s.From, d.shipped, metering.ErrFenced)
	}
	for _, e := range s.Events {
		if d.byID[e.ID] {
			return fmt.Errorf("event %s: %w", e.ID, metering.ErrConflict)
		}
		d.byID[e.ID] = true
		d.events = append(d.events, e)
		d.positions[metering.Slot{Org: e.Org, Customer: e.Customer}] = e.FactSeq
	}
	d.shipped = s.To
	return d.trouble("after ship")
}

func (d *database) Beat(ctx context.Context, b metering.Beat) (int64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := errors.Join(ctx.Err(), d.trouble("before beat")); err != nil {
		return 0, err
	}
	if d.fenced != nil {
		return 0, d.fenced
	}
	d.beats = append(d.beats, b)
	if d.beat != nil {
		select {
		case d.beat <- b:
		default:
		}
	}
	return d.asked, d.trouble("after beat")
}

func (d *database) ReleaseJournal(context.Context, metering.JournalLease) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.released = true
	return nil
}

func (d *database) Snapshot(_ context.Context, slot metering.Slot, windows []metering.Window) (metering.Snapshot, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.trouble("before snapshot"); err != nil {
		return metering.Snapshot{}, err
	}
	return d.snapshot(slot, windows), nil
}

// snapshot folds the events.
func (d *database) snapshot(slot metering.Slot, windows []metering.Window) metering.Snapshot {
	out := metering.Snapshot{Slot: slot, Positions: make(map[string]uint64)}
	for _, w := range windows {
		var sum int64
		for _, e := range d.events {
			if e.Org != slot.Org || e.Customer != slot.Customer || e.Test || e.At < w.Start || e.At >= w.End {
				continue
			}
			if w.Unit == metering.UnitRequests {
				sum++
			} else {
				sum += e.Usage.Tokens.Input() + e.Usage.Tokens.Output()
			}
		}
		out.Totals = append(out.Totals, metering.Addition{Window: w, Amount: sum})
	}
	if seq, ok := d.positions[slot]; ok {
		out.Positions[d.events[0].Journal] = seq
	}
	return out
}

// fence makes another process the owner.
func (d *database) fence() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fenced = fmt.Errorf("claimed by another copy: %w", metering.ErrFenced)
}

func (d *database) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events)
}

func (d *database) set(fail func(op string) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = fail
}

// pricer gives every event the cost of its tokens in pico-dollars.
type pricer struct{}

func (pricer) Price(e *metering.Event) {
	e.Cost = metering.Cost{Picos: e.Usage.Tokens.Input() + e.Usage.Tokens.Output()}.Normal()
	e.CostState = metering.CostExact
}

// flaky fails some calls to a counter, before or after they took effect.
type flaky struct {
	metering.Counter
	mu   sync.Mutex
	fail func(op string) error
}

func (f *flaky) set(fail func(op string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = fail
}

func (f *flaky) current() metering.Counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.Counter
}

func (f *flaky) trouble(op string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail == nil {
		return nil
	}
	return f.fail(op)
}

func (f *flaky) Settle(ctx context.Context, batch []metering.Settlement) ([]error, error) {
	if err := f.trouble("before settle"); err != nil {
		return nil, err
	}
	results, err := f.current().Settle(ctx, batch)
	if err := f.trouble("after settle"); err != nil {
		return nil, err
	}
	return results, err
}

func (f *flaky) Restore(ctx context.Context, s metering.Snapshot) (bool, error) {
	if err := f.trouble("before restore"); err != nil {
		return false, err
	}
	ok, err := f.current().Restore(ctx, s)
	if err := f.trouble("after restore"); err != nil {
		return false, err
	}
	return ok, err
}
