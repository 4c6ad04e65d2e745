package console

import (
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// liveCalls is how many calls the live page shows.
const liveCalls = 200

// livePage are the latest calls.
type livePage struct {
	Filter callFilter
	Paused bool
	Fresh  fresh
	Rows   []callRow
	Rate   string // calls within the last minute
	Silent string // for how long nothing came, where it is long
	Open   int    // calls open for over a minute
	Any    bool   // there is a call at all
	Now    metering.Micros
}

func (s *Server) showLive(w http.ResponseWriter, r *http.Request) error {
	f, err := s.readCallFilter(r)
	if err != nil {
		return err
	}
	out := livePage{Filter: f, Paused: r.URL.Query().Get("paused") != "", Now: s.at()}
	journals, err := s.opts.Store.Journals(r.Context())
	if err != nil {
		return fmt.Errorf("journals: %w", err)
	}
	out.Fresh = freshnessOf(journals, s.opts.Now())
	for _, j := range journals {
		for _, open := range j.Open {
			if open.Org == s.opts.Org && (f.customer == "" || open.Customer == f.customer) {
				out.Open++
			}
		}
	}
	calls, _, err := s.calls(r.Context(), f, liveCalls, "")
	if err != nil {
		return err
	}
	if out.Rows, err = s.rows(r.Context(), calls); err != nil {
		return err
	}
	out.Any = len(calls) > 0
	minute, lately := metering.MicrosOf(s.opts.Now().Add(-time.Minute)), 0
	for _, e := range calls {
		if e.At >= minute {
			lately++
		}
	}
	out.Rate = fmt.Sprintf("%d calls in the last minute", lately)
	if lately == liveCalls {
		out.Rate = fmt.Sprintf("over %d calls in the last minute", liveCalls)
	}
	if len(calls) > 0 {
		if silent := s.opts.Now().Sub(calls[0].At.Time()); silent > time.Minute {
			out.Silent = page.Duration(silent.Round(time.Second))
		}
	}
	s.site.Render(w, r, http.StatusOK, "live", out)
	return nil
}
