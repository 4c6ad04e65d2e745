package ship

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

const (
	retryFirst = 50 * time.Millisecond // after the database refused once
	retryMost  = 2 * time.Second
)

// keepShipping delivers facts until ctx ends, which is no error.
func (s *Shipper) keepShipping(ctx context.Context) error {
	for {
		facts, err := s.gather(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			// What cannot be read may be readable again; what was written stays.
			s.note(fmt.Errorf("read facts of the journal: %w", err))
			if !sleep(ctx, retryMost) {
				return nil
			}
			continue
		}
		err = s.deliver(ctx, facts)
		switch {
		case errors.Is(err, metering.ErrFenced):
			return err
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

// gather waits for facts, and a moment longer so that several share a
// transaction.
func (s *Shipper) gather(ctx context.Context) ([]*metering.Event, error) {
	facts, err := s.journal.Facts(ctx, s.position(), s.opts.Batch)
	if err != nil || len(facts) >= s.opts.Batch || s.opts.Gather < 0 {
		return facts, err
	}
	timer := time.NewTimer(s.opts.Gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.nudge:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return s.journal.Facts(ctx, s.position(), s.opts.Batch)
}

// deliver takes one batch through both sinks. It returns when the database has
// it, or with an error that wraps metering.ErrFenced or the end of ctx.
func (s *Shipper) deliver(ctx context.Context, facts []*metering.Event) error {
	if len(facts) == 0 {
		return nil
	}
	shipment := metering.Shipment{
		Lease: s.lease, From: s.position(), To: facts[len(facts)-1].FactSeq, Events: s.priced(facts),
	}
	if err := s.record(ctx, shipment); err != nil {
		return err
	}
	s.advance(shipment.To)
	s.counts.settle(ctx, shipment.Events)
	s.journal.Shipped(shipment.To)
	fault.At(fault.ShipAfterShipped)
	return nil
}

// priced copies the facts, which are the journal's, and prices the copies. A
// retry after a crash prices again; what the database has first stands.
func (s *Shipper) priced(facts []*metering.Event) []*metering.Event {
	copies := make([]metering.Event, len(facts))
	out := make([]*metering.Event, len(facts))
	var others metering.Courtesy
	for i, e := range facts {
		others.Step()
		copies[i] = *e
		out[i] = &copies[i]
		s.pricer.Price(out[i])
	}
	return out
}

// record puts a shipment into the database, however often that takes.
func (s *Shipper) record(ctx context.Context, shipment metering.Shipment) error {
	wait := retryFirst
	for {
		err := s.attempt(ctx, shipment)
		if errors.Is(err, metering.ErrFenced) {
			s.fence(err)
			return fmt.Errorf("ship: %w", err)
		}
		if ctx.Err() != nil && err != nil {
			return fmt.Errorf("ship: %w", err)
		}
		s.note(err)
		if err == nil {
			return nil
		}
		if !sleep(ctx, wait) {
			return fmt.Errorf("ship: %w", ctx.Err())
		}
		wait = min(2*wait, retryMost)
	}
}

// sleep waits and reports whether ctx has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

func (s *Shipper) attempt(ctx context.Context, shipment metering.Shipment) error {
	fault.At(fault.ShipBeforeTransaction)
	if err := fault.Err(fault.ShipBeforeTransaction); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if err := s.store.Ship(ctx, shipment); err != nil {
		return err
	}
	fault.At(fault.ShipAfterTransaction)
	return nil
}

// note keeps why the database takes nothing, and says so when that changes.
func (s *Shipper) note(err error) {
	s.mu.Lock()
	before := s.failure
	s.failure = err
	if err != nil && before == nil {
		s.since = s.opts.Now()
	}
	since := s.since
	s.mu.Unlock()
	switch {
	case err != nil && before == nil:
		s.log.Error("facts are not shipped; they stay in the journal until they can be", "err", err)
	case err == nil && before != nil:
		s.log.Info("facts are shipped again", "after", s.opts.Now().Sub(since).Round(time.Millisecond))
	}
}

// advance says that the database has the facts up to seq, and answers a sync
// request that waited for them.
func (s *Shipper) advance(seq uint64) {
	s.journal.Recorded(seq)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.recorded = seq
	close(s.moved)
	s.moved = make(chan struct{})
	if s.done < s.asked && s.recorded >= s.goal {
		poke(s.beats)
	}
}
