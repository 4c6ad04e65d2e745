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

const tokenSelect = "SELECT org_id, hash, document, last_used_at, revoked_at FROM tokens"

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

// CreateToken makes an access token. ErrConflict says that one with its hash
// exists.
func (s *Store) CreateToken(ctx context.Context, t metering.AccessToken) (metering.AccessToken, error) {
	id, err := metering.NewID()
	if err != nil {
		return t, err
	}
	t.ID = id.String()
	if t.Created == 0 {
		t.Created = metering.MicrosOf(time.Now())
	}
	if err := sqldb.Storable(append([]string{t.Org, t.Name, t.Prefix, t.Last4}, t.Scopes...)...); err != nil {
		return t, fmt.Errorf("create access token: %w", err)
	}
	document, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("encode access token: %w", err)
	}
	err = s.write(ctx, "create access token", func(tx querier) error {
		_, err := tx.Exec(ctx, `INSERT INTO tokens (org_id, id, hash, document, last_used_at, revoked_at) VALUES ($1, $2, $3, $4, 0, 0)
			ON CONFLICT (org_id, id) DO NOTHING`, t.Org, t.ID, t.Hash[:], string(document))
		if sqldb.Taken(err) {
			return fmt.Errorf("an access token with this hash exists: %w", metering.ErrConflict)
		}
		return err
	})
	return t, err
}

// Tokens lists access tokens.
func (s *Store) Tokens(ctx context.Context, org string, limit int, cursor string) ([]metering.AccessToken, string, error) {
	return sqldb.Page(ctx, s.db.Read(), limit, cursor, "list access tokens", func(r *sql.Rows) (metering.AccessToken, error) { return scanToken(r) },
		func(t metering.AccessToken) string { return t.ID }, tokenSelect+" WHERE org_id = $1 AND id > $2", org)
}

// TokenByHash returns the token of a hash, expired and revoked ones too.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (metering.AccessToken, error) {
	t, err := scanToken(s.read().Row(ctx, tokenSelect+" WHERE hash = $1", hash[:]))
	return t, sqldb.Absent(err, "access token")
}

// RevokeToken refuses a token from an instant on.
func (s *Store) RevokeToken(ctx context.Context, org, id string, at metering.Micros) error {
	if err := sqldb.Storable(id); err != nil {
		return fmt.Errorf("revoke access token: %w", err)
	}
	return s.write(ctx, "revoke access token", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE tokens SET revoked_at = CASE WHEN revoked_at = 0 THEN $3 ELSE revoked_at END WHERE org_id = $1 AND id = $2`, org, id, int64(at))
		if err == nil && n == 0 {
			err = fmt.Errorf("access token %.100q: %w", id, metering.ErrNotFound)
		}
		return err
	})
}

// TouchToken notes the last use of a token. A token that is not there, or was
// used later, is left alone.
func (s *Store) TouchToken(ctx context.Context, org, id string, at metering.Micros) error {
	if err := sqldb.Storable(id); err != nil {
		return fmt.Errorf("note the use of an access token: %w", err)
	}
	return s.write(ctx, "note the use of an access token", func(tx querier) error {
		_, err := tx.Exec(ctx, `UPDATE tokens SET last_used_at = $3 WHERE org_id = $1 AND id = $2 AND last_used_at < $3`, org, id, int64(at))
		return err
	})
}
