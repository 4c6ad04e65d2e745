package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// usePool adds to what was used of a pool, if it stands as was supposed.
func usePool(ctx context.Context, tx querier, org string, u metering.PoolUse) error {
	next := u.Before.Add(u.Units)
	n, err := tx.Exec(ctx, "UPDATE price_pools SET units = $4, picos = $5 WHERE org_id = $1 AND pool = $2 AND since = $3 AND units = $6 AND picos = $7",
		org, u.Pool, int64(u.Since), next.Units, next.Picos, u.Before.Units, u.Before.Picos)
	if err == nil && n == 0 && u.Before.IsZero() {
		n, err = tx.Exec(ctx, "INSERT INTO price_pools (org_id, pool, since, units, picos) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			org, u.Pool, int64(u.Since), next.Units, next.Picos)
	}
	switch {
	case err != nil:
		return fmt.Errorf("use pool %s: %w", u.Pool, err)
	case n == 0:
		return fmt.Errorf("pool %s does not stand at %s: %w", u.Pool, u.Before, metering.ErrConflict)
	}
	return nil
}

// PoolUsed is how much of a pool the settled events of a window have used.
func (s *Store) PoolUsed(ctx context.Context, org, pool string, since metering.Micros) (metering.Number, error) {
	if !sqldb.Clean(org) || !sqldb.Clean(pool) {
		return metering.Number{}, fmt.Errorf("pool %.40q: %w", pool, metering.ErrInvalid)
	}
	var n metering.Number
	err := s.read().Row(ctx, "SELECT units, picos FROM price_pools WHERE org_id = $1 AND pool = $2 AND since = $3", org, pool, int64(since)).Scan(&n.Units, &n.Picos)
	if errors.Is(err, sql.ErrNoRows) {
		return metering.Number{}, nil
	}
	if err != nil {
		return metering.Number{}, fmt.Errorf("what was used of pool %s: %w", pool, err)
	}
	return n, nil
}
