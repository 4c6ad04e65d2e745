package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// KeyringVersion moves with every change of a key or customer.
func (s *Store) KeyringVersion(ctx context.Context) (int64, error) {
	var version int64
	if err := s.read().Row(ctx, `SELECT version FROM keyring`).Scan(&version); err != nil {
		return 0, fmt.Errorf("version of the keys: %w", err)
	}
	return version, nil
}

// Keyring returns every key with its customer, and customers without keys with
// an empty one. The version is read first: what changes meanwhile is read again.
func (s *Store) Keyring(ctx context.Context) (int64, []metering.Principal, error) {
	version, err := s.KeyringVersion(ctx)
	if err != nil {
		return 0, nil, err
	}
	var out []metering.Principal
	err = s.read().Each(ctx, func(r *sql.Rows) error {
		var p metering.Principal
		var hash []byte
		var document sql.NullString
		c := &p.Customer
		if err := r.Scan(&c.Org, &c.ID, &c.ExternalID, &c.Name, &c.OnLoss, &c.IncludeUsage, &c.MissingUsage, &c.Created, &c.Archived, &hash, &document); err != nil {
			return err
		}
		if document.Valid {
			if err := json.Unmarshal([]byte(document.String), &p.Key); err != nil {
				return fmt.Errorf("decode key: %w", err)
			}
			p.Key.Org = c.Org
			copy(p.Key.Hash[:], hash)
		}
		out = append(out, p)
		return nil
	}, `SELECT c.org_id, c.id, c.external_id, c.name, c.on_loss, c.include_usage, c.missing_usage, c.created_at, c.archived_at, k.hash, k.document
		FROM customers c LEFT JOIN keys k ON k.org_id = c.org_id AND k.customer = c.id`)
	if err != nil {
		return 0, nil, fmt.Errorf("read keys: %w", err)
	}
	return version, out, nil
}
