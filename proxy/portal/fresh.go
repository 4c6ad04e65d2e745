package portal

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
	var f fresh
	for _, j := range journals {
		if j.State == metering.JournalLive && (f.AsOf == 0 || j.Watermark < f.AsOf) {
			f.AsOf = j.Watermark
		}
	}
	now := s.opts.Now()
	if f.AsOf == 0 {
		f.AsOf = metering.MicrosOf(now)
		return f, nil
	}
	f.Behind = max(0, now.Sub(f.AsOf.Time())).Round(time.Second)
	f.Late = f.Behind > freshLate
	return f, nil
}

// String is the stamp on a page.
func (f fresh) String() string {
	text := fmt.Sprintf("as of %s UTC, %d s behind", f.AsOf.Time().Format("2006-01-02 15:04:05"), f.Behind/time.Second)
	if f.Late {
		text += ": the latest calls are not in these figures yet"
	}
	return text
}
