package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
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

// maxKey bounds the document of a key, in bytes: lists of models and upstreams,
// and tags, each as long as the API takes them, and some air.
const maxKey = 512 << 10

func keyDocument(k metering.Key) (string, error) {
	texts := []string{k.Org, k.ID, k.Customer, k.Name, k.Prefix, k.Last4}
	texts = append(append(texts, k.Models...), k.Upstream...)
	for _, p := range k.Permits {
		texts = append(texts, string(p))
	}
	for _, t := range k.Tags {
		texts = append(texts, t.Name, t.Value)
	}
	if err := sqldb.Storable(texts...); err != nil {
		return "", err
	}
	document, err := json.Marshal(k)
	if err != nil {
		return "", fmt.Errorf("encode key: %w", err)
	}
	if len(document) > maxKey {
		return "", fmt.Errorf("a key of %d bytes, more than %d: %w", len(document), maxKey, metering.ErrInvalid)
	}
	return string(document), nil
}

// CreateKey makes a key of a customer. ErrConflict says that a key with its hash
// exists, in whatever organisation.
func (s *Store) CreateKey(ctx context.Context, k metering.Key) (metering.Key, error) {
	id, err := metering.NewID()
	if err != nil {
		return k, err
	}
	k.ID = id.String()
	if k.Created == 0 {
		k.Created = metering.MicrosOf(time.Now())
	}
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
	if err := tx.Row(ctx, `SELECT COUNT(*) FROM customers WHERE org_id = $1 AND id = $2`, k.Org, k.Customer).Scan(&owners); err != nil {
		return err
	}
	if owners == 0 {
		return fmt.Errorf("customer %s: %w", k.Customer, metering.ErrNotFound)
	}
	n, err := tx.Exec(ctx, `INSERT INTO keys (org_id, id, customer, hash, document) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
		k.Org, k.ID, k.Customer, k.Hash[:], document)
	if err != nil || n == 1 {
		return err
	}
	var mine int
	if err = tx.Row(ctx, `SELECT COUNT(*) FROM keys WHERE org_id = $1 AND id = $2`, k.Org, k.ID).Scan(&mine); err != nil {
		return err
	}
	if mine == 0 { // else an earlier attempt of this call inserted it
		return fmt.Errorf("a key with this hash exists: %w", metering.ErrConflict)
	}
	return nil
}

const keySelect = "SELECT hash, document FROM keys"

// Key returns a key by its id.
func (s *Store) Key(ctx context.Context, org, id string) (metering.Key, error) {
	if err := sqldb.Storable(id); err != nil {
		return metering.Key{}, fmt.Errorf("key: %w", err)
	}
	k, err := scanKey(s.read().Row(ctx, keySelect+" WHERE org_id = $1 AND id = $2", org, id), org)
	return k, sqldb.Absent(err, fmt.Sprintf("key %.100q", id))
}

// Keys lists the keys of a customer, or of all where it is empty.
func (s *Store) Keys(ctx context.Context, org, customerID string, limit int, cursor string) ([]metering.Key, string, error) {
	if err := sqldb.Storable(customerID); err != nil {
		return nil, "", fmt.Errorf("list keys: %w", err)
	}
	query, args := keySelect+" WHERE org_id = $1 AND id > $2", []any{org}
	if customerID != "" {
		query, args = keySelect+" WHERE org_id = $1 AND customer = $2 AND id > $3", []any{org, customerID}
	}
	return sqldb.Page(ctx, s.db.Read(), limit, cursor, "list keys", func(r *sql.Rows) (metering.Key, error) { return scanKey(r, org) },
		func(k metering.Key) string { return k.ID }, query, args...)
}

// UpdateKey changes what a key is called, what it may do and until when. What it
// is, whether it is revoked and the grace it got by a rotation stay: an update
// that was read before either does not undo it. ErrConflict says that the key is
// revoked.
func (s *Store) UpdateKey(ctx context.Context, k metering.Key) error {
	if _, err := keyDocument(k); err != nil {
		return fmt.Errorf("update key: %w", err)
	}
	return s.write(ctx, "update key", func(tx querier) error {
		return s.alterKey(ctx, tx, k.Org, k.ID, func(have *metering.Key) error {
			if have.Revoked != 0 {
				return fmt.Errorf("key %s is revoked: %w", k.ID, metering.ErrConflict)
			}
			have.Name, have.Permits, have.Models, have.Upstream, have.Tags = k.Name, k.Permits, k.Models, k.Upstream, k.Tags
			if !have.Replaced || k.Expires != 0 && k.Expires < have.Expires {
				have.Expires = k.Expires
			}
			return nil
		})
	})
}

// RotateKey makes fresh, a key of the same customer, and lets the old one expire
// at graceUntil or before, at once. ErrConflict says that the old one is revoked.
func (s *Store) RotateKey(ctx context.Context, org, oldID string, fresh metering.Key, graceUntil metering.Micros) (metering.Key, error) {
	id, err := metering.NewID()
	if err != nil {
		return fresh, err
	}
	fresh.ID, fresh.Org, fresh.Replaced = id.String(), org, false
	if fresh.Created == 0 {
		fresh.Created = metering.MicrosOf(time.Now())
	}
	err = s.write(ctx, "rotate key", func(tx querier) error {
		err := s.alterKey(ctx, tx, org, oldID, func(k *metering.Key) error {
			switch {
			case k.Customer != fresh.Customer:
				return fmt.Errorf("a key of another customer does not replace key %s: %w", oldID, metering.ErrInvalid)
			case k.Revoked != 0:
				return fmt.Errorf("key %s is revoked: %w", oldID, metering.ErrConflict)
			case k.Expires == 0 || k.Expires > graceUntil:
				k.Expires = graceUntil
			}
			k.Replaced = true
			return nil
		})
		if err != nil {
			return err
		}
		return insertKey(ctx, tx, fresh)
	})
	return fresh, err
}

// RevokeKey refuses a key for ever. at is when that was; the first one stands.
func (s *Store) RevokeKey(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "revoke key", func(tx querier) error {
		return s.alterKey(ctx, tx, org, id, func(k *metering.Key) error {
			if k.Revoked == 0 {
				k.Revoked = at
			}
			return nil
		})
	})
}

// alterKey changes one key under a lock of its row.
func (s *Store) alterKey(ctx context.Context, tx querier, org, id string, change func(*metering.Key) error) error {
	if err := sqldb.Storable(id); err != nil {
		return fmt.Errorf("key: %w", err)
	}
	if _, err := tx.Exec(ctx, `UPDATE keys SET hash = hash WHERE org_id = $1 AND id = $2`, org, id); err != nil {
		return err
	}
	k, err := scanKey(tx.Row(ctx, keySelect+" WHERE org_id = $1 AND id = $2", org, id), org)
	if err != nil {
		return sqldb.Absent(err, fmt.Sprintf("key %.100q", id))
	}
	if err := change(&k); err != nil {
		return err
	}
	document, err := keyDocument(k)
	if err != nil {
		return err
	}
	n, err := tx.Exec(ctx, `UPDATE keys SET document = $3 WHERE org_id = $1 AND id = $2`, org, id, document)
	return changed(ctx, tx, n, err, "key "+id)
}
