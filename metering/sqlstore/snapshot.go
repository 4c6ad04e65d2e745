package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Snapshot reads what a customer used in windows of whole hours, and up to
// which fact of each journal, at one instant.
func (s *Store) Snapshot(ctx context.Context, slot metering.Slot, windows []metering.Window) (metering.Snapshot, error) {
	out := metering.Snapshot{Slot: slot, Positions: make(map[string]uint64)}
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.steady(), ReadOnly: true})
	if err != nil {
		return out, fmt.Errorf("read totals: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // it only read
	q := querier{s, tx}
	err = q.each(ctx, func(r *sql.Rows) error {
		var journal string
		var seq int64
		if err := r.Scan(&journal, &seq); err != nil {
			return err
		}
		out.Positions[journal] = uint64(seq)
		return nil
	}, `SELECT journal, seq FROM positions WHERE org = $1 AND customer = $2`, slot.Org, slot.Customer)
	if err != nil {
		return out, fmt.Errorf("read positions: %w", err)
	}
	for _, w := range windows {
		var requests, tokens int64
		err := q.row(ctx, `SELECT CAST(COALESCE(SUM(requests), 0) AS BIGINT), CAST(COALESCE(SUM(input_tokens + output_tokens), 0) AS BIGINT) FROM rollups
			WHERE org = $1 AND customer = $2 AND hour >= $3 AND hour < $4 AND test = 0`,
			slot.Org, slot.Customer, int64(w.Start), int64(w.End)).Scan(&requests, &tokens)
		if err != nil {
			return out, fmt.Errorf("read totals: %w", err)
		}
		amount := requests
		if w.Unit == metering.UnitTokens {
			amount = tokens
		}
		out.Totals = append(out.Totals, metering.Addition{Window: w, Amount: amount})
	}
	return out, nil
}

// steady is the isolation under which several reads see one instant.
func (s *Store) steady() sql.IsolationLevel {
	if s.writer == s.reader {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault // a SQLite transaction does
}
