package sqlstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// rowsPerInsert keeps a statement short enough to be prepared once and large
// enough that its cost is shared.
const rowsPerInsert = 40

// Ship applies a shipment once: it moves the position of the journal, or finds
// that it has moved already, and writes events and everything that sums them in
// the same transaction. An event that the database will never take is cut out
// into quarantine.
func (s *Store) Ship(ctx context.Context, x metering.Shipment) error {
	return s.write(ctx, "ship facts", func(tx querier) error {
		done, err := advance(ctx, tx, x)
		if err != nil || done {
			return err
		}
		inserted, err := s.insertEvents(ctx, tx, x.Events)
		if err != nil {
			return err
		}
		if err := s.sum(ctx, tx, inserted); err != nil {
			return err
		}
		return position(ctx, tx, x.Events)
	})
}

// sum adds rows that were really inserted to everything that adds up.
func (s *Store) sum(ctx context.Context, tx querier, inserted []*metering.Event) error {
	if err := rollUp(ctx, tx, inserted); err != nil {
		return fmt.Errorf("roll up: %w", err)
	}
	if err := s.meterInserted(ctx, tx, inserted); err != nil {
		return fmt.Errorf("meter: %w", err)
	}
	return nil
}

// insertEvents inserts what is not there yet and returns it.
func (s *Store) insertEvents(ctx context.Context, tx querier, events []*metering.Event) ([]*metering.Event, error) {
	inserted := make([]*metering.Event, 0, len(events))
	for len(events) > 0 {
		n := min(rowsPerInsert, len(events))
		got, err := s.insertSome(ctx, tx, events[:n])
		if err != nil {
			return nil, err
		}
		inserted = append(inserted, got...)
		events = events[n:]
	}
	return inserted, nil
}

// insertSome inserts a few events in one statement, and halves of them where
// the database refuses that.
func (s *Store) insertSome(ctx context.Context, tx querier, events []*metering.Event) ([]*metering.Event, error) {
	if _, err := tx.exec(ctx, "SAVEPOINT batch"); err != nil {
		return nil, err
	}
	got, err := insert(ctx, tx, events)
	if err == nil {
		_, err = tx.exec(ctx, "RELEASE SAVEPOINT batch")
		return got, err
	}
	if !refused(err) && !errors.Is(err, metering.ErrInvalid) {
		return nil, err
	}
	if _, rollback := tx.exec(ctx, "ROLLBACK TO SAVEPOINT batch"); rollback != nil {
		return nil, errors.Join(err, rollback)
	}
	if _, release := tx.exec(ctx, "RELEASE SAVEPOINT batch"); release != nil {
		return nil, errors.Join(err, release)
	}
	if len(events) == 1 {
		return nil, quarantine(ctx, tx, events[0], err)
	}
	first, err := s.insertSome(ctx, tx, events[:len(events)/2])
	if err != nil {
		return nil, err
	}
	second, err := s.insertSome(ctx, tx, events[len(events)/2:])
	return append(first, second...), err
}

const eventColumns = 11

// insertText inserts n events; refsText n references to them.
func insertText(n int) string {
	return "INSERT INTO events (org, id, customer, at, name, key, model, outcome, journal, seq, document) VALUES " +
		values(n, eventColumns) + " ON CONFLICT DO NOTHING"
}

func refsText(n int) string {
	return "INSERT INTO event_refs (org, ref, id) VALUES " + values(n, 3) + " ON CONFLICT DO NOTHING"
}

// hotTexts are the statements that every shipment runs.
func hotTexts() []string {
	return []string{insertText(rowsPerInsert), refsText(rowsPerInsert), rollUpText()}
}

// insert inserts events and returns those that were not there.
func insert(ctx context.Context, tx querier, events []*metering.Event) ([]*metering.Event, error) {
	args := make([]any, 0, len(events)*eventColumns)
	buffer := make([]byte, 0, 1024)
	for _, e := range events {
		document, err := e.AppendJSON(buffer[:0])
		buffer = document
		if err != nil {
			return nil, fmt.Errorf("encode event: %w: %w", metering.ErrInvalid, err)
		}
		if !clean(e.Org) || !clean(e.Customer) || !clean(e.Key) || !clean(e.Name) || !clean(e.Model) || bytes.Contains(document, []byte(`\u0000`)) {
			return nil, fmt.Errorf("the event has text that is not valid UTF-8, or NUL: %w", metering.ErrInvalid)
		}
		args = append(args, e.Org, e.ID[:], e.Customer, int64(e.At), e.Name, e.Key, modelOf(e), string(e.Outcome), e.Journal, int64(e.FactSeq), string(document))
	}
	n, err := tx.hot(ctx, insertText(len(events)), args...)
	if err != nil {
		return nil, err
	}
	inserted := events
	if n != int64(len(events)) {
		if inserted, err = ours(ctx, tx, events); err != nil {
			return nil, err
		}
	}
	return inserted, refer(ctx, tx, inserted)
}

