package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// syncPoll is how often the registry is read while other journals ship. They
// beat once a second, so a finer one would see nothing more.
const syncPoll = 100 * time.Millisecond

// sync returns when every call answered before it is in the database: the
// journal of this process ships at once, those of the other replicas are asked
// to through the registry.
func (s *Server) sync(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, s.opts.SyncTimeout)
	defer cancel()
	waiting, err := s.opts.Store.AskSync(bounded)
	if err != nil {
		return fmt.Errorf("ask the journals to ship: %w", err)
	}
	if s.opts.Sync != nil {
		err := s.opts.Sync(bounded)
		switch {
		case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
			return s.late(ctx, map[string]int64{s.opts.Journal: waiting[s.opts.Journal]})
		case err != nil:
			return fmt.Errorf("ship the journal: %w", err)
		}
		delete(waiting, s.opts.Journal)
	}
	tick := time.NewTicker(syncPoll)
	defer tick.Stop()
	for len(waiting) > 0 {
		journals, err := s.opts.Store.Journals(bounded)
		if err != nil && bounded.Err() == nil {
			return fmt.Errorf("read the journals: %w", err)
		}
		if err == nil {
			settle(waiting, journals)
		}
		if len(waiting) == 0 {
			return nil
		}
		select {
		case <-bounded.Done():
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("wait for the journals: %w", err)
			}
			return s.late(ctx, waiting)
		case <-tick.C:
		}
	}
	return nil
}

// settle removes the journals that have shipped what they were asked for. One
// that has stopped clean has nothing left; one declared lost is not waited for.
func settle(waiting map[string]int64, journals []metering.JournalInfo) {
	for _, j := range journals {
		asked, waited := waiting[j.Journal]
		if waited && (j.SyncDone >= asked || j.State != metering.JournalLive) {
			delete(waiting, j.Journal)
		}
	}
}

// late names the journals that usage is missing of.
func (s *Server) late(ctx context.Context, waiting map[string]int64) error {
	journals, err := s.opts.Store.Journals(ctx)
	if err != nil {
		return fmt.Errorf("read the journals: %w", err)
	}
	now := s.opts.Wall()
	var parts []string
	for _, j := range journals {
		if _, late := waiting[j.Journal]; late {
			parts = append(parts, fmt.Sprintf("journal %s of %q was last heard of %s ago and has %d calls unshipped",
				j.Journal, j.Host, age(now, j.Beaten), j.Lag))
		}
	}
	slices.Sort(parts)
	return problem(CodeSyncTimeout, fmt.Sprintf("after %s %s; if its process is gone for good, declare the journal lost, and ask without sync for what there is",
		s.opts.SyncTimeout, strings.Join(parts, "; ")))
}

// age is how long ago an instant was, for people.
func age(now time.Time, at metering.Micros) time.Duration {
	return max(0, now.Sub(at.Time())).Round(time.Millisecond)
}
