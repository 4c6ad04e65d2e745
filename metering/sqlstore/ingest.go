package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// Ingest writes reported events, all or none. An external id stands for one
// event for ever: the same content again is a duplicate, other content a
// conflict, and the first stands. metering.ErrInvalid says that the database
// will never take them. The events must not be used elsewhere meanwhile: where
// the customer of an external id is unknown, it is set.
func (s *Store) Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error) {
	var out metering.IngestResult
	for _, e := range events {
		if e.Org != org {
			return out, fmt.Errorf("ingest an event of organisation %.40q into %.40q: %w", e.Org, org, metering.ErrInvalid)
		}
		if err := sqldb.Storable(e.ExternalID, e.ExternalCustomer); err != nil {
			return out, fmt.Errorf("ingest events: %w", err)
		}
	}
	err := s.write(ctx, "ingest events", func(tx querier) error {
		out = metering.IngestResult{}
		for _, e := range events {
			if e.Customer != "" || e.ExternalCustomer == "" {
				continue
			}
			id, err := reserve(ctx, tx, org, e.ExternalCustomer)
			if err != nil {
				return err
			}
			e.Customer = id
		}
		fresh, err := s.claimIDs(ctx, tx, org, events, &out)
		if err != nil {
			return err
		}
		return s.insert(ctx, tx, fresh, 0)
	})
	if err != nil && sqldb.Refused(err) && !errors.Is(err, metering.ErrInvalid) {
		err = fmt.Errorf("%w: %w", metering.ErrInvalid, err)
	}
	if err != nil {
		return metering.IngestResult{}, err
	}
	return out, nil
}

// claimIDs claims external ids and returns the events that are to be inserted.
func (s *Store) claimIDs(ctx context.Context, tx querier, org string, events []*metering.Event, out *metering.IngestResult) ([]*metering.Event, error) {
	b := bulk{table: "external_ids", columns: []column{{"org_id", "text"}, {"external_id", "text"}, {"id", "uuid"}, {"content", "bytea"}}, conflict: "DO NOTHING"}
	var named, insert []*metering.Event
	var ids []metering.ID
	for _, e := range events {
		if e.ExternalID == "" {
			insert = append(insert, e)
			out.Inserted++
			continue
		}
		content, err := contentOf(e)
		if err != nil {
			return nil, err
		}
		b.add(org, e.ExternalID, s.uid(e.ID), content)
		named, ids = append(named, e), append(ids, e.ID)
	}
	fresh, err := b.fresh(ctx, tx, ids)
	if err != nil {
		return nil, fmt.Errorf("external ids: %w", err)
	}
	for i, e := range named {
		if fresh[i] {
			insert = append(insert, e)
			out.Inserted++
			continue
		}
		if err := s.known(ctx, tx, e, b.rows[i][3].([]byte), out); err != nil {
			return nil, err
		}
	}
	return insert, nil
}

// known tells what an event is whose external id stands already.
func (s *Store) known(ctx context.Context, tx querier, e *metering.Event, content []byte, out *metering.IngestResult) error {
	var id uidScan
	var have []byte
	err := tx.Row(ctx, `SELECT id, content FROM external_ids WHERE org_id = $1 AND external_id = $2`, e.Org, e.ExternalID).Scan(&id, &have)
	if err != nil {
		return fmt.Errorf("external id %.100q: %w", e.ExternalID, err)
	}
	switch {
	case id.id == e.ID:
		out.Inserted++ // by an attempt of this call whose commit lost its reply
	case string(have) == string(content):
		out.Duplicates++
	default:
		out.Conflicts = append(out.Conflicts, e.ExternalID)
	}
	return nil
}

// contentOf is what makes two events with one external id the same. The instant
// is left out: a sender that gives none gets that of the receipt. The customer
// is the one that was found, however it was named.
func contentOf(e *metering.Event) ([]byte, error) {
	b, err := json.Marshal([]any{e.Name, e.Customer, e.Properties})
	if err != nil {
		return nil, fmt.Errorf("encode event: %w: %w", metering.ErrInvalid, err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}
