package ship

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// longOpen is after how long an open call is listed by name.
const longOpen = time.Minute

// keepBeating beats until ctx ends. Its only error wraps metering.ErrFenced.
func (s *Shipper) keepBeating(ctx context.Context) error {
	ticker := time.NewTicker(s.opts.Beat)
	defer ticker.Stop()
	failing := false
	for {
		err := s.beat(ctx)
		if errors.Is(err, metering.ErrFenced) {
			return err
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !failing {
			s.log.Error("the journal cannot report to the registry; periods do not close until it does", "err", err)
		} else if err == nil && failing {
			s.log.Info("the journal reports to the registry again")
		}
		failing = err != nil
		s.counts.heal(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-s.beats:
		case <-ticker.C:
		}
	}
}

// beat reports how far the journal is and takes up sync requests.
func (s *Shipper) beat(ctx context.Context) error {
	// The instant comes before the last fact is read, the last fact before the
	// position: what was written before the instant is then known to be shipped.
	now := metering.MicrosOf(s.opts.Now())
	last := s.journal.LastFact()
	parked := s.journal.Parked()
	b := metering.Beat{Lease: s.lease, Watermark: s.journal.Watermark(), Open: s.journal.OpenCalls(longOpen)}
	s.mu.Lock()
	if s.recorded >= last && parked == 0 {
		s.clean = max(s.clean, now)
	}
	if s.done < s.asked && s.recorded >= s.goal && parked == 0 {
		s.done = s.asked
	}
	b.Clean, b.SyncDone, b.Lag = s.clean, s.done, lag(last, s.recorded)+int64(parked)
	s.mu.Unlock()

	bounded, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	asked, err := s.store.Beat(bounded, b)
	if errors.Is(err, metering.ErrFenced) {
		s.fence(err)
	}
	if err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	s.ask(asked)
	return nil
}

// ask takes up a sync request: what is written by now has to be recorded
// before it is answered.
func (s *Shipper) ask(asked int64) {
	last := s.journal.LastFact()
	s.mu.Lock()
	defer s.mu.Unlock()
	if asked <= s.asked {
		return
	}
	s.asked, s.goal = asked, last
	if s.recorded >= last {
		poke(s.beats)
	} else {
		poke(s.nudge)
	}
}
