package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Probe is a further check of doctor. Run returns the finding; its name is set.
type Probe struct {
	Name string
	Run  func(ctx context.Context) Check
}

// Bounds of what is healthy.
const (
	beatLate   = 5 * time.Second  // journals beat every second
	beatGone   = 30 * time.Second // nobody ships it any more
	lagMuch    = 10_000           // facts that wait to be shipped
	openLong   = time.Hour        // a call that is open for longer is looked at
	clockOff   = time.Second      // periods are cut at instants of our clock
	clockWrong = 10 * time.Second
	keysLate   = 5 * time.Second // the ring polls every 250 ms
	lookBack   = 7 * 24 * time.Hour
	topModels  = 5
)

func (s *Server) showDoctor(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	return ok(s.Diagnose(c.Context(), c.org))
}

// Diagnose runs every check. A check that cannot be made has failed; the error
// goes to the log, because it may quote an address.
func (s *Server) Diagnose(ctx context.Context, org string) Diagnosis {
	checks := s.checkDatabase(ctx)
	checks = append(checks, s.checkRedis(ctx), s.checkKeys())
	journals, err := s.opts.Store.Journals(ctx)
	if err != nil {
		checks = append(checks, s.unmeasured(ctx, "journals", err))
	} else {
		checks = append(checks, s.checkJournals(journals)...)
		checks = append(checks, s.checkOrphans(ctx, org, journals))
	}
	checks = append(checks, s.checkQuarantine(ctx, org), s.checkPrices(ctx, org), s.checkStated(ctx, org))
	if s.opts.Prices != nil && org == cmp.Or(s.opts.Prices.Org, metering.DefaultOrg) {
		checks = append(checks, s.checkPriceBook(ctx, org)...)
	}
	if s.opts.Billing != nil {
		checks = append(checks, s.checkPeriods(ctx, org), s.checkPayments(ctx, org))
	}
	checks = append(checks, s.checkReconciled(ctx, org)...)
	checks = append(checks, s.checkAlerts(ctx, org)...)
	for _, p := range s.opts.Probes {
		check := p.Run(ctx)
		check.Name = p.Name
		checks = append(checks, check)
	}
	d := Diagnosis{Status: StatusOK, Checks: checks}
	for _, check := range checks {
		if check.Status == StatusFail || check.Status == StatusWarn && d.Status == StatusOK {
			d.Status = check.Status
		}
	}
	return d
}

func (s *Server) unmeasured(ctx context.Context, name string, err error) Check {
	s.opts.Logger.ErrorContext(ctx, "doctor cannot measure", "check", name, "error", err)
	return Check{name, StatusFail, "cannot be measured", "the log of the server says why"}
}

func (s *Server) checkDatabase(ctx context.Context) []Check {
	if s.opts.Database == nil {
		return nil
	}
	start := s.opts.Wall()
	db, err := s.opts.Database(ctx)
	if err != nil {
		return []Check{s.unmeasured(ctx, "database", err)}
	}
	took := s.opts.Wall().Sub(start).Round(time.Millisecond)
	database := Check{Name: "database", Status: StatusOK, Measured: fmt.Sprintf("%s, schema %s, %.1f MiB, answered in %s", db.Engine, db.Schema, float64(db.Bytes)/(1<<20), took)}
	if took > time.Second {
		database.Status, database.Remedy = StatusWarn, "it is slow: look at its load and its disk"
	}
	if db.Trouble != "" {
		database.Status, database.Remedy = StatusWarn, db.Trouble
	}
	off := time.Duration(max(db.Ahead, -db.Ahead)) * time.Microsecond
	clock := Check{Name: "clock", Status: StatusOK, Measured: fmt.Sprintf("differs from the database's by %s", off.Round(time.Millisecond))}
	switch {
	case off > clockWrong:
		clock.Status, clock.Remedy = StatusFail, "calls are recorded at wrong instants: set the clock and run NTP"
	case off > clockOff:
		clock.Status, clock.Remedy = StatusWarn, "run NTP on both machines"
	}
	return []Check{database, clock}
}

func (s *Server) checkRedis(ctx context.Context) Check {
	if s.opts.Redis == nil {
		return Check{Name: "redis", Status: StatusOK, Measured: "not configured: counters live in this process"}
	}
	start := s.opts.Wall()
	if err := s.opts.Redis(ctx); err != nil {
		check := s.unmeasured(ctx, "redis", err)
		check.Measured = "does not answer"
		check.Remedy = "limits that replicas share cannot be decided: start it, or look at REDIS_URL; counters are rebuilt by themselves"
		return check
	}
	return Check{Name: "redis", Status: StatusOK, Measured: fmt.Sprintf("answered in %s", s.opts.Wall().Sub(start).Round(time.Millisecond))}
}

func (s *Server) checkKeys() Check {
	if s.opts.KeysLoaded == nil {
		return Check{Name: "keys", Status: StatusOK, Measured: "this process serves no keys"}
	}
	old := max(0, s.opts.Wall().Sub(s.opts.KeysLoaded()).Round(time.Millisecond))
	check := Check{Name: "keys", Status: StatusOK, Measured: fmt.Sprintf("snapshot known to be current %s ago", old)}
	switch {
	case s.opts.KeysMaxStale > 0 && old > s.opts.KeysMaxStale:
		check.Status, check.Remedy = StatusFail, "every call is refused: the database cannot be reached"
	case old > keysLate:
		check.Status, check.Remedy = StatusWarn, fmt.Sprintf("revoked keys go on working: look at the database; calls are refused after %s", s.opts.KeysMaxStale)
	}
	return check
}

