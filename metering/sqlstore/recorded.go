package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/sqldb"
)

var _ reconcile.Source = (*Store)(nil)

// maxRecorded bounds the groups of one answer.
const maxRecorded = 200_000

// Recorded sums the events of a provider by day, model, credential and tier, in
// the database. Events whose documents say more are read one by one.
func (s *Store) Recorded(ctx context.Context, q reconcile.Query) ([]reconcile.Recorded, error) {
	if err := sqldb.Storable(q.Org, q.Provider); err != nil {
		return nil, err
	}
	r := &recording{query: q, groups: make(map[recordedGroup]*reconcile.Recorded)}
	err := s.snapshot(ctx, "sum what was recorded", func(on querier) error {
		clear(r.groups)
		r.order = r.order[:0]
		if err := r.sum(ctx, on); err != nil {
			return err
		}
		return r.detail(ctx, on)
	})
	if err != nil {
		return nil, fmt.Errorf("recorded of %s: %w", q.Provider, err)
	}
	out := make([]reconcile.Recorded, 0, len(r.order))
	for _, g := range r.order {
		out = append(out, *r.groups[g])
	}
	return out, nil
}

// recordedGroup is what sums are kept by.
type recordedGroup struct {
	day                             reconcile.Day
	asked, served, credential, tier string
}

// recording is sums in the making.
type recording struct {
	query  reconcile.Query
	groups map[recordedGroup]*reconcile.Recorded
	order  []recordedGroup
}

// of is the sum of a group, made on demand.
func (r *recording) of(g recordedGroup) (*reconcile.Recorded, error) {
	have := r.groups[g]
	if have == nil {
		if len(r.groups) >= maxRecorded {
			return nil, fmt.Errorf("more than %d groups of a day, model and credential; compare fewer days: %w", maxRecorded, metering.ErrInvalid)
		}
		have = &reconcile.Recorded{Day: g.day, Asked: g.asked, Served: g.served, Credential: g.credential, Tier: g.tier}
		r.groups[g] = have
		r.order = append(r.order, g)
	}
	return have, nil
}

// condition is that on the events: of the provider, in the days and the edges of
// those around, and with usage that it reports.
func (r *recording) condition() condition {
	q := r.query
	c := eventsDuring(q.Org, "", span{max(1, q.From.Start()-q.Boundary), q.To.Start() + q.Boundary})
	// Attempts at other upstreams are in the events of any provider.
	c.And("metered AND (usage_state IS NULL OR usage_state <> 'none' OR details IS NOT NULL)")
	return c
}

// Conditions of the SQL below.
const (
	sqlUncertain = "usage_state IN ('partial', 'estimated', 'unknown')"
	sqlBroken    = "outcome IN ('truncated', 'client_gone', 'upstream_error', 'timeout', 'crashed')"
	sqlCall      = "(usage_state IS NULL OR usage_state NOT IN ('correction', 'adjustment', 'none'))"
	sqlTokens    = "COALESCE(input, 0) + COALESCE(cache_read, 0) + COALESCE(cache_write, 0) + COALESCE(output, 0) + COALESCE(reasoning, 0) + " +
		"COALESCE(audio_input, 0) + COALESCE(audio_output, 0) + COALESCE(image_input, 0) + COALESCE(image_output, 0)"
)

// shares are the parts of a group that are summed apart, in the order of parts.
func (r *recording) shares() []string {
	day, near := strconv.FormatInt(int64(reconcile.DayMicros), 10), strconv.FormatInt(int64(r.query.Boundary), 10)
	return []string{sqlUncertain, sqlBroken, "test", "at % " + day + " < " + near, "at % " + day + " >= " + day + " - " + near}
}

// parts are where the shares of a group are.
func parts(r *reconcile.Recorded) []*reconcile.Share {
	return []*reconcile.Share{&r.Estimated, &r.Broken, &r.Test, &r.First, &r.Last}
}

// sum adds the events whose columns say it all.
func (r *recording) sum(ctx context.Context, on querier) error {
	day := strconv.FormatInt(int64(reconcile.DayMicros), 10)
	columns := []string{"at / " + day, "model", "COALESCE(served, '')", "COALESCE(credential, '')", "COALESCE(tier, '" + reconcile.TierStandard + "')"}
	when := func(condition, value string) string {
		return summed("CASE WHEN " + condition + " THEN " + value + " ELSE 0 END")
	}
	columns = append(columns, when(sqlCall, "1"), summed(sqlUnpriced))
	for _, class := range strings.Split(sumNames, ", ")[1:12] {
		columns = append(columns, summed(class))
	}
	for _, share := range r.shares() {
		columns = append(columns, when(share+" AND "+sqlCall, "1"), when(share, sqlTokens), when(share, "micros"), when(share, "picos"))
	}
	c := r.condition()
	c.And("details IS NULL AND provider = ?", sqldb.Label(r.query.Provider))
	return on.Each(ctx, r.scan, "SELECT "+strings.Join(columns, ", ")+" FROM events"+c.Where()+" GROUP BY 1, 2, 3, 4, 5", c.Args...)
}

