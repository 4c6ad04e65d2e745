package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
	"github.com/weirhq/weir/metering/sqldb"
)

const heldSelect = `SELECT id, feed, provider, sku, meter, conditions, old_price, new_price, per, reason, state, first_seen, last_seen, decided_at, decided_by FROM price_held`

func scanHeld(r interface{ Scan(...any) error }) (pricesync.Held, error) {
	var h pricesync.Held
	var when string
	err := r.Scan(&h.ID, &h.Feed, &h.Provider, &h.SKU, &h.Meter, &when, &h.Old, &h.New, &h.Per, &h.Reason, &h.State, &h.FirstSeen, &h.LastSeen, &h.Decided, &h.By)
	if err != nil {
		return h, err
	}
	if err := json.Unmarshal([]byte(when), &h.When); err != nil {
		return h, fmt.Errorf("decode the conditions of held change %s: %w", h.ID, err)
	}
	return h, nil
}

// HeldPrices returns the held changes in the given states, all states if none is
// given, oldest first and by id.
func (s *Store) HeldPrices(ctx context.Context, org string, states ...pricesync.State) ([]pricesync.Held, error) {
	return s.held(ctx, org, pricesync.Held{}, 0, states)
}

// HeldPage returns one page of what HeldPrices returns: those behind one of the
// list, the zero Held for the first page.
func (s *Store) HeldPage(ctx context.Context, org string, after pricesync.Held, limit int, states ...pricesync.State) ([]pricesync.Held, error) {
	return s.held(ctx, org, after, pageSize(limit), states)
}

func (s *Store) held(ctx context.Context, org string, after pricesync.Held, limit int, states []pricesync.State) ([]pricesync.Held, error) {
	if err := sqldb.Storable(org, after.ID); err != nil {
		return nil, fmt.Errorf("list held prices: %w", err)
	}
	var c condition
	c.And("org_id = ?", org)
	if len(states) > 0 {
		args := make([]any, len(states))
		for i, state := range states {
			args[i] = string(state)
		}
		c.And("state IN (?"+strings.Repeat(", ?", len(args)-1)+")", args...)
	}
	if after.ID != "" {
		c.And("(first_seen, id) > (?, ?)", int64(after.FirstSeen), after.ID)
	}
	query := heldSelect + c.Where() + " ORDER BY first_seen, id"
	if limit > 0 {
		query += fmt.Sprintf(" LIMIT %d", limit)
	}
	return sqldb.All(ctx, s.db.Read(), "list held prices", func(r *sql.Rows) (pricesync.Held, error) { return scanHeld(r) }, query, c.Args...)
}

// HeldPrice returns one held change.
func (s *Store) HeldPrice(ctx context.Context, org, id string) (pricesync.Held, error) {
	return heldPrice(ctx, s.read(), org, id)
}

func heldPrice(ctx context.Context, q querier, org, id string) (pricesync.Held, error) {
	if err := sqldb.Storable(org, id); err != nil {
		return pricesync.Held{}, fmt.Errorf("held price: %w", err)
	}
	h, err := scanHeld(q.Row(ctx, heldSelect+" WHERE org_id = $1 AND id = $2", org, id))
	return h, sqldb.Absent(err, fmt.Sprintf("held price %.100q", id))
}

