package console

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// fresh says up to when the figures of a page are complete.
type fresh struct {
	AsOf   metering.Micros // zero: no process records, so that nothing is missing
	Behind time.Duration
	Late   bool // by so much that a reader should know
}

// freshLate is when figures are called late: journals beat every second.
const freshLate = 10 * time.Second

// freshness is the lowest watermark of the journals that are alive: every call
// authorised before it is in the figures, unless it is still open.
func (s *Server) freshness(ctx context.Context) (fresh, error) {
	journals, err := s.opts.Store.Journals(ctx)
	if err != nil {
		return fresh{}, fmt.Errorf("journals: %w", err)
	}
	return freshnessOf(journals, s.opts.Now()), nil
}

func freshnessOf(journals []metering.JournalInfo, now time.Time) fresh {
	var f fresh
	for _, j := range journals {
		if j.State == metering.JournalLive && (f.AsOf == 0 || j.Watermark < f.AsOf) {
			f.AsOf = j.Watermark
		}
	}
	if f.AsOf != 0 {
		f.Behind = max(0, now.Sub(f.AsOf.Time())).Round(time.Second)
		f.Late = f.Behind > freshLate
	}
	return f
}

// String is the stamp on a card.
func (f fresh) String() string {
	if f.AsOf == 0 {
		return "complete: no process is recording"
	}
	return fmt.Sprintf("as of %s UTC, %d s behind", f.AsOf.Time().Format(time.TimeOnly), f.Behind/time.Second)
}
