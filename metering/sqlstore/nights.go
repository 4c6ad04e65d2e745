package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
	"github.com/weirhq/weir/metering/sqldb"
)

var _ nightly.Store = (*Store)(nil)

// nightColumns are those of a [nightly.State].
const nightColumns = "provider, since, tried_at, succeeded_at, failures, failure, not_before, day, verdict, gap"

func scanNights(r *sql.Rows) (s nightly.State, err error) {
	var since, day metering.Micros
	err = r.Scan(&s.Provider, &since, &s.Tried, &s.Succeeded, &s.Failures, &s.Failure, &s.NotBefore, &day, &s.Verdict, &s.Gap)
	s.Since, s.Day = reconcile.DayOf(since), reconcile.DayOf(day)
	return s, err
}

// NightlyStates returns how the nightly comparisons of all providers went, by name.
func (s *Store) NightlyStates(ctx context.Context, org string) ([]nightly.State, error) {
	return sqldb.All(ctx, s.db.Read(), "list nightly comparisons", scanNights, `SELECT `+nightColumns+` FROM reconcile_nights WHERE org_id = $1 ORDER BY provider`, org)
}

// BeginNights implements [nightly.Store].
func (s *Store) BeginNights(ctx context.Context, org, provider string, since reconcile.Day) (nightly.State, error) {
	find := func() ([]nightly.State, error) {
		return sqldb.All(ctx, s.db.Read(), "look up nightly comparisons", scanNights, `SELECT `+nightColumns+` FROM reconcile_nights WHERE org_id = $1 AND provider = $2`, org, provider)
	}
	list, err := find()
	if err != nil || len(list) == 1 {
		return slices.Concat(list, []nightly.State{{}})[0], err
	}
	if err := sqldb.Storable(org, provider); err != nil {
		return nightly.State{}, err
	}
	err = s.write(ctx, "begin nightly comparisons", func(tx querier) error {
		_, err := tx.Exec(ctx, `INSERT INTO reconcile_nights (org_id, `+nightColumns+`) VALUES ($1, $2, $3, 0, 0, 0, '', 0, 0, '', '') ON CONFLICT (org_id, provider) DO NOTHING`,
			org, provider, int64(since.Start()))
		return err
	})
	if err != nil {
		return nightly.State{}, err
	}
	list, err = find()
	if err == nil && len(list) != 1 {
		err = fmt.Errorf("nightly comparisons of %s: %w", provider, metering.ErrNotFound)
	}
	return slices.Concat(list, []nightly.State{{}})[0], err
}

// Nights implements [nightly.Store].
func (s *Store) Nights(ctx context.Context, org, provider string, since reconcile.Day) ([]nightly.Night, error) {
	return sqldb.All(ctx, s.db.Read(), "list nights", func(r *sql.Rows) (n nightly.Night, err error) {
		var day metering.Micros
		err = r.Scan(&day, &n.Look)
		n.Day = reconcile.DayOf(day)
		return n, err
	}, `SELECT day, look FROM reconciliations WHERE org_id = $1 AND provider = $2 AND day >= $3 ORDER BY day, look`, org, provider, int64(since.Start()))
}

// KeepNight implements [nightly.Store].
func (s *Store) KeepNight(ctx context.Context, org string, n nightly.Night, r *reconcile.Report, at metering.Micros) error {
	return s.keepReport(ctx, org, r, at, &n)
}

// succeed notes that a look went well. One at an earlier day, made up for later,
// leaves the latest day as it is.
func succeed(ctx context.Context, tx querier, org string, n *nightly.Night, r *reconcile.Report, at metering.Micros) error {
	day := int64(n.Day.Start())
	_, err := tx.Exec(ctx, `INSERT INTO reconcile_nights (org_id, `+nightColumns+`) VALUES ($1, $2, $3, $4, $4, 0, '', 0, $3, $5, $6)
		ON CONFLICT (org_id, provider) DO UPDATE SET tried_at = excluded.tried_at, succeeded_at = excluded.succeeded_at, failures = 0, failure = '', not_before = 0,
			verdict = CASE WHEN reconcile_nights.day > excluded.day THEN reconcile_nights.verdict ELSE excluded.verdict END,
			gap = CASE WHEN reconcile_nights.day > excluded.day THEN reconcile_nights.gap ELSE excluded.gap END,
			day = CASE WHEN reconcile_nights.day > excluded.day THEN reconcile_nights.day ELSE excluded.day END`,
		org, r.Provider, day, int64(at), string(r.Verdict), r.Gap())
	return err
}

// maxNightFailure bounds why a look failed, in bytes.
const maxNightFailure = 2000

// FailNight implements [nightly.Store].
func (s *Store) FailNight(ctx context.Context, org, provider, failure string, notBefore, at metering.Micros) error {
	if err := sqldb.Storable(org, provider, failure); err != nil {
		return err
	}
	if len(failure) > maxNightFailure {
		return fmt.Errorf("why a night failed has %d bytes, not at most %d: %w", len(failure), maxNightFailure, metering.ErrInvalid)
	}
	return s.write(ctx, "note a failed night", func(tx querier) error {
		// Noted again, after a lost reply, it is the same failure.
		_, err := tx.Exec(ctx, `UPDATE reconcile_nights SET failures = CASE WHEN tried_at = $1 AND failures > 0 THEN failures ELSE failures + 1 END, tried_at = $1, failure = $2, not_before = $3
			WHERE org_id = $4 AND provider = $5`, int64(at), failure, int64(notBefore), org, provider)
		return err
	})
}

// maxStanding bounds the reports that are looked at for what stands; two a day.
const maxStanding = 5000

// StandingDifferences returns the providers with days that differ by their latest
// comparison, nightly or asked for.
func (s *Store) StandingDifferences(ctx context.Context, org string) ([]reconcile.Standing, error) {
	var out []reconcile.Standing
	for _, provider := range reconcile.Providers() {
		since := make(map[reconcile.Day]metering.Micros) // of those that differ
		type report struct {
			at, first, past metering.Micros
			verdict         reconcile.Verdict
		}
		list, err := sqldb.All(ctx, s.db.Read(), "list comparisons", func(r *sql.Rows) (x report, err error) {
			return x, r.Scan(&x.at, &x.first, &x.past, &x.verdict)
		}, `SELECT at, first, past, verdict FROM reconciliations WHERE org_id = $1 AND provider = $2 ORDER BY n DESC LIMIT $3`, org, provider, int64(maxStanding))
		if err != nil {
			return nil, err
		}
		for _, x := range slices.Backward(list) {
			for d := reconcile.DayOf(x.first); d < reconcile.DayOf(x.past); d++ {
				switch _, there := since[d]; {
				case x.verdict == reconcile.VerdictDiffers && !there:
					since[d] = x.at
				case x.verdict != reconcile.VerdictDiffers && x.verdict != reconcile.VerdictUnknown:
					delete(since, d)
				}
			}
		}
		if len(since) > 0 {
			out = append(out, standing(provider, since))
		}
	}
	return out, nil
}

func standing(provider string, since map[reconcile.Day]metering.Micros) reconcile.Standing {
	s := reconcile.Standing{Provider: provider}
	for d, at := range since {
		s.Days = append(s.Days, d)
		if s.Since == 0 || at < s.Since {
			s.Since = at
		}
	}
	slices.Sort(s.Days)
	return s
}
