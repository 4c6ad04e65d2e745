package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// alertsLock is the advisory lock of an organisation's number of alerts.
const alertsLock = 0x77656972_616c72 // "weiralr"

// RaiseAlert opens an alert or counts that it is open still, and reports whether
// it was not open before. One that was seen before the alert ended changes
// nothing.
func (s *Store) RaiseAlert(ctx context.Context, a metering.Alert) (opened bool, err error) {
	a.Subject, a.Detail = metering.AlertSubject(a.Subject), metering.AlertDetail(a.Detail)
	if !a.Valid() || !sqldb.Clean(a.Org) {
		return false, fmt.Errorf("an alert has an organisation, a kind of %v, a subject, a severity and an instant: %w", metering.AlertKinds(), metering.ErrInvalid)
	}
	if a.Since == 0 {
		a.Since = a.At
	}
	err = s.write(ctx, "raise alert", func(tx querier) error {
		opened = false
		if err := makeRoom(ctx, tx, &a); err != nil {
			return err
		}
		var count int64
		err := tx.Row(ctx, `INSERT INTO alerts (org_id, kind, subject, severity, detail, since, at, count, ended_at) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 0)
			ON CONFLICT (org_id, kind, subject) DO UPDATE SET severity = excluded.severity, detail = excluded.detail,
				since = CASE WHEN alerts.ended_at <> 0 THEN excluded.since ELSE alerts.since END,
				at = CASE WHEN alerts.at > excluded.at THEN alerts.at ELSE excluded.at END,
				count = CASE WHEN alerts.ended_at <> 0 THEN 1 ELSE alerts.count + 1 END, ended_at = 0
			WHERE alerts.ended_at <= excluded.at RETURNING count`,
			a.Org, string(a.Kind), a.Subject, string(a.Severity), a.Detail, int64(a.Since), int64(a.At)).Scan(&count)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		opened = count == 1
		return err
	})
	return opened, err
}

// makeRoom keeps the number of alerts of an organisation bounded: the oldest that
// are over go, and where none is, a new one is among the others.
func makeRoom(ctx context.Context, tx querier, a *metering.Alert) error {
	if tx.Engine() == schema.Postgres {
		// Two new ones must not take one room.
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, int64(alertsLock)); err != nil {
			return err
		}
	}
	var have, total int64
	err := tx.Row(ctx, `SELECT COALESCE(SUM(CASE WHEN kind = $2 AND subject = $3 THEN 1 ELSE 0 END), 0), COUNT(*) FROM alerts WHERE org_id = $1`,
		a.Org, string(a.Kind), a.Subject).Scan(&have, &total)
	if err != nil || have > 0 || total < metering.MaxAlerts {
		return err
	}
	n, err := tx.Exec(ctx, `DELETE FROM alerts WHERE org_id = $1 AND (kind, subject) IN
		(SELECT kind, subject FROM alerts WHERE org_id = $1 AND ended_at <> 0 ORDER BY ended_at, kind, subject LIMIT 1)`, a.Org)
	if err == nil && n == 0 {
		a.Detail = metering.AlertDetail("there is no room for more alerts; the latest without: " + a.Subject + ": " + a.Detail)
		a.Subject = metering.AlertOthers
	}
	return err
}

// EndAlert ends an open alert, and reports whether there was one.
func (s *Store) EndAlert(ctx context.Context, org string, kind metering.AlertKind, subject string, at metering.Micros) (ended bool, err error) {
	if !sqldb.Clean(org) || !sqldb.Clean(string(kind)) || at == 0 {
		return false, fmt.Errorf("end alert: %w", metering.ErrInvalid)
	}
	err = s.write(ctx, "end alert", func(tx querier) error {
		n, err := tx.Exec(ctx, `UPDATE alerts SET ended_at = $4 WHERE org_id = $1 AND kind = $2 AND subject = $3 AND ended_at = 0`, org, string(kind), metering.AlertSubject(subject), int64(at))
		ended = n > 0
		return err
	})
	return ended, err
}

// Alerts lists alerts: the open ones first, of those the latest.
func (s *Store) Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error) {
	var c condition
	c.And("org_id = ?", q.Org)
	if q.Kind != "" {
		c.And("kind = ?", string(q.Kind))
	}
	if !q.Ended {
		c.And("ended_at = ?", int64(0))
	}
	limit := q.Limit
	if limit <= 0 || limit > metering.MaxAlerts {
		limit = metering.MaxAlerts
	}
	// Above the bound there can be one row of others for each kind.
	return sqldb.All(ctx, s.db.Read(), "list alerts", func(r *sql.Rows) (metering.Alert, error) {
		a := metering.Alert{Org: q.Org}
		err := r.Scan(&a.Kind, &a.Subject, &a.Severity, &a.Detail, &a.Since, &a.At, &a.Count, &a.Ended)
		return a, err
	}, fmt.Sprintf(`SELECT kind, subject, severity, detail, since, at, count, ended_at FROM alerts%s
		ORDER BY CASE WHEN ended_at = 0 THEN 0 ELSE 1 END, since DESC, kind, subject LIMIT %d`, c.Where(), limit), c.Args...)
}

// AlertCounts is how many alerts of an organisation are open, by kind.
func (s *Store) AlertCounts(ctx context.Context, org string) (map[metering.AlertKind]int64, error) {
	out := make(map[metering.AlertKind]int64)
	err := s.read().Each(ctx, func(r *sql.Rows) error {
		var kind metering.AlertKind
		var n int64
		if err := r.Scan(&kind, &n); err != nil {
			return err
		}
		out[kind] = n
		return nil
	}, `SELECT kind, COUNT(*) FROM alerts WHERE org_id = $1 AND ended_at = 0 GROUP BY kind`, org)
	if err != nil {
		return nil, fmt.Errorf("count alerts: %w", err)
	}
	return out, nil
}
