package sync

import (
	"context"
	"errors"
	"time"

	"github.com/weirhq/weir/metering"
)

// retryAfter is the longest wait after a look that failed.
const retryAfter = 30 * time.Minute

// Run asks the feeds on schedule until ctx ends. Of several replicas, one that
// finds that another has asked meanwhile waits on.
func (s *Syncer) Run(ctx context.Context) {
	wait := s.o.Jitter(s.o.Every / 10)
	last := ""
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		var err error
		if wait, err = s.due(ctx); err == nil && wait <= 0 {
			wait, err = s.o.Every, s.scheduled(ctx)
		}
		text := ""
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			text, wait = err.Error(), min(s.o.Every, retryAfter)
		}
		if text != "" && text != last {
			st := s.Status()
			s.o.Logger.Error("prices stay as they are", "feed", s.o.Main.URL, "last_read", st.Read, "error", text)
		}
		last = text
		wait += s.o.Jitter(wait / 10)
	}
}

// due is how long to wait before the feed may be asked; nothing or less: it is
// time.
func (s *Syncer) due(ctx context.Context) (time.Duration, error) {
	feeds, err := s.o.Store.PriceFeeds(ctx, s.o.Org)
	if err != nil {
		return 0, err
	}
	for _, f := range feeds {
		if f.URL != s.o.Main.URL || f.Shape != s.o.Main.Shape {
			continue
		}
		every := s.o.Every
		if f.Failure != "" {
			every = min(every, retryAfter)
		}
		return f.Asked.Time().Add(every).Sub(s.o.Now()), nil
	}
	return 0, nil
}

// scheduled is Once, and says in the log what came of it.
func (s *Syncer) scheduled(ctx context.Context) error {
	out, err := s.Once(ctx, false)
	if errors.Is(err, metering.ErrConflict) {
		s.o.Logger.Info("another replica kept prices first", "feed", s.o.Main.URL)
		return nil
	}
	if err != nil {
		return err
	}
	for _, w := range out.Warnings {
		s.o.Logger.Warn("a feed that checks prices cannot be read", "error", w)
	}
	switch {
	case len(out.Held) > 0:
		s.o.Logger.Warn("changes of prices wait for a person: weir pricebook held", "feed", s.o.Main.URL, "held", len(out.Held), "summary", out.Summary())
	case !out.Unchanged:
		s.o.Logger.Info("prices synced", "feed", s.o.Main.URL, "summary", out.Summary())
	}
	return nil
}
