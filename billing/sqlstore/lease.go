package sqlstore

import (
	"context"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Acquire takes or renews the lease of a name for a holder. ok is false while
// another one has it. The epoch moves with the holder, and what is written in
// the name of an older epoch is refused, so clocks that differ cost time and
// never correctness.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration, now time.Time) (lease billing.Lease, ok bool, err error) {
	lease = billing.Lease{Name: name}
	at, until := int64(metering.MicrosOf(now)), int64(metering.MicrosOf(now.Add(ttl)))
	err = s.db.Write(ctx, "acquire lease "+name, func(tx sqldb.Tx) error {
		if _, err := tx.Exec(ctx, `INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, '', 0, 0) ON CONFLICT DO NOTHING`, name); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `UPDATE leases SET epoch = CASE WHEN holder = $2 THEN epoch ELSE epoch + 1 END, holder = $2, expires_at = $4
			WHERE name = $1 AND (holder = $2 OR expires_at <= $3)`, name, holder, at, until)
		if err != nil {
			return err
		}
		ok = n == 1
		return tx.Row(ctx, `SELECT epoch FROM leases WHERE name = $1`, name).Scan(&lease.Epoch)
	})
	return lease, ok, err
}

// Release lets others have the lease at once.
func (s *Store) Release(ctx context.Context, l billing.Lease) error {
	return s.db.Write(ctx, "release lease "+l.Name, func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE leases SET expires_at = 0 WHERE name = $1 AND epoch = $2`, l.Name, l.Epoch)
		return err
	})
}

// fence refuses to write in the name of a lease that another one has since.
func fence(ctx context.Context, tx sqldb.Tx, l billing.Lease) error {
	n, err := tx.Exec(ctx, `UPDATE leases SET holder = holder WHERE name = $1 AND epoch = $2`, l.Name, l.Epoch)
	if err == nil && n == 0 {
		err = fmt.Errorf("the lease %s has another holder: %w", l.Name, metering.ErrFenced)
	}
	return err
}

// ClockOffset is how far the clock of a sandbox was moved.
func (s *Store) ClockOffset(ctx context.Context) (time.Duration, error) {
	var us int64
	err := s.db.Read().Row(ctx, `SELECT offset_us FROM clock WHERE one = 1`).Scan(&us)
	if err != nil {
		return 0, fmt.Errorf("read the clock: %w", err)
	}
	return time.Duration(us) * time.Microsecond, nil
}

// MoveClock keeps how far the clock of a sandbox was moved. It never goes back.
func (s *Store) MoveClock(ctx context.Context, offset time.Duration) error {
	return s.db.Write(ctx, "move the clock", func(tx sqldb.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE clock SET offset_us = $1 WHERE one = 1 AND offset_us <= $1`, offset.Microseconds())
		return err
	})
}
