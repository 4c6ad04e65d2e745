package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Keys are kept as documents: what a key may do grows, and only its customer
// and hash are searched for.
func scanKey(r interface{ Scan(...any) error }, org string) (metering.Key, error) {
	var document string
	var hash []byte
	k := metering.Key{}
	if err := r.Scan(&hash, &document); err != nil {
		return k, err
	}
	if err := json.Unmarshal([]byte(document), &k); err != nil {
		return k, fmt.Errorf("decode key: %w", err)
	}
	k.Org = org
	copy(k.Hash[:], hash)
	return k, nil
}

func keyDocument(k metering.Key) (string, error) {
	if err := storable(k.Org, k.Name, k.Customer); err != nil {
		return "", err
	}
	document, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	return string(document), nil
}

// CreateKey makes a key.
func (s *Store) CreateKey(ctx context.Context, k metering.Key) (metering.Key, error) {
	id, err := metering.NewID()
	if err != nil {
		return k, err
	}
	k.ID = id.String()
	err = s.write(ctx, "create key", func(tx querier) error {
		if err := insertKey(ctx, tx, k); err != nil {
			return err
		}
		return touchKeyring(ctx, tx)
	})
	return k, err
}

func insertKey(ctx context.Context, tx querier, k metering.Key) error {
	document, err := keyDocument(k)
	if err != nil {
		return err
	}
	var owners int
	if err := tx.row(ctx, `SELECT COUNT(*) FROM customers WHERE org = $1 AND id = $2`, k.Org, k.Customer).Scan(&owners); err != nil {
		return err
	}
	if owners == 0 {
		return fmt.Errorf("customer %s: %w", k.Customer, metering.ErrNotFound)
	}
	n, err := tx.exec(ctx, `INSERT INTO keys (org, id, customer, hash, document) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		k.Org, k.ID, k.Customer, k.Hash[:], document)
	if err != nil || n == 1 {
		return err
	}
	var id string
	err = tx.row(ctx, `SELECT id FROM keys WHERE org = $1 AND hash = $2`, k.Org, k.Hash[:]).Scan(&id)
	if err == nil && id == k.ID {
		return nil // an earlier attempt inserted it
	}
	if err == nil {
		err = fmt.Errorf("a key with this hash exists: %w", metering.ErrConflict)
	}
	return err
}

const keySelect = "SELECT hash, document FROM keys"

// Key returns a key by its id.
func (s *Store) Key(ctx context.Context, org, id string) (metering.Key, error) {
	if !clean(id) {
		return metering.Key{}, fmt.Errorf("key: %w", metering.ErrNotFound)
	}
	k, err := scanKey(s.read().row(ctx, keySelect+" WHERE org = $1 AND id = $2", org, id), org)
	return k, absent(err, fmt.Sprintf("key %.100q", id))
}

// Keys lists the keys of a customer, or of all where it is empty.
func (s *Store) Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error) {
	query, args := keySelect+" WHERE org = $1 AND id > $2", []any{org}
	if customerID != "" {
		query, args = keySelect+" WHERE org = $1 AND customer = $2 AND id > $3", []any{org, customerID}
	}
	return page(ctx, s.read(), limit, cursor, "list keys", func(r *sql.Rows) (metering.Key, error) { return scanKey(r, org) },
		func(k metering.Key) string { return k.ID }, query, args...)
}

// UpdateKey changes what a key may do.
func (s *Store) UpdateKey(ctx context.Context, k metering.Key) error {
	document, err := keyDocument(k)
	if err != nil {
		return fmt.Errorf("update key: %w", err)
	}
	return s.write(ctx, "update key", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE keys SET document = $3 WHERE org = $1 AND id = $2`, k.Org, k.ID, document)
		return changed(ctx, tx, n, err, "key "+k.ID)
	})
}

// RotateKey makes fresh and lets the old key expire at graceUntil, at once.
func (s *Store) RotateKey(ctx context.Context, org, oldID string, fresh metering.Key, graceUntil metering.Micros) (metering.Key, error) {
	id, err := metering.NewID()
	if err != nil {
		return fresh, err
	}
	fresh.ID, fresh.Org = id.String(), org
	err = s.write(ctx, "rotate key", func(tx querier) error {
		if err := insertKey(ctx, tx, fresh); err != nil {
			return err
		}
		return s.alterKey(ctx, tx, org, oldID, func(k *metering.Key) {
			if k.Expires == 0 || k.Expires > graceUntil {
				k.Expires = graceUntil
			}
		})
	})
	return fresh, err
}

// RevokeKey refuses a key from an instant on.
func (s *Store) RevokeKey(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "revoke key", func(tx querier) error {
		return s.alterKey(ctx, tx, org, id, func(k *metering.Key) {
			if k.Revoked == 0 {
				k.Revoked = at
			}
		})
	})
}

// alterKey changes one key under a lock of its row.
func (s *Store) alterKey(ctx context.Context, tx querier, org, id string, change func(*metering.Key)) error {
	if _, err := tx.exec(ctx, `UPDATE keys SET hash = hash WHERE org = $1 AND id = $2`, org, id); err != nil {
		return err
	}
	k, err := scanKey(tx.row(ctx, keySelect+" WHERE org = $1 AND id = $2", org, id), org)
	if err != nil {
		return absent(err, fmt.Sprintf("key %.100q", id))
	}
	change(&k)
	document, err := keyDocument(k)
	if err != nil {
		return err
	}
	n, err := tx.exec(ctx, `UPDATE keys SET document = $3 WHERE org = $1 AND id = $2`, org, id, document)
	return changed(ctx, tx, n, err, "key "+id)
}

// KeyringVersion moves with every change of a key or customer.
func (s *Store) KeyringVersion(ctx context.Context) (int64, error) {
	var version int64
	if err := s.read().row(ctx, `SELECT version FROM keyring`).Scan(&version); err != nil {
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
	err = s.read().each(ctx, func(r *sql.Rows) error {
		var p metering.Principal
		var hash []byte
		var document sql.NullString
		c := &p.Customer
		if err := r.Scan(&c.Org, &c.ID, &c.ExternalID, &c.Name, &c.OnLoss, &c.Created, &c.Archived, &hash, &document); err != nil {
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
	}, `SELECT c.org, c.id, c.external_id, c.name, c.on_loss, c.created_at, c.archived_at, k.hash, k.document
		FROM customers c LEFT JOIN keys k ON k.org = c.org AND k.customer = c.id`)
	if err != nil {
		return 0, nil, fmt.Errorf("read keys: %w", err)
	}
	return version, out, nil
}
