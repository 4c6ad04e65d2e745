package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/sqldb"
)

// maxReport bounds a report that is kept, in bytes.
const maxReport = 4 << 20

// KeepReport keeps a comparison that was made at an instant, as the latest of its
// provider. Keeping it twice, as after a lost reply, adds one that says the same.
func (s *Store) KeepReport(ctx context.Context, org string, r *reconcile.Report, at metering.Micros) error {
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
		_, err := tx.Exec(ctx, `INSERT INTO reconciliations (org_id, provider, n, at, first, past, verdict, document)
			SELECT $1, $2, COALESCE(MAX(n), 0) + 1, CAST($3 AS BIGINT), CAST($4 AS BIGINT), CAST($5 AS BIGINT), $6, $7 FROM reconciliations WHERE org_id = $8 AND provider = $9`,
			org, r.Provider, int64(at), int64(r.From.Start()), int64(r.To.Start()), string(r.Verdict), text, org, r.Provider)
		return err
	})
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
