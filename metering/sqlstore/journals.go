package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// ClaimJournal registers a journal for the process that opened it. A claim that
// was granted already is granted again as it was. metering.ErrFenced says that a
// copy of the directory has claimed the journal since this one was last used.
func (s *Store) ClaimJournal(ctx context.Context, c metering.JournalClaim) (metering.JournalLease, error) {
	lease := metering.JournalLease{Journal: c.Journal}
	if c.Nonce == "" || c.Journal == "" || len(c.Journal) > maxOrg {
		return lease, fmt.Errorf("claim journal %.40q: %w", c.Journal, metering.ErrInvalid)
	}
	if err := sqldb.Storable(c.Journal, c.Nonce); err != nil {
		return lease, fmt.Errorf("claim journal: %w", err)
	}
	err := s.write(ctx, "claim journal", func(tx querier) error {
		now := int64(metering.MicrosOf(time.Now()))
		if err := register(ctx, tx, c.Journal, now); err != nil {
			return err
		}
		// The update locks the row before it is read, against the other copy and
		// against a shipment of the process before.
		if _, err := tx.Exec(ctx, `UPDATE journals SET beaten_at = beaten_at WHERE id = $1`, c.Journal); err != nil {
			return err
		}
		var nonce string
		var epoch, shipped int64
		if err := tx.Row(ctx, `SELECT epoch, nonce, shipped_seq FROM journals WHERE id = $1`, c.Journal).Scan(&epoch, &nonce, &shipped); err != nil {
			return err
		}
		lease.Shipped = uint64(shipped)
		if nonce == c.Nonce {
			lease.Epoch = epoch
			return nil
		}
		if nonce != "" && !slices.Contains(c.Known, nonce) {
			return fmt.Errorf("another copy of the directory claimed it since: %w", metering.ErrFenced)
		}
		lease.Epoch = epoch + 1
		_, err := tx.Exec(ctx, `UPDATE journals SET epoch = $2, nonce = $3, host = $4, state = $5, beaten_at = $6 WHERE id = $1`,
			c.Journal, lease.Epoch, c.Nonce, sqldb.Label(c.Host), string(metering.JournalLive), now)
		return err
	})
	if err != nil {
		return metering.JournalLease{Journal: c.Journal}, err
	}
	return lease, nil
}

// register makes the row of a journal unless there is one.
func register(ctx context.Context, tx querier, journal string, now int64) error {
	if tx.Engine() == schema.Postgres {
		// Two new journals must not get one number.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(registerLock)); err != nil {
			return err
		}
	}
	_, err := tx.Exec(ctx, `INSERT INTO journals (id, num, epoch, nonce, host, state, shipped_seq, watermark, clean_at, beaten_at, lag, sync_asked, sync_done, open_calls)
		SELECT $1, COALESCE(MAX(num), 0) + 1, 0, '', '', 'live', 0, 0, 0, $2, 0, 0, 0, '[]' FROM journals WHERE true
		ON CONFLICT (id) DO NOTHING`, journal, now)
	return err
}

// registerLock is the advisory lock of the numbers of journals.
const registerLock = 0x77656972_6a6e6c // "weirjnl"

// Beat records how far a journal is and returns the highest sync request. A
// journal that was declared lost stays so until it is claimed again: periods may
// have closed without it.
func (s *Store) Beat(ctx context.Context, b metering.Beat) (int64, error) {
	if b.Open == nil {
		b.Open = []metering.OpenCall{}
	}
	open, err := json.Marshal(b.Open)
	if err != nil {
		return 0, fmt.Errorf("beat: %w", err)
	}
	s.lookAhead(ctx, time.Now())
	var asked int64
	err = s.write(ctx, "beat", func(tx querier) error {
		err := tx.Row(ctx, `UPDATE journals SET
				watermark = CASE WHEN watermark > $3 THEN watermark ELSE $3 END,
				clean_at = CASE WHEN clean_at > $4 THEN clean_at ELSE $4 END,
				beaten_at = $5, lag = $6, open_calls = $7, state = CASE WHEN state = 'lost' THEN state ELSE 'live' END,
				sync_done = CASE WHEN $8 > sync_asked THEN sync_asked WHEN $8 > sync_done THEN $8 ELSE sync_done END
			WHERE id = $1 AND epoch = $2 RETURNING sync_asked`,
			b.Lease.Journal, b.Lease.Epoch, int64(b.Watermark), int64(b.Clean), int64(metering.MicrosOf(time.Now())), b.Lag, string(open), b.SyncDone).Scan(&asked)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("epoch %d of journal %s is over: %w", b.Lease.Epoch, b.Lease.Journal, metering.ErrFenced)
		}
		return err
	})
	return asked, err
}

// ReleaseJournal marks a journal as stopped with everything shipped, which
// answers every sync request.
func (s *Store) ReleaseJournal(ctx context.Context, l metering.JournalLease) error {
	return s.write(ctx, "release journal", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE journals SET state = 'clean', lag = 0, open_calls = '[]', sync_done = sync_asked WHERE id = $1 AND epoch = $2`, l.Journal, l.Epoch)
		if err == nil && n == 0 {
			err = fmt.Errorf("epoch %d of journal %s is over: %w", l.Epoch, l.Journal, metering.ErrFenced)
		}
		return err
	})
}

// Journals lists the registry.
func (s *Store) Journals(ctx context.Context) ([]metering.JournalInfo, error) {
	var out []metering.JournalInfo
	err := s.read().Each(ctx, func(r *sql.Rows) error {
		var j metering.JournalInfo
		var state, open string
		var shipped int64
		if err := r.Scan(&j.Journal, &j.Epoch, &state, &j.Host, &shipped, &j.Watermark, &j.Clean, &j.Beaten, &j.Lag, &j.SyncAsked, &j.SyncDone, &open); err != nil {
			return err
		}
		j.State, j.Shipped = metering.JournalState(state), uint64(shipped)
		if err := json.Unmarshal([]byte(open), &j.Open); err != nil {
			return fmt.Errorf("open calls of %s: %w", j.Journal, err)
		}
		out = append(out, j)
		return nil
	}, `SELECT id, epoch, state, host, shipped_seq, watermark, clean_at, beaten_at, lag, sync_asked, sync_done, open_calls FROM journals ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("read journals: %w", err)
	}
	return out, nil
}

// AskSync asks every live journal to ship what it has.
func (s *Store) AskSync(ctx context.Context) (map[string]int64, error) {
	waiting := make(map[string]int64)
	err := s.write(ctx, "ask journals to ship", func(tx querier) error {
		clear(waiting)
		return tx.Each(ctx, func(r *sql.Rows) error {
			var id string
			var asked int64
			if err := r.Scan(&id, &asked); err != nil {
				return err
			}
			waiting[id] = asked
			return nil
		}, `UPDATE journals SET sync_asked = sync_asked + 1 WHERE state = 'live' RETURNING id, sync_asked`)
	})
	return waiting, err
}

// DeclareLost says that nobody will ship a journal any more. What it ships later
// all the same is late.
func (s *Store) DeclareLost(ctx context.Context, journal string) error {
	return s.write(ctx, "declare a journal lost", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE journals SET state = 'lost' WHERE id = $1`, journal)
		if err == nil && n == 0 {
			err = fmt.Errorf("journal %s: %w", journal, metering.ErrNotFound)
		}
		return err
	})
}