// ours finds which of the events stand as they are, where some were there
// before: a copied journal, or a shipment of another epoch. The position in
// the journal tells them apart.
func ours(ctx context.Context, tx querier, events []*metering.Event) ([]*metering.Event, error) {
	out := make([]*metering.Event, 0, len(events))
	for _, e := range events {
		var journal string
		var seq int64
		err := tx.row(ctx, `SELECT journal, seq FROM events WHERE org = $1 AND id = $2`, e.Org, e.ID[:]).Scan(&journal, &seq)
		if err != nil {
			return nil, err
		}
		if journal == e.Journal && uint64(seq) == e.FactSeq {
			out = append(out, e)
		}
	}
	return out, nil
}

// refer makes events known by the provider's ids and the client's.
func refer(ctx context.Context, tx querier, events []*metering.Event) error {
	var args []any
	for _, e := range events {
		for _, ref := range []string{e.ProviderID, e.Usage.ObjectID, e.ClientID} {
			if ref != "" {
				args = append(args, e.Org, refHash(ref), e.ID[:])
			}
		}
	}
	for len(args) > 0 {
		n := min(rowsPerInsert, len(args)/3)
		if _, err := tx.hot(ctx, refsText(n), args[:3*n]...); err != nil {
			return fmt.Errorf("references: %w", err)
		}
		args = args[3*n:]
	}
	return nil
}

// refHash stands for a reference in the index: eight bytes instead of up to a
// hundred. What it finds is compared with the reference itself.
func refHash(ref string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(ref)) // never fails
	return int64(h.Sum64())
}

func quarantine(ctx context.Context, tx querier, e *metering.Event, reason error) error {
	record, err := json.Marshal(e)
	if err != nil {
		record = []byte(`{"unreadable":true}`)
	}
	org := e.Org
	if !clean(org) || org == "" {
		org = metering.DefaultOrg
	}
	text := strings.ToValidUTF8(strings.ReplaceAll(reason.Error(), "\x00", ""), "?")
	_, err = tx.exec(ctx, `INSERT INTO quarantine (org, journal, seq, event, reason, record, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		org, e.Journal, int64(e.FactSeq), e.ID.String(), text, record, int64(metering.MicrosOf(time.Now())))
	if err != nil {
		return fmt.Errorf("quarantine event %s: %w", e.ID, err)
	}
	return nil
}

// rollUp adds the events to their hours.
func rollUp(ctx context.Context, tx querier, events []*metering.Event) error {
	added := make(map[group]*sums)
	var order []group
	for _, e := range events {
		g, v := groupOf(e), sumsOf(e)
		if have := added[g]; have != nil {
			have.add(&v)
			continue
		}
		added[g] = &v
		order = append(order, g)
	}
	for _, g := range order {
		v := added[g]
		// Picos are carried, so that the column does not overflow.
		cost := metering.Cost{Micros: v[12], Picos: v[13]}.Normal()
		v[12], v[13] = cost.Micros, cost.Picos
		args := []any{g.org, g.customer, int64(g.hour), g.key, g.model, g.provider, g.test}
		for _, n := range v {
			args = append(args, n)
		}
		if _, err := tx.hot(ctx, rollUpText(), args...); err != nil {
			return err
		}
	}
	return nil
}

func rollUpText() string {
	names := strings.Split(sumColumns, ", ")
	for i, n := range names {
		names[i] = n + " = rollups." + n + " + excluded." + n
	}
	return "INSERT INTO rollups (org, customer, hour, key, model, provider, test, " + sumColumns + ") VALUES " + values(1, 7+len(sums{})) +
		" ON CONFLICT (org, customer, hour, key, model, provider, test) DO UPDATE SET " + strings.Join(names, ", ")
}

// position remembers the last fact of each customer.
func position(ctx context.Context, tx querier, events []*metering.Event) error {
	type owner struct{ org, customer, journal string }
	last := make(map[owner]uint64)
	for _, e := range events {
		if clean(e.Org) && clean(e.Customer) {
			last[owner{e.Org, e.Customer, e.Journal}] = e.FactSeq
		}
	}
	for o, seq := range last {
		_, err := tx.exec(ctx, `INSERT INTO positions (org, customer, journal, seq) VALUES ($1, $2, $3, $4)
			ON CONFLICT (org, customer, journal) DO UPDATE SET seq = excluded.seq`, o.org, o.customer, o.journal, int64(seq))
		if err != nil {
			return fmt.Errorf("position of customer %s: %w", o.customer, err)
		}
	}
	return nil
}
