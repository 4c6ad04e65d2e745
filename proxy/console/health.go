package console

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// shownQuarantine is how many refused records the page of health shows.
const shownQuarantine = 50

// healthPage is what an operator looks at when something is wrong.
type healthPage struct {
	Tiles       []page.Tile
	Checks      []Check
	Journals    []journalRow
	Quarantined []metering.Quarantined
	Billing     *billingHealth
}

// journalRow is a journal and how it is.
type journalRow struct {
	metering.JournalInfo
	fresh
	Heard string // how long ago it was heard of, by the wall clock, which a sandbox does not move
}

// Kind is the badge of the state.
func (j journalRow) Kind() string {
	switch {
	case j.State == metering.JournalLost || j.State == metering.JournalLive && j.Late:
		return "warn"
	case j.State == metering.JournalLive:
		return "ok"
	default:
		return "plain"
	}
}

// Kind is the badge of a check.
func (c Check) Kind() string {
	switch c.Status {
	case "ok":
		return "ok"
	case "warn":
		return "warn"
	default:
		return "bad"
	}
}

func (s *Server) health(ctx context.Context) (healthPage, error) {
	var out healthPage
	journals, err := s.opts.Store.Journals(ctx)
	if err != nil {
		return out, fmt.Errorf("journals: %w", err)
	}
	var lag int64
	open := 0
	for _, j := range journals {
		row := journalRow{JournalInfo: j, Heard: page.Duration(max(0, s.opts.SignIn().Sub(j.Beaten.Time())).Round(time.Second)) + " ago"}
		row.fresh = freshnessOf([]metering.JournalInfo{j}, s.opts.Now())
		out.Journals = append(out.Journals, row)
		if j.State == metering.JournalLive {
			lag, open = lag+j.Lag, open+len(j.Open)
		}
	}
	if out.Quarantined, err = s.opts.Store.Quarantined(ctx, s.opts.Org, shownQuarantine); err != nil {
		return out, fmt.Errorf("quarantine: %w", err)
	}
	if s.opts.Doctor != nil {
		out.Checks = s.opts.Doctor(ctx, s.opts.Org)
	}
	if s.billing != nil {
		if out.Billing, err = s.billing.health(ctx, s.opts.Org); err != nil {
			return out, err
		}
	}
	now := freshnessOf(journals, s.opts.Now())
	behind := page.Tile{Label: "Usage is behind by", Value: page.TextHTML("–"), Note: "no process is recording"}
	if now.AsOf != 0 {
		behind.Value, behind.Note = page.TextHTML(page.Duration(now.Behind)), "complete up to "+page.Instant(now.AsOf)
	}
	if now.Late {
		behind.State = "warn"
	}
	quarantine := page.Tile{Label: "In quarantine", Value: page.NumberHTML(int64(len(out.Quarantined))), Note: "records that the database refused"}
	if len(out.Quarantined) > 0 {
		quarantine.State = "bad"
	}
	out.Tiles = []page.Tile{
		behind,
		{Label: "Waiting to be shipped", Value: page.NumberHTML(lag), Note: "facts in the journals"},
		{Label: "Open for over a minute", Value: page.NumberHTML(int64(open)), Note: "calls"},
		quarantine,
	}
	return out, nil
}

func (s *Server) showHealth(w http.ResponseWriter, r *http.Request) error {
	out, err := s.health(r.Context())
	if err != nil {
		return err
	}
	s.site.Render(w, r, http.StatusOK, "health", out)
	return nil
}

// exportHealth has the checks and journals for programs.
func (s *Server) exportHealth(w http.ResponseWriter, r *http.Request) error {
	out, err := s.health(r.Context())
	if err != nil {
		return err
	}
	checks := make([]map[string]string, 0, len(out.Checks))
	for _, c := range out.Checks {
		checks = append(checks, map[string]string{"name": c.Name, "status": c.Status, "measured": c.Measured, "remedy": c.Remedy})
	}
	journals := make([]metering.JournalInfo, 0, len(out.Journals))
	for _, j := range out.Journals {
		journals = append(journals, j.JournalInfo)
	}
	body, err := json.Marshal(map[string]any{"checks": checks, "journals": journals, "quarantined": len(out.Quarantined)})
	if err != nil {
		return fmt.Errorf("encode the state of health: %w", err)
	}
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write(append(body, '\n')); err != nil {
		s.opts.Logger.DebugContext(r.Context(), "the reader of a file is gone", "error", err)
	}
	return nil
}
