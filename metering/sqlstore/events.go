package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

const eventSelect = "SELECT journal, seq, customer, document FROM events"

func scanEvent(r interface{ Scan(...any) error }) (*metering.Event, error) {
	var journal, customer, document string
	var seq int64
	if err := r.Scan(&journal, &seq, &customer, &document); err != nil {
		return nil, err
	}
	e := new(metering.Event)
	if err := json.Unmarshal([]byte(document), e); err != nil {
		return nil, fmt.Errorf("decode event: %w", err)
	}
	e.Journal, e.FactSeq, e.Customer = journal, uint64(seq), customer
	return e, nil
}

// Event returns the event that any of its ids names. Of several that a foreign
// id names, such as a client's that was used twice, it is the latest.
func (s *Store) Event(ctx context.Context, org, ref string) (*metering.Event, error) {
	if err := storable(ref); err != nil {
		return nil, err
	}
	q := s.read()
	if id, err := metering.ParseID(ref); err == nil {
		e, err := scanEvent(q.row(ctx, eventSelect+" WHERE org = $1 AND id = $2", org, id[:]))
		if !errors.Is(err, sql.ErrNoRows) {
			return e, absent(err, "event "+ref)
		}
	}
	e, err := s.referred(ctx, q, org, ref)
	if err == nil && e == nil {
		err = sql.ErrNoRows
	}
	return e, absent(err, fmt.Sprintf("event %.100q", ref))
}

// referred finds the latest event that has a foreign id.
func (s *Store) referred(ctx context.Context, q querier, org, ref string) (*metering.Event, error) {
	var ids [][]byte
	collect := func(r *sql.Rows) error {
		var id []byte
		err := r.Scan(&id)
		ids = append(ids, id)
		return err
	}
	err := q.each(ctx, collect, `SELECT id FROM external_ids WHERE org = $1 AND external_id = $2`, org, ref)
	if err == nil {
		err = q.each(ctx, collect, `SELECT id FROM event_refs WHERE org = $1 AND ref = $2 ORDER BY id DESC LIMIT 50`, org, refHash(ref))
	}
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		e, err := scanEvent(q.row(ctx, eventSelect+" WHERE org = $1 AND id = $2", org, id))
		if err != nil {
			return nil, err
		}
		if e.ExternalID == ref || e.ProviderID == ref || e.Usage.ObjectID == ref || e.ClientID == ref {
			return e, nil
		}
	}
	return nil, nil
}

// condition builds a WHERE clause.
type condition struct {
	parts []string
	args  []any
}

func (c *condition) and(text string, arg any) {
	c.args = append(c.args, arg)
	c.parts = append(c.parts, strings.ReplaceAll(text, "?", fmt.Sprintf("$%d", len(c.args))))
}

// during bounds the instant. Events of all customers in a span are found through
// the customers that have a rollup in it, because the index leads with them.
func (c *condition) during(w span, all bool) {
	if w.from != 0 {
		c.and("at >= ?", int64(w.from))
	}
	if w.to != 0 {
		c.and("at < ?", int64(w.to))
	}
	if !all || w.from == 0 && w.to == 0 {
		return
	}
	inner := condition{args: c.args}
	inner.parts = append(inner.parts, "org = $1") // the first argument of every condition
	if w.from != 0 {
		inner.and("hour >= ?", int64(w.from.Hour()))
	}
	if w.to != 0 {
		inner.and("hour < ?", int64(w.to))
	}
	c.args = inner.args
	c.parts = append(c.parts, "customer IN (SELECT customer FROM rollups"+inner.where()+")")
}

func (c *condition) where() string { return " WHERE " + strings.Join(c.parts, " AND ") }

// Events lists events, newest first.
func (s *Store) Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error) {
	limit := q.Limit
	if limit <= 0 || limit > 1000 {
		limit = 100
	}
	var c condition
	c.and("org = ?", q.Org)
	for column, value := range map[string]string{"customer": q.Customer, "key": q.Key, "model": q.Model, "name": q.Name, "outcome": string(q.Outcome)} {
		if value != "" {
			c.and(column+" = ?", value)
		}
	}
	c.during(span{q.From, q.To}, q.Customer == "")
	// Of one customer by instant, of all by when they were made: that is how the
	// indexes lie, and no third one has to be written for each event.
	order := " ORDER BY at DESC, id DESC"
	if q.Customer == "" {
		order = " ORDER BY id DESC"
	}
	if q.Cursor != "" {
		at, id, err := readCursor(q.Cursor)
		if err != nil {
			return nil, "", err
		}
		if q.Customer == "" {
			c.and("id < ?", id)
		} else {
			c.args = append(c.args, at, id)
			n := len(c.args)
			c.parts = append(c.parts, fmt.Sprintf("(at < $%d OR at = $%d AND id < $%d)", n-1, n-1, n))
		}
	}
	var out []*metering.Event
	err := s.read().each(ctx, func(r *sql.Rows) error {
		e, err := scanEvent(r)
		if err == nil {
			out = append(out, e)
		}
		return err
	}, eventSelect+c.where()+order+fmt.Sprintf(" LIMIT %d", limit+1), c.args...)
	if err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	if len(out) <= limit {
		return out, "", nil
	}
	last := out[limit-1]
	return out[:limit], fmt.Sprintf("%x.%x", int64(last.At), last.ID[:]), nil
}

func readCursor(cursor string) (at int64, id []byte, err error) {
	left, right, ok := strings.Cut(cursor, ".")
	if ok {
		_, err = fmt.Sscanf(left, "%x", &at)
		if err == nil {
			id, err = hex.DecodeString(right)
		}
	}
	if !ok || err != nil || len(id) != 16 {
		return 0, nil, fmt.Errorf("cursor: %w", metering.ErrInvalid)
	}
	return at, id, nil
}

// Quarantined lists what the database refused, latest first.
func (s *Store) Quarantined(ctx context.Context, org string, limit int) ([]metering.Quarantined, error) {
	var out []metering.Quarantined
	err := s.read().each(ctx, func(r *sql.Rows) error {
		q := metering.Quarantined{Org: org}
		var seq, at int64
		var record []byte
		if err := r.Scan(&q.Journal, &seq, &q.ID, &q.Reason, &record, &at); err != nil {
			return err
		}
		q.Seq, q.At, q.Record = uint64(seq), metering.Micros(at), record
		out = append(out, q)
		return nil
	}, fmt.Sprintf(`SELECT journal, seq, event, reason, record, at FROM quarantine WHERE org = $1 ORDER BY at DESC, journal, seq LIMIT %d`, max(1, limit)), org)
	if err != nil {
		return nil, fmt.Errorf("list quarantined records: %w", err)
	}
	return out, nil
}
