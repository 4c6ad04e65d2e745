package sqlstore

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Ingest writes reported events, all or none. An external id stands for one
// event for ever: the same content again is a duplicate, other content a
// conflict, and the first stands.
func (s *Store) Ingest(ctx context.Context, org string, events []*metering.Event) (metering.IngestResult, error) {
	var out metering.IngestResult
	err := s.write(ctx, "ingest events", func(tx querier) error {
		out = metering.IngestResult{}
		fresh := make([]*metering.Event, 0, len(events))
		for _, e := range events {
			is, err := s.fresh(ctx, tx, e, &out)
			if err != nil {
				return err
			}
			if is {
				fresh = append(fresh, e)
			}
		}
		inserted := make([]*metering.Event, 0, len(fresh))
		for len(fresh) > 0 {
			n := min(rowsPerInsert, len(fresh))
			got, err := insert(ctx, tx, fresh[:n])
			if err != nil {
				return err
			}
			inserted, fresh = append(inserted, got...), fresh[n:]
		}
		out.Inserted = len(inserted)
		return s.sum(ctx, tx, inserted)
	})
	if refused(err) {
		err = fmt.Errorf("%w: %w", metering.ErrInvalid, err)
	}
	return out, err
}

// fresh claims the external id of an event and finds its customer. It reports
// whether the event is new.
func (s *Store) fresh(ctx context.Context, tx querier, e *metering.Event, out *metering.IngestResult) (bool, error) {
	if e.Customer == "" && e.ExternalCustomer != "" {
		id, err := reserve(ctx, tx, e.Org, e.ExternalCustomer)
		if err != nil {
			return false, err
		}
		e.Customer = id
	}
	if e.ExternalID == "" {
		return true, nil
	}
	content, err := contentOf(e)
	if err != nil {
		return false, err
	}
	n, err := tx.exec(ctx, `INSERT INTO external_ids (org, external_id, id, content) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		e.Org, e.ExternalID, e.ID[:], content)
	if err != nil || n == 1 {
		return n == 1, err
	}
	var id, have []byte
	if err := tx.row(ctx, `SELECT id, content FROM external_ids WHERE org = $1 AND external_id = $2`, e.Org, e.ExternalID).Scan(&id, &have); err != nil {
		return false, err
	}
	switch {
	case metering.ID(id) == e.ID:
		return false, nil // an earlier attempt of this call
	case string(have) == string(content):
		out.Duplicates++
	default:
		out.Conflicts = append(out.Conflicts, e.ExternalID)
	}
	return false, nil
}

// contentOf is what makes two events with one external id the same. The instant
// is left out: a sender that gives none gets that of the receipt.
func contentOf(e *metering.Event) ([]byte, error) {
	b, err := json.Marshal([]any{e.Name, e.Customer, e.ExternalCustomer, e.Properties})
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	sum := sha256.Sum256(b)
	return sum[:], nil
}
