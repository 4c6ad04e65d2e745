package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

const adminSelect = "SELECT id, email, password_hash, created_at, archived_at FROM admins"

// SaveAdmin makes a person who signs in, or gives the one of that address a new
// password.
func (s *Store) SaveAdmin(ctx context.Context, a metering.Admin) (metering.Admin, error) {
	a.Email = strings.ToLower(strings.TrimSpace(a.Email))
	if err := sqldb.Storable(a.Org, a.Email, a.PasswordHash); err != nil {
		return a, fmt.Errorf("save admin: %w", err)
	}
	if len(a.Email) < 3 || len(a.Email) > maxExternal || !strings.Contains(a.Email, "@") {
		return a, fmt.Errorf("save admin: %.60q is no e-mail address: %w", a.Email, metering.ErrInvalid)
	}
	id, err := metering.NewID()
	if err != nil {
		return a, fmt.Errorf("save admin: %w", err)
	}
	err = s.write(ctx, "save admin", func(tx querier) error {
		if _, err := tx.Exec(ctx, `INSERT INTO admins (org_id, id, email, password_hash, created_at, archived_at) VALUES ($1, $2, $3, $4, $5, 0)
			ON CONFLICT (org_id, email) DO UPDATE SET password_hash = EXCLUDED.password_hash`,
			a.Org, id.String(), a.Email, a.PasswordHash, int64(a.Created)); err != nil {
			return err
		}
		return tx.Row(ctx, adminSelect+" WHERE org_id = $1 AND email = $2", a.Org, a.Email).Scan(&a.ID, &a.Email, &a.PasswordHash, &a.Created, &a.Archived)
	})
	return a, err
}

// AdminByEmail returns the person of an address; metering.ErrNotFound if there
// is none, or not any more.
func (s *Store) AdminByEmail(ctx context.Context, org, email string) (metering.Admin, error) {
	a := metering.Admin{Org: org}
	email = strings.ToLower(strings.TrimSpace(email))
	if err := sqldb.Storable(org, email); err != nil {
		return a, fmt.Errorf("admin: %w", err)
	}
	err := s.read().Row(ctx, adminSelect+" WHERE org_id = $1 AND email = $2 AND archived_at = 0", org, email).
		Scan(&a.ID, &a.Email, &a.PasswordHash, &a.Created, &a.Archived)
	return a, sqldb.Absent(err, "admin")
}

// CreateLink keeps a one-use link until it is used or expires.
func (s *Store) CreateLink(ctx context.Context, l metering.Session) error {
	return s.keepSession(ctx, l, 1)
}

// CreateSession keeps a signed-in browser.
func (s *Store) CreateSession(ctx context.Context, v metering.Session) error {
	return s.keepSession(ctx, v, 0)
}

// keptExpired is how long an expired session stays, for whoever asks what it was.
const keptExpired = metering.Micros(7 * 24 * time.Hour / time.Microsecond)

func (s *Store) keepSession(ctx context.Context, v metering.Session, link int) error {
	if v.Kind != metering.SessionOperator && v.Kind != metering.SessionCustomer {
		return fmt.Errorf("session of kind %.20q: %w", v.Kind, metering.ErrInvalid)
	}
	if err := sqldb.Storable(v.Org, v.Subject); err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	id, err := metering.NewID()
	if err != nil {
		return fmt.Errorf("keep a session: %w", err)
	}
	if v.ID == "" {
		v.ID = id.String()
	}
	return s.write(ctx, "keep a session", func(tx querier) error {
		if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE expires_at < $1`, int64(v.Created-keptExpired)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO sessions (org_id, id, hash, link, kind, subject, created_at, expires_at, used_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0) ON CONFLICT DO NOTHING`,
			v.Org, v.ID, v.Hash[:], link, v.Kind, v.Subject, int64(v.Created), int64(v.Expires))
		return err
	})
}

// UseLink uses a one-use link up and returns what it was for. A link that was
// used, has expired or is of another kind is metering.ErrNotFound. A lost reply
// of the database uses it up too: whoever holds it asks for another.
func (s *Store) UseLink(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error) {
	var out metering.Session
	err := s.write(ctx, "use a link", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE sessions SET used_at = $3 WHERE hash = $1 AND link = 1 AND kind = $2 AND used_at = 0 AND expires_at > $3`, hash[:], kind, int64(now))
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("it was used, has expired or never was: %w", metering.ErrNotFound)
		}
		out, err = scanSession(ctx, tx, hash)
		return err
	})
	return out, err
}

func scanSession(ctx context.Context, q querier, hash [32]byte) (metering.Session, error) {
	v := metering.Session{Hash: hash}
	err := q.Row(ctx, `SELECT org_id, id, kind, subject, created_at, expires_at FROM sessions WHERE hash = $1`, hash[:]).
		Scan(&v.Org, &v.ID, &v.Kind, &v.Subject, &v.Created, &v.Expires)
	return v, err
}

// SessionByHash returns a session that is signed in; metering.ErrNotFound for
// one that expired, ended or is of another kind, and for a link.
func (s *Store) SessionByHash(ctx context.Context, hash [32]byte, kind string, now metering.Micros) (metering.Session, error) {
	v := metering.Session{Hash: hash}
	err := s.read().Row(ctx, `SELECT org_id, id, kind, subject, created_at, expires_at FROM sessions
		WHERE hash = $1 AND link = 0 AND kind = $2 AND used_at = 0 AND expires_at > $3`, hash[:], kind, int64(now)).
		Scan(&v.Org, &v.ID, &v.Kind, &v.Subject, &v.Created, &v.Expires)
	return v, sqldb.Absent(err, "session")
}

// EndSession signs a browser out. One that is unknown is out already.
func (s *Store) EndSession(ctx context.Context, hash [32]byte) error {
	return s.write(ctx, "end a session", func(tx querier) error {
		_, err := tx.Exec(ctx, `DELETE FROM sessions WHERE hash = $1 AND link = 0`, hash[:])
		return err
	})
}

// loginWindow is for how long a failed attempt to sign in counts.
const loginWindow = metering.Micros(15 * time.Minute / time.Microsecond)

// LoginFailed notes a failed attempt and returns how many there were lately,
// this one included.
func (s *Store) LoginFailed(ctx context.Context, org, email string, now metering.Micros) (int, error) {
	email = sqldb.Label(strings.ToLower(strings.TrimSpace(email)))
	id, err := metering.NewID()
	if err != nil {
		return 0, fmt.Errorf("note a failed attempt: %w", err)
	}
	recent := 0
	err = s.write(ctx, "note a failed attempt", func(tx querier) error {
		if _, err := tx.Exec(ctx, `DELETE FROM login_failures WHERE org_id = $1 AND at < $2`, org, int64(now-loginWindow)); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `INSERT INTO login_failures (org_id, email, id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, org, email, id.String(), int64(now)); err != nil {
			return err
		}
		return tx.Row(ctx, `SELECT COUNT(*) FROM login_failures WHERE org_id = $1 AND email = $2`, org, email).Scan(&recent)
	})
	return recent, err
}

// LoginFailures is how many attempts failed lately.
func (s *Store) LoginFailures(ctx context.Context, org, email string, now metering.Micros) (int, error) {
	email = sqldb.Label(strings.ToLower(strings.TrimSpace(email)))
	recent := 0
	err := s.read().Row(ctx, `SELECT COUNT(*) FROM login_failures WHERE org_id = $1 AND email = $2 AND at >= $3`, org, email, int64(now-loginWindow)).Scan(&recent)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("failed attempts: %w", err)
	}
	return recent, nil
}
