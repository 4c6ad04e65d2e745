package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Corrections returns the corrections of an event in their order, and the
// content of the latest; none of either if there is none.
func (s *Store) Corrections(ctx context.Context, org string, of metering.ID) (list []*metering.Event, content []byte, err error) {
	if !sqldb.Clean(org) {
		return nil, nil, fmt.Errorf("corrections: organisation %.40q: %w", org, metering.ErrInvalid)
	}
	err = s.snapshot(ctx, "read corrections", func(on querier) error {
		var err error
		list, content, err = s.corrections(ctx, on, org, of)
		return err
	})
	return list, content, err
}

func (s *Store) corrections(ctx context.Context, on querier, org string, of metering.ID) (list []*metering.Event, content []byte, err error) {
	var ids []metering.ID
	err = on.Each(ctx, func(r *sql.Rows) error {
		var id uidScan
		err := r.Scan(&id, &content)
		ids = append(ids, id.id)
		return err
	}, `SELECT id, content FROM corrections WHERE org_id = $1 AND event = $2 ORDER BY n`, org, s.uid(of))
	if err != nil {
		return nil, nil, err
	}
	for _, id := range ids {
		e, err := s.scanEvent(on.Row(ctx, eventSelect+" WHERE org_id = $1 AND id = $2", org, s.uid(id)))
		if err != nil {
			return nil, nil, fmt.Errorf("correction %s: %w", id, err)
		}
		list = append(list, e)
	}
	return list, content, nil
}

// Correct records a correction, made by [metering.Correction] when there were
// before others of the same event, and adds it to everything that adds up, once.
// metering.ErrConflict says that somebody else has corrected the event meanwhile.
func (s *Store) Correct(ctx context.Context, c *metering.Event, before int, content []byte) error {
	return s.CorrectUsing(ctx, c, before, content, nil)
}

// CorrectUsing is Correct of a cost that depends on what was used of pools before:
// in the same step the pools have been used by as much more. metering.ErrConflict
// also says that a pool stands otherwise than was supposed.
func (s *Store) CorrectUsing(ctx context.Context, c *metering.Event, before int, content []byte, uses []metering.PoolUse) error {
	err := s.write(ctx, "correct an event", func(tx querier) error {
		n, err := tx.Exec(ctx, `INSERT INTO corrections (org_id, event, n, id, content) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
			c.Org, s.uid(c.Corrects), int64(before+1), s.uid(c.ID), content)
		if err != nil {
			return err
		}
		if n == 0 {
			var id uidScan
			err := tx.Row(ctx, `SELECT id FROM corrections WHERE org_id = $1 AND event = $2 AND n = $3`, c.Org, s.uid(c.Corrects), int64(before+1)).Scan(&id)
			if err == nil && id.id == c.ID {
				return nil // the commit of an earlier attempt lost its reply
			}
			return errors.Join(err, fmt.Errorf("event %s: %w", c.Corrects, metering.ErrConflict))
		}
		if err := s.insert(ctx, tx, []*metering.Event{c}, 0); err != nil {
			return err
		}
		// What an older event says of neither is not known of a difference to it.
		if _, err := tx.Exec(ctx, `UPDATE events SET upstream = NULL, run = NULL WHERE org_id = $1 AND id = $2
			AND EXISTS (SELECT 1 FROM events AS e WHERE e.org_id = $1 AND e.id = $3 AND e.run IS NULL)`, c.Org, s.uid(c.ID), s.uid(c.Corrects)); err != nil {
			return err
		}
		if err := s.recompareStated(ctx, tx, c.Org, c.Corrects); err != nil {
			return fmt.Errorf("compare its stated cost again: %w", err)
		}
		for _, u := range uses {
			if err := usePool(ctx, tx, c.Org, u); err != nil {
				return err
			}
		}
		return s.settle(ctx, tx, c)
	})
	if err != nil {
		return fmt.Errorf("correct event %s: %w", c.Corrects, err)
	}
	return nil
}
