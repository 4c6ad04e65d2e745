package sqldb

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Page reads one page ordered by id. query ends in a condition on the id, whose
// argument is the last one.
func Page[T any](ctx context.Context, q Tx, limit int, cursor, what string, scan func(*sql.Rows) (T, error), id func(T) string, query string, args ...any) ([]T, string, error) {
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	if cursor != "" {
		last, err := metering.ParseID(cursor)
		if err != nil {
			return nil, "", fmt.Errorf("%s: cursor: %w", what, metering.ErrInvalid)
		}
		cursor = last.String()
	}
	out, err := All(ctx, q, what, scan, query+fmt.Sprintf(" ORDER BY id LIMIT %d", limit+1), append(args, cursor)...)
	if err != nil || len(out) <= limit {
		return out, "", err
	}
	return out[:limit], id(out[limit-1]), nil
}

// All reads every row of a query.
func All[T any](ctx context.Context, q Tx, what string, scan func(*sql.Rows) (T, error), query string, args ...any) ([]T, error) {
	var out []T
	err := q.Each(ctx, func(r *sql.Rows) error {
		v, err := scan(r)
		out = append(out, v)
		return err
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}
