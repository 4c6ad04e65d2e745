package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
	"github.com/weirhq/weir/metering/sqldb"
)

// maxReport bounds a report that is kept, in bytes.
const maxReport = 4 << 20

// KeepReport keeps a comparison that was made at an instant, as the latest of its
// provider. Keeping it twice, as after a lost reply, adds one that says the same.
func (s *Store) KeepReport(ctx context.Context, org string, r *reconcile.Report, at metering.Micros) error {
	return s.keepReport(ctx, org, r, at, nil)
}

// keepReport keeps a comparison, once where it is a look of a night.
func (s *Store) keepReport(ctx context.Context, org string, r *reconcile.Report, at metering.Micros, night *nightly.Night) error {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if len(text) > maxReport {
		return fmt.Errorf("a report of %d bytes, not at most %d: %w", len(text), maxReport, metering.ErrInvalid)
	}
	if err := sqldb.Storable(org, r.Provider); err != nil {
		return err
	}
	return s.write(ctx, "keep a reconciliation", func(tx querier) error {
		for range keepTries {
			n, err := insertReport(ctx, tx, org, r, text, at, night)
			if err != nil {
				return err
			}
			if n == 1 && night != nil {
				return succeed(ctx, tx, org, night, r, at)
			}
			if n == 1 {
				return nil
			}
			if kept, err := nightKept(ctx, tx, org, r.Provider, night); err != nil || kept {
				return err
			}
		}
		return fmt.Errorf("%d times another comparison of %s came first: %w", keepTries, r.Provider, metering.ErrConflict)
	})
}

// keepTries is how often the next number is looked for, where others take it first.
const keepTries = 20

// insertReport reports how many rows it has added: none where the number that
// comes next, or the look of the night, is taken.
func insertReport(ctx context.Context, tx querier, org string, r *reconcile.Report, text []byte, at metering.Micros, night *nightly.Night) (int64, error) {
	var day, look any
	if night != nil {
		day, look = int64(night.Day.Start()), int64(night.Look)
	}
	return tx.Exec(ctx, `INSERT INTO reconciliations (org_id, provider, n, at, first, past, verdict, document, day, look)
		SELECT $1, $2, COALESCE(MAX(n), 0) + 1, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), $6, $7, CAST($8 AS BIGINT), CAST($9 AS SMALLINT)
		FROM reconciliations WHERE org_id = $10 AND provider = $11 ON CONFLICT DO NOTHING`,
		org, r.Provider, int64(at), int64(r.From.Start()), int64(r.To.Start()), string(verdictOfAll(r)), text, day, look, org, r.Provider)
}

// verdictOfAll is what a report says of every day from its first to its last: where
// some between them were not compared, nothing good.
func verdictOfAll(r *reconcile.Report) reconcile.Verdict {
	if r.Apart && r.Verdict != reconcile.VerdictDiffers {
		return reconcile.VerdictUnknown
	}
	return r.Verdict
}

// nightKept reports whether the look is there already.
func nightKept(ctx context.Context, tx querier, org, provider string, night *nightly.Night) (bool, error) {
	if night == nil {
		return false, nil
	}
	var n int64
	err := tx.Row(ctx, `SELECT COUNT(*) FROM reconciliations WHERE org_id = $1 AND provider = $2 AND day = $3 AND look = $4`, org, provider, int64(night.Day.Start()), int64(night.Look)).Scan(&n)
	return n > 0, err
}

// LatestReports returns the latest comparison of each provider, without rows, and
// when it was made.
func (s *Store) LatestReports(ctx context.Context, org string) (reports []reconcile.Report, at []metering.Micros, err error) {
	for _, provider := range reconcile.Providers() {
		var text []byte
		var made metering.Micros
		err := s.read().Row(ctx, `SELECT at, document FROM reconciliations WHERE org_id = $1 AND provider = $2 ORDER BY n DESC LIMIT 1`, org, provider).Scan(&made, &text)
		if errors.Is(err, sql.ErrNoRows) {
			continue
		}
		if err != nil {
			return nil, nil, fmt.Errorf("latest reconciliation of %s: %w", provider, err)
		}
		var r reconcile.Report
		if err := json.Unmarshal(text, &r); err != nil {
			return nil, nil, fmt.Errorf("decode the latest reconciliation of %s: %w", provider, err)
		}
		r.Totals.Rows = nil
		reports, at = append(reports, r), append(at, made)
	}
	return reports, at, nil
}
