package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// answersKept is for how long answers to requests with an Idempotency-Key are
// remembered.
const answersKept = 48 * time.Hour

const tokenSelect = "SELECT org, hash, document, last_used_at, revoked_at FROM tokens"

func scanToken(r interface{ Scan(...any) error }) (metering.AccessToken, error) {
	var t metering.AccessToken
	var org, document string
	var hash []byte
	var used, revoked metering.Micros
	if err := r.Scan(&org, &hash, &document, &used, &revoked); err != nil {
		return t, err
	}
	if err := json.Unmarshal([]byte(document), &t); err != nil {
		return t, fmt.Errorf("decode access token: %w", err)
	}
	t.Org, t.LastUsed, t.Revoked = org, used, revoked
	copy(t.Hash[:], hash)
	return t, nil
}

// CreateToken makes an access token.
func (s *Store) CreateToken(ctx context.Context, t metering.AccessToken) (metering.AccessToken, error) {
	id, err := metering.NewID()
	if err != nil {
		return t, err
	}
	t.ID = id.String()
	if err := storable(t.Name); err != nil {
		return t, fmt.Errorf("create access token: %w", err)
	}
	document, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("encode access token: %w", err)
	}
	err = s.write(ctx, "create access token", func(tx querier) error {
		_, err := tx.exec(ctx, `INSERT INTO tokens (org, id, hash, document, last_used_at, revoked_at) VALUES ($1, $2, $3, $4, 0, 0)
			ON CONFLICT (org, id) DO NOTHING`, t.Org, t.ID, t.Hash[:], string(document))
		return err
	})
	return t, err
}

// Tokens lists access tokens.
func (s *Store) Tokens(ctx context.Context, org string, limit int, cursor string) ([]metering.AccessToken, string, error) {
	return page(ctx, s.read(), limit, cursor, "list access tokens", func(r *sql.Rows) (metering.AccessToken, error) { return scanToken(r) },
		func(t metering.AccessToken) string { return t.ID }, tokenSelect+" WHERE org = $1 AND id > $2", org)
}

// TokenByHash returns the token of a hash, expired and revoked ones too.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (metering.AccessToken, error) {
	t, err := scanToken(s.read().row(ctx, tokenSelect+" WHERE hash = $1", hash[:]))
	return t, absent(err, "access token")
}

// RevokeToken refuses a token from an instant on.
func (s *Store) RevokeToken(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "revoke access token", func(tx querier) error {
		n, err := tx.exec(ctx, `UPDATE tokens SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END WHERE org = $1 AND id = $2`, org, id, int64(at))
		if err == nil && n == 0 {
			err = fmt.Errorf("access token %.100q: %w", id, metering.ErrNotFound)
		}
		return err
	})
}

// TouchToken notes the last use of a token.
func (s *Store) TouchToken(ctx context.Context, org, id string, at metering.Micros) error {
	return s.write(ctx, "note the use of an access token", func(tx querier) error {
		_, err := tx.exec(ctx, `UPDATE tokens SET last_used_at = $3 WHERE org = $1 AND id = $2 AND last_used_at < $3`, org, id, int64(at))
		return err
	})
}

// Answer returns the answer remembered under a name.
func (s *Store) Answer(ctx context.Context, org, key string) (hash [32]byte, status int, body []byte, ok bool, err error) {
	found := false
	err = s.read().each(ctx, func(r *sql.Rows) error {
		var h []byte
		found = true
		if err := r.Scan(&h, &status, &body); err != nil {
			return err
		}
		copy(hash[:], h)
		return nil
	}, `SELECT hash, status, body FROM answers WHERE org = $1 AND name = $2`, org, key)
	if err != nil {
		return hash, 0, nil, false, fmt.Errorf("read an answer: %w", err)
	}
	return hash, status, body, found, nil
}

// SaveAnswer remembers an answer; the first under a name stands.
func (s *Store) SaveAnswer(ctx context.Context, org, key string, hash [32]byte, status int, body []byte) error {
	now := time.Now()
	if body == nil {
		body = []byte{}
	}
	return s.write(ctx, "remember an answer", func(tx querier) error {
		if _, err := tx.exec(ctx, `DELETE FROM answers WHERE created_at < $1`, int64(metering.MicrosOf(now.Add(-answersKept)))); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `INSERT INTO answers (org, name, hash, status, body, created_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`,
			org, key, hash[:], status, body, int64(metering.MicrosOf(now)))
		return err
	})
}