// scan adds a row of the sums.
func (r *recording) scan(rows *sql.Rows) error {
	var g recordedGroup
	var calls, unpriced int64
	var v [11]int64
	var shares [5][4]int64
	into := []any{&g.day, &g.asked, &g.served, &g.credential, &g.tier, &calls, &unpriced}
	for i := range v {
		into = append(into, &v[i])
	}
	for i := range shares {
		for k := range shares[i] {
			into = append(into, &shares[i][k])
		}
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	have, err := r.of(g)
	if err != nil {
		return err
	}
	t := ofClasses(metering.Classes{
		Input: v[0], CacheRead: v[1], CacheWrite: v[2], Output: v[3], Reasoning: v[4], AudioInput: v[5], AudioOutput: v[6], ImageInput: v[7], ImageOutput: v[8],
	})
	counts := reconcile.CountsOf(&t, nil)
	counts[reconcile.Requests] = calls
	have.Counts.Add(&counts)
	have.Unpriced += unpriced
	have.Cost = have.Cost.Add(metering.Cost{Micros: v[9], Picos: v[10]})
	for i, part := range parts(have) {
		n := shares[i]
		part.Calls, part.Tokens, part.Cost = part.Calls+n[0], part.Tokens+n[1], part.Cost.Add(metering.Cost{Micros: n[2], Picos: n[3]})
	}
	return nil
}

// detail adds the events whose documents say more.
func (r *recording) detail(ctx context.Context, on querier) error {
	c := r.condition()
	c.And("details IS NOT NULL")
	return on.Each(ctx, func(rows *sql.Rows) error {
		e, err := on.s.scanEvent(rows)
		if err != nil {
			return err
		}
		if e.Provider == r.query.Provider {
			if err := r.event(e); err != nil {
				return err
			}
		}
		for i := range e.Attempts {
			if a := &e.Attempts[i]; a.Usage != nil && a.Provider == r.query.Provider {
				if err := r.attempt(e, a); err != nil {
					return err
				}
			}
		}
		return nil
	}, eventSelect+c.Where(), c.Args...)
}

// event adds an event: its tokens under the models that they were billed as, all
// else under the one that answered.
func (r *recording) event(e *metering.Event) error {
	asked, served := modelOf(e)
	group := func(served string) recordedGroup {
		g := recordedGroup{day: reconcile.DayOf(e.At), asked: asked, served: served, credential: e.Credential, tier: reconcile.TierStandard}
		if tier, special := tierOf(e).(string); special {
			g.tier = tier
		}
		return g
	}
	tokens := e.Usage.Tokens
	for _, m := range e.Usage.ByModel {
		have, err := r.of(group(m.Model))
		if err != nil {
			return err
		}
		counts := reconcile.CountsOf(&m.Tokens, nil)
		have.Counts.Add(&counts)
		tokens = metering.Tokens{}
	}
	have, err := r.of(group(served))
	if err != nil {
		return err
	}
	counts := reconcile.CountsOf(&tokens, e.Usage.Quantities)
	share := reconcile.Share{Tokens: e.Usage.Tokens.Input() + e.Usage.Tokens.Output()}
	if !e.Usage.State.Corrects() && e.Usage.State != metering.UsageNone {
		counts[reconcile.Requests], share.Calls = 1, 1
	}
	if priced(e) {
		share.Cost = e.Cost
	}
	if e.Usage.State != metering.UsageNone {
		have.Unpriced += unpricedBy(e)
	}
	have.Counts.Add(&counts)
	have.Cost = have.Cost.Add(share.Cost)
	into := e.At - reconcile.DayOf(e.At).Start()
	for i, in := range []bool{e.Estimated(), brokenOff(e.Outcome), e.Test, into < r.query.Boundary, into >= reconcile.DayMicros-r.query.Boundary} {
		if part := parts(have)[i]; in {
			part.Calls, part.Tokens, part.Cost = part.Calls+share.Calls, part.Tokens+share.Tokens, part.Cost.Add(share.Cost)
		}
	}
	return nil
}

// brokenOff reports whether a call did not end as it should.
func brokenOff(o metering.Outcome) bool {
	switch o {
	case metering.OutcomeTruncated, metering.OutcomeClientGone, metering.OutcomeUpstreamError, metering.OutcomeTimeout, metering.OutcomeCrashed:
		return true
	default:
		return false
	}
}

// attempt adds what a request has used whose answer was not passed on: the
// provider bills it, and no event has it. Nobody has priced it.
func (r *recording) attempt(e *metering.Event, a *metering.Attempt) error {
	at := a.Started
	if at == 0 {
		at = e.At
	}
	have, err := r.of(recordedGroup{
		day: reconcile.DayOf(at), asked: a.Model, served: a.Usage.Model, credential: a.Credential, tier: reconcile.TierOf(a.Usage.ServiceTier),
	})
	if err != nil {
		return err
	}
	counts := reconcile.CountsOf(&a.Usage.Tokens, a.Usage.Quantities)
	counts[reconcile.Requests] = 1
	have.Counts.Add(&counts)
	have.Unpriced++
	have.Broken.Calls++
	return nil
}
