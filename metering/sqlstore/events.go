package sqlstore

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Event returns the event that any of its ids names: Weir's, the provider's
// request or object id, the client's, or an external one. Of several that a
// foreign id names, such as a client's that was used twice, it is the latest.
func (s *Store) Event(ctx context.Context, org, ref string) (*metering.Event, error) {
	what := fmt.Sprintf("event %.100q", ref)
	if !sqldb.Clean(org) || !sqldb.Clean(ref) || ref == "" {
		return nil, fmt.Errorf("%s: %w", what, metering.ErrNotFound)
	}
	q := s.read()
	if id, err := metering.ParseID(ref); err == nil {
		e, err := s.scanEvent(q.Row(ctx, eventSelect+" WHERE org_id = $1 AND id = $2", org, s.uid(id)))
		if !errors.Is(err, sql.ErrNoRows) {
			return e, sqldb.Absent(err, what)
		}
	}
	candidates, err := s.candidates(ctx, q, org, ref)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	var latest *metering.Event
	for _, id := range candidates {
		e, err := s.scanEvent(q.Row(ctx, eventSelect+" WHERE org_id = $1 AND id = $2", org, s.uid(id)))
		if err != nil {
			return nil, sqldb.Absent(err, what)
		}
		if named(e, ref) && (latest == nil || newer(e, latest)) {
			latest = e
		}
	}
	if latest == nil {
		return nil, fmt.Errorf("%s: %w", what, metering.ErrNotFound)
	}
	return latest, nil
}

func named(e *metering.Event, ref string) bool {
	return e.ProviderID == ref || e.Usage.ObjectID == ref || e.ClientID == ref || e.ExternalID == ref
}

func newer(e, than *metering.Event) bool {
	return cmp.Or(cmp.Compare(e.At, than.At), bytes.Compare(e.ID[:], than.ID[:])) > 0
}

// candidates are the ids of the latest events whose foreign ids have the hash of
// ref. Two of each kind make room for a collision, which 2^32 ids would take.
func (s *Store) candidates(ctx context.Context, q querier, org, ref string) ([]metering.ID, error) {
	var out []metering.ID
	scan := func(r *sql.Rows) error {
		var id uidScan
		if err := r.Scan(&id); err != nil {
			return err
		}
		out = append(out, id.id)
		return nil
	}
	for _, column := range []string{"provider_ref", "object_ref", "client_ref"} {
		err := q.Each(ctx, scan, "SELECT id FROM events WHERE org_id = $1 AND "+column+" = $2 ORDER BY id DESC LIMIT 2", org, refOf(ref))
		if err != nil {
			return nil, err
		}
	}
	return out, q.Each(ctx, scan, "SELECT id FROM external_ids WHERE org_id = $1 AND external_id = $2", org, ref)
}

// pageSize is how many entries a page has where the caller wants that many.
func pageSize(limit int) int {
	if limit <= 0 || limit > 1000 {
		return 100
	}
	return limit
}

// Events lists events, newest first, from a cursor: those of a customer by their
// authorisation, those of all by when their ids were made. metering.ErrInvalid
// says that the cursor is none.
func (s *Store) Events(ctx context.Context, q metering.EventQuery) ([]*metering.Event, string, error) {
	limit := pageSize(q.Limit)
	c, err := s.eventCondition(q)
	if err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	// Of one customer by instant, of all by when they were made: that is how the
	// indexes lie, and no third one has to be written for each event.
	order := " ORDER BY at DESC, id DESC"
	if q.Customer == "" {
		order = " ORDER BY id DESC"
	}
	var out []*metering.Event
	err = s.read().Each(ctx, func(r *sql.Rows) error {
		e, err := s.scanEvent(r)
		if err == nil {
			out = append(out, e)
		}
		return err
	}, eventSelect+c.Where()+order+" LIMIT "+strconv.Itoa(limit+1), c.Args...)
	if err != nil {
		return nil, "", fmt.Errorf("list events: %w", err)
	}
	if len(out) <= limit {
		return out, "", nil
	}
	last := out[limit-1]
	return out[:limit], fmt.Sprintf("%x.%x", int64(last.At), last.ID[:]), nil
}

func (s *Store) eventCondition(q metering.EventQuery) (condition, error) {
	var c condition
	c.And("org_id = ?", q.Org)
	for _, id := range []struct{ column, text string }{{"customer", q.Customer}, {"key", q.Key}} {
		if id.text != "" {
			c.And(id.column+" = ?", pack(id.text))
		}
	}
	for _, equal := range []struct{ column, text, usual string }{{"model", q.Model, ""}, {"name", q.Name, usualName}, {"outcome", string(q.Outcome), usualOutcome}} {
		switch equal.text {
		case "":
		case equal.usual:
			c.And(equal.column + " IS NULL")
		default:
			c.And(equal.column+" = ?", sqldb.Label(equal.text))
		}
	}
	if !q.Session.IsZero() {
		c.And("client_ref = ?", refOf(sessionRef(q.Session)))
	}
	during(&c, span{q.From, q.To}, q.Customer == "")
	if q.Cursor == "" {
		return c, nil
	}
	at, id, err := readCursor(q.Cursor)
	switch {
	case err != nil:
		return c, err
	case q.Customer == "":
		c.And("id < ?", s.uid(id))
	default:
		// The first part bounds the scan of the index.
		c.And("at <= ? AND (at < ? OR id < ?)", at, at, s.uid(id))
	}
	return c, nil
}

func readCursor(cursor string) (at int64, id metering.ID, err error) {
	left, right, ok := strings.Cut(cursor, ".")
	at, err = strconv.ParseInt(left, 16, 64)
	raw, bad := hex.DecodeString(right)
	if !ok || err != nil || bad != nil || len(raw) != len(id) {
		return 0, id, fmt.Errorf("cursor: %w", metering.ErrInvalid)
	}
	return at, metering.ID(raw), nil
}