func (s *Server) checkJournals(journals []metering.JournalInfo) []Check {
	var checks []Check
	clean := 0
	for _, j := range journals {
		if j.State == metering.JournalClean {
			clean++
			continue
		}
		checks = append(checks, s.checkJournal(j))
	}
	if clean > 0 || len(checks) == 0 {
		checks = append(checks, Check{Name: "journals", Status: StatusOK, Measured: fmt.Sprintf("%d stopped with everything shipped", clean)})
	}
	return checks
}

func (s *Server) checkJournal(j metering.JournalInfo) Check {
	now := s.opts.Now()
	silent := age(s.opts.Wall(), j.Beaten)
	check := Check{Name: "journal " + j.Journal, Status: StatusOK, Measured: fmt.Sprintf(
		"%s on %q, beat %s ago, watermark %s behind, %d facts to ship, %d calls open for over a minute",
		j.State, j.Host, silent, age(now, j.Watermark), j.Lag, len(j.Open))}
	switch {
	case j.State == metering.JournalLost:
		check.Status, check.Remedy = StatusWarn, "declared lost: what it still ships becomes an adjustment"
	case silent > beatGone:
		check.Status, check.Remedy = StatusFail, "nobody ships it, and no period can close: start weir with its data directory, or declare it lost"
	case silent > beatLate:
		check.Status, check.Remedy = StatusWarn, "it should beat every second: look at the log of its process"
	case j.Lag > lagMuch:
		check.Status, check.Remedy = StatusWarn, "it ships slower than it records: look at the database"
	}
	return check
}

// checkOrphans looks for calls that began and did not end: those of a process
// that is gone, and those settled as crashed at its next start.
func (s *Server) checkOrphans(ctx context.Context, org string, journals []metering.JournalInfo) Check {
	now := s.opts.Now()
	var orphans, long int
	for _, j := range journals {
		for _, open := range j.Open {
			switch {
			case open.Org != org:
			case j.State != metering.JournalLive || age(s.opts.Wall(), j.Beaten) > beatGone:
				orphans++
			case age(now, open.At) > openLong:
				long++
			}
		}
	}
	day := metering.MicrosOf(now.Add(-24 * time.Hour))
	crashed, more, err := s.opts.Store.Events(ctx, metering.EventQuery{Org: org, Outcome: metering.OutcomeCrashed, From: day, Limit: maxLimit})
	if err != nil {
		return s.unmeasured(ctx, "orphaned intents", err)
	}
	count := fmt.Sprint(len(crashed))
	if more != "" {
		count = "over " + count
	}
	check := Check{Name: "orphaned intents", Status: StatusOK, Measured: fmt.Sprintf("%d without a process, %d open for over an hour, %s settled as crashed within a day", orphans, long, count)}
	switch {
	case orphans > 0:
		check.Status, check.Remedy = StatusWarn, "start weir with their data directory: it settles them from their last checkpoint"
	case len(crashed) > 0:
		check.Status, check.Remedy = StatusWarn, "a process was killed in the middle of calls: `weir event list --outcome crashed` shows them"
	}
	return check
}

func (s *Server) checkQuarantine(ctx context.Context, org string) Check {
	records, err := s.opts.Store.Quarantined(ctx, org, maxLimit)
	if err != nil {
		return s.unmeasured(ctx, "quarantine", err)
	}
	check := Check{Name: "quarantine", Status: StatusOK, Measured: "empty"}
	if len(records) > 0 {
		r := records[0]
		check.Status = StatusFail
		check.Measured = fmt.Sprintf("%d records that the database refused, such as %s of journal %s: %.200s", len(records), r.ID, r.Journal, r.Reason)
		check.Remedy = "they are missing from usage: report the reason; nothing of them is lost"
	}
	return check
}

func (s *Server) checkPrices(ctx context.Context, org string) Check {
	rows, totals, err := s.opts.Store.Usage(ctx, metering.UsageQuery{
		Org: org, From: metering.MicrosOf(s.opts.Now().Add(-lookBack)).Hour(), By: []string{"provider", "model"},
	})
	if err != nil {
		return s.unmeasured(ctx, "unpriced models", err)
	}
	if totals.Unpriced == 0 {
		return Check{Name: "unpriced models", Status: StatusOK, Measured: "none within a week"}
	}
	slices.SortFunc(rows, func(a, b metering.UsageRow) int { return cmp.Compare(b.Unpriced, a.Unpriced) })
	var models []string
	for _, r := range rows {
		if r.Unpriced > 0 && len(models) < topModels {
			models = append(models, fmt.Sprintf("%s/%s (%d)", r.Group["provider"], r.Group["model"], r.Unpriced))
		}
	}
	return Check{
		Name: "unpriced models", Status: StatusWarn,
		Measured: fmt.Sprintf("%d calls without a cost within a week: %s", totals.Unpriced, strings.Join(models, ", ")),
		Remedy:   "`weir event show` says what is missing; they are rated once a price exists",
	}
}