// DecidePrice approves or rejects a held change, and returns it as it is then. A
// decision may be changed until it is applied; the same one again changes
// nothing. ErrConflict says that there is nothing left to decide.
func (s *Store) DecidePrice(ctx context.Context, org, id string, state pricesync.State, by string, at metering.Micros) (pricesync.Held, error) {
	var h pricesync.Held
	if err := sqldb.Storable(org, id, by); err != nil {
		return h, fmt.Errorf("decide a held price: %w", err)
	}
	if state != pricesync.StateApproved && state != pricesync.StateRejected || len(by) > maxFeedText {
		return h, fmt.Errorf("decide a held price: %.40q by %.40q: %w", state, by, metering.ErrInvalid)
	}
	err := s.write(ctx, "decide a held price", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE price_held SET state = $3, decided_at = $4, decided_by = $5 WHERE org_id = $1 AND id = $2 AND state <> $3 AND state IN ('open', 'approved', 'rejected')`,
			org, id, string(state), int64(at), by)
		if err != nil {
			return err
		}
		if h, err = heldPrice(ctx, tx, org, id); err == nil && n == 0 && h.State != state {
			err = fmt.Errorf("held price %s is %s: %w", id, h.State, metering.ErrConflict)
		}
		return err
	})
	return h, err
}

// KeepSync keeps the result of one document, all of it or nothing. If it has a
// layer, that becomes the content of its level as if by KeepLayer. Then the held
// changes follow [pricesync.Settle], and the feed is replaced. The same result
// kept twice changes nothing more.
func (s *Store) KeepSync(ctx context.Context, org string, r pricesync.Result) error {
	var row *layerRow
	if r.Layer != nil {
		var err error
		if row, err = newLayerRow(org, r.Layer, r.At, r.Note); err != nil {
			return fmt.Errorf("keep what was read of %s: layer %s: %w", r.Feed.URL, r.Layer.Level, err)
		}
	}
	if err := storableFeed(org, &r.Feed); err != nil {
		return err
	}
	for i := range r.Held {
		if err := storableHeld(&r.Held[i], r.Feed.URL); err != nil {
			return fmt.Errorf("keep what was read of %s: %w", r.Feed.URL, err)
		}
	}
	return s.write(ctx, "keep what was read of prices", func(tx querier) error {
		// The row of the feed is written first: who reads the same document at the same
		// time waits there.
		if err := keepFeed(ctx, tx, org, &r.Feed); err != nil {
			return err
		}
		if row != nil {
			if _, err := row.follow(ctx, tx, r.Expected); err != nil {
				return err
			}
		}
		have, err := s.heldOf(ctx, tx, org, r.Feed.URL)
		if err != nil {
			return err
		}
		for _, h := range pricesync.Settle(have, &r) {
			if err := keepHeld(ctx, tx, org, &h); err != nil {
				return err
			}
		}
		return nil
	})
}

func storableHeld(h *pricesync.Held, feed string) error {
	if err := sqldb.Storable(h.ID, h.Feed, h.Provider, h.SKU, h.Meter, h.Reason, h.By); err != nil {
		return err
	}
	if h.Feed != feed || h.ID == "" || len(h.ID) > sqldb.MaxLabel || len(h.Reason) > maxFeedText {
		return fmt.Errorf("held change %.100q of %.100q has no id, or too much text, or is another feed's: %w", h.ID, h.Feed, metering.ErrInvalid)
	}
	return nil
}

// heldOf reads what is held of a feed and keeps others from deciding until the
// transaction ends. A transaction of SQLite does so by itself.
func (s *Store) heldOf(ctx context.Context, tx querier, org, feed string) ([]pricesync.Held, error) {
	query := heldSelect + " WHERE org_id = $1 AND feed = $2 ORDER BY id"
	if s.db.Engine == schema.Postgres {
		query += " FOR UPDATE"
	}
	return sqldb.All(ctx, tx.Tx, "read held prices", func(r *sql.Rows) (pricesync.Held, error) { return scanHeld(r) }, query, org, feed)
}

func keepHeld(ctx context.Context, tx querier, org string, h *pricesync.Held) error {
	when, err := json.Marshal(h.When)
	if err != nil {
		return fmt.Errorf("encode the conditions of held change %s: %w", h.ID, err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO price_held (org_id, id, feed, provider, sku, meter, conditions, old_price, new_price, per, reason, state, first_seen, last_seen, decided_at, decided_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
		ON CONFLICT (org_id, id) DO UPDATE SET provider = excluded.provider, sku = excluded.sku, meter = excluded.meter, conditions = excluded.conditions,
			old_price = excluded.old_price, new_price = excluded.new_price, per = excluded.per, reason = excluded.reason, state = excluded.state,
			first_seen = excluded.first_seen, last_seen = excluded.last_seen, decided_at = excluded.decided_at, decided_by = excluded.decided_by
		WHERE price_held.feed = excluded.feed`,
		org, h.ID, h.Feed, h.Provider, h.SKU, h.Meter, string(when), h.Old, h.New, h.Per, h.Reason, string(h.State), int64(h.FirstSeen), int64(h.LastSeen), int64(h.Decided), h.By)
	if err != nil {
		return fmt.Errorf("held change %s: %w", h.ID, err)
	}
	return nil
}

var _ pricesync.Store = (*Store)(nil)
