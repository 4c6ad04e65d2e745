package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Ship applies a shipment once: it moves the position of the journal, or finds
// that it has moved already, and writes events and everything that sums them in
// the same transaction. An event that the database will never take is cut out
// into quarantine. An error that wraps metering.ErrFenced is final; after any
// other the same shipment can be shipped again.
func (s *Store) Ship(ctx context.Context, x metering.Shipment) error {
	if x.To < x.From {
		return fmt.Errorf("ship facts: from %d to %d: %w", x.From, x.To, metering.ErrInvalid)
	}
	err := s.ship(ctx, x, s.insert)
	if err != nil && sqldb.Refused(err) {
		// Only now are savepoints worth their cost.
		err = s.ship(ctx, x, s.put)
	}
	return err
}

func (s *Store) ship(ctx context.Context, x metering.Shipment, insert func(context.Context, querier, []*metering.Event, int64) error) error {
	return s.write(ctx, "ship facts", func(tx querier) error {
		num, done, err := advance(ctx, tx, x)
		if err != nil || done {
			return err
		}
		if err := insert(ctx, tx, x.Events, num); err != nil {
			return err
		}
		return position(ctx, tx, x.Lease.Journal, x.Events)
	})
}

// advance moves the position of a journal and returns its number. done reports
// that it had moved already: the commit of an earlier attempt happened.
func advance(ctx context.Context, tx querier, x metering.Shipment) (num int64, done bool, err error) {
	err = tx.Row(ctx, `UPDATE journals SET shipped_seq = $4 WHERE id = $1 AND epoch = $2 AND shipped_seq = $3 RETURNING num`,
		x.Lease.Journal, x.Lease.Epoch, int64(x.From), int64(x.To)).Scan(&num)
	if !errors.Is(err, sql.ErrNoRows) {
		return num, false, err
	}
	var epoch, shipped int64
	err = tx.Row(ctx, `SELECT epoch, shipped_seq FROM journals WHERE id = $1`, x.Lease.Journal).Scan(&epoch, &shipped)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, false, fmt.Errorf("journal %s is not in the registry: %w", x.Lease.Journal, metering.ErrFenced)
	case err != nil:
		return 0, false, err
	case epoch != x.Lease.Epoch:
		return 0, false, fmt.Errorf("epoch %d of journal %s is over, it is at %d: %w", x.Lease.Epoch, x.Lease.Journal, epoch, metering.ErrFenced)
	case uint64(shipped) == x.To:
		return 0, true, nil
	default:
		return 0, false, fmt.Errorf("journal %s was shipped to %d, not to %d: %w", x.Lease.Journal, shipped, x.From, metering.ErrFenced)
	}
}

// put writes events that are not there yet, in halves where the database refuses
// them together, until what it refuses is one event.
func (s *Store) put(ctx context.Context, tx querier, events []*metering.Event, journal int64) error {
	if len(events) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, "SAVEPOINT part"); err != nil {
		return err
	}
	err := s.insert(ctx, tx, events, journal)
	if err == nil {
		_, err = tx.Exec(ctx, "RELEASE SAVEPOINT part")
		return err
	}
	if !sqldb.Refused(err) {
		return err
	}
	for _, statement := range []string{"ROLLBACK TO SAVEPOINT part", "RELEASE SAVEPOINT part"} {
		if _, end := tx.Exec(ctx, statement); end != nil {
			return errors.Join(err, end)
		}
	}
	if len(events) == 1 {
		return quarantine(ctx, tx, events[0], err)
	}
	half := len(events) / 2
	if err := s.put(ctx, tx, events[:half], journal); err != nil {
		return err
	}
	return s.put(ctx, tx, events[half:], journal)
}

// insert writes events that are not there yet and adds those to everything that
// adds up.
func (s *Store) insert(ctx context.Context, tx querier, events []*metering.Event, journal int64) error {
	b := bulk{table: "events", columns: eventColumns(), conflict: "DO NOTHING", rows: make([][]any, 0, len(events))}
	ids := make([]metering.ID, 0, len(events))
	var others metering.Courtesy
	for _, e := range events {
		others.Step()
		row, err := s.eventRow(e, journal)
		if err != nil {
			return fmt.Errorf("event %s: %w", e.ID, err)
		}
		b.rows = append(b.rows, row)
		ids = append(ids, e.ID)
	}
	fresh, err := b.fresh(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("insert events: %w", err)
	}
	inserted := make([]*metering.Event, 0, len(events))
	for i, e := range events {
		if fresh[i] {
			inserted = append(inserted, e)
		}
	}
	if err := rollUp(ctx, tx, inserted); err != nil {
		return fmt.Errorf("roll up: %w", err)
	}
	if err := s.meterInserted(ctx, tx, inserted); err != nil {
		return fmt.Errorf("meter: %w", err)
	}
	if err := compareStated(ctx, tx, inserted); err != nil {
		return fmt.Errorf("compare stated costs: %w", err)
	}
	if err := s.unsettle(ctx, tx, inserted); err != nil {
		return fmt.Errorf("note costs that are not settled: %w", err)
	}
	return nil
}

// position remembers the last fact of each customer, quarantined ones too: the
// counters have settled them.
func position(ctx context.Context, tx querier, journal string, events []*metering.Event) error {
	type owner struct{ org, customer string }
	last := make(map[owner]uint64)
	for _, e := range events {
		if sqldb.Clean(e.Org) && sqldb.Clean(e.Customer) {
			o := owner{sqldb.Cut(e.Org, maxOrg), sqldb.Cut(e.Customer, sqldb.MaxLabel)}
			last[o] = max(last[o], e.FactSeq)
		}
	}
	owners := make([]owner, 0, len(last))
	for o := range last {
		owners = append(owners, o)
	}
	slices.SortFunc(owners, func(a, b owner) int { return cmp.Or(cmp.Compare(a.org, b.org), cmp.Compare(a.customer, b.customer)) })
	b := bulk{
		table: "positions", columns: []column{{"org_id", "text"}, {"customer", "bytea"}, {"journal", "text"}, {"seq", "bigint"}},
		conflict: "(org_id, customer, journal) DO UPDATE SET seq = excluded.seq",
	}
	for _, o := range owners {
		b.add(o.org, pack(o.customer), journal, int64(last[o]))
	}
	if err := b.run(ctx, tx); err != nil {
		return fmt.Errorf("positions of customers: %w", err)
	}
	return nil
}
