package api

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// feedStale is how long a feed may go unread. It is asked every six hours.
const feedStale = 24 * time.Hour

// checkPriceBook looks at the book, its feeds, what waits for a person, and at
// what was used whose price is not certain.
func (s *Server) checkPriceBook(ctx context.Context, org string) []Check {
	return []Check{s.checkBook(), s.checkFeeds(ctx, org), s.checkHeld(ctx, org), s.checkProvisional(ctx, org)}
}

func (s *Server) checkBook() Check {
	now := s.opts.Prices.Books.Status()
	check := Check{Name: "price book", Status: StatusOK, Measured: fmt.Sprintf("%s, %s old", now.Version, max(0, s.opts.Wall().Sub(now.Since).Round(time.Second)))}
	if now.Refused != nil {
		check.Status = StatusFail
		check.Measured = fmt.Sprintf("%s stays in force, because newer prices make no book: %.300s", now.Version, now.Refused)
		check.Remedy = "`weir pricebook versions LAYER` shows what changed last: correct it there, or in the file"
	}
	return check
}

func (s *Server) checkFeeds(ctx context.Context, org string) Check {
	feeds, err := s.opts.Prices.Store.PriceFeeds(ctx, org)
	if err != nil {
		return s.unmeasured(ctx, "price feeds", err)
	}
	if s.opts.Prices.Sync == nil {
		return Check{Name: "price feeds", Status: StatusOK, Measured: "none is configured: prices are those of the program and the operator"}
	}
	check := Check{Name: "price feeds", Status: StatusOK, Measured: "none was asked yet"}
	var states []string
	for _, f := range feeds {
		old := age(s.opts.Wall(), f.Read)
		state := fmt.Sprintf("%s read %s ago", f.URL, old.Round(time.Second))
		if f.Read == 0 {
			state = f.URL + " never read"
		}
		if f.Failure != "" {
			state += fmt.Sprintf(", failed %d times: %.200s", f.Failures, f.Failure)
		}
		if f.Read == 0 && f.Failures > 0 || f.Read != 0 && old > feedStale {
			check.Status = StatusWarn
			check.Remedy = "prices of the last good content are in force; `weir pricebook sync` looks again and says what fails"
		}
		states = append(states, state)
	}
	if len(states) > 0 {
		check.Measured = strings.Join(states, "; ")
	}
	return check
}

func (s *Server) checkHeld(ctx context.Context, org string) Check {
	open, err := s.opts.Prices.Store.HeldPage(ctx, org, pricesync.Held{}, maxLimit, pricesync.StateOpen)
	if err != nil {
		return s.unmeasured(ctx, "held prices", err)
	}
	if len(open) == 0 {
		return Check{Name: "held prices", Status: StatusOK, Measured: "none wait for a person"}
	}
	count := fmt.Sprint(len(open))
	if len(open) == maxLimit {
		count += " or more"
	}
	h := showHeld(open[0])
	return Check{
		Name: "held prices", Status: StatusWarn,
		Measured: fmt.Sprintf("%s wait for a person, the oldest for %s: %s %s", count, age(s.opts.Wall(), open[0].FirstSeen).Round(time.Minute), priceName(h.Provider, h.SKU), h.Reason),
		Remedy:   "`weir pricebook held` lists them, approve and reject decide; until then the old price holds",
	}
}

// checkProvisional tries the models that were used within a week.
func (s *Server) checkProvisional(ctx context.Context, org string) Check {
	const name = "provisional prices"
	rows, _, err := s.opts.Store.Usage(ctx, metering.UsageQuery{
		Org: org, From: metering.MicrosOf(s.opts.Now().Add(-lookBack)).Hour(), By: []string{"provider", "model"},
	})
	if err != nil {
		return s.unmeasured(ctx, name, err)
	}
	slices.SortFunc(rows, func(a, b metering.UsageRow) int { return int(b.Requests - a.Requests) })
	b := s.opts.Prices.book()
	var models []string
	reason := ""
	for _, r := range rows {
		for _, cell := range []metering.Cell{metering.InputCell(metering.CacheNone, metering.Text), metering.OutputCell(false, metering.Text)} {
			e := &metering.Event{Call: metering.Call{Provider: r.Group["provider"], Model: r.Group["model"], Metered: true, At: metering.MicrosOf(s.opts.Now())}}
			e.Usage.State, e.Usage.Tokens[cell] = metering.UsageExact, 1
			if t := b.Try(e); t.State == metering.CostProvisional {
				models = append(models, fmt.Sprintf("%s/%s", e.Provider, e.Model))
				reason = t.Reason
				break
			}
		}
	}
	if len(models) == 0 {
		return Check{Name: name, Status: StatusOK, Measured: "no model that was used within a week has one"}
	}
	return Check{
		Name: name, Status: StatusWarn,
		Measured: fmt.Sprintf("%d models that were used within a week, such as %s: %s", len(models), strings.Join(models[:min(len(models), topModels)], ", "), reason),
		Remedy:   "their costs count and are marked; look at the vendor's page and add the price that holds: `weir pricebook add`",
	}
}
