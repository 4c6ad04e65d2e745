package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// maxReason bounds the reason of a refusal, which may quote what was refused.
const maxReason = 1000

// quarantine keeps an event that the database refused, in a form that nothing in
// it can spoil.
func quarantine(ctx context.Context, tx querier, e *metering.Event, reason error) error {
	record, err := recordOf(e)
	if err != nil {
		return fmt.Errorf("quarantine event %s: %w", e.ID, err)
	}
	org := e.Org
	if org == "" || len(org) > maxOrg || !sqldb.Clean(org) {
		org = metering.DefaultOrg // it has to be shown to somebody
	}
	_, err = tx.Exec(ctx, `INSERT INTO quarantine (org_id, journal, seq, event, reason, record, at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		org, sqldb.Label(e.Journal), int64(e.FactSeq), e.ID.String(), printable(reason.Error()), record, int64(metering.MicrosOf(time.Now())))
	if err != nil {
		return fmt.Errorf("quarantine event %s: %w", e.ID, err)
	}
	return nil
}

func printable(s string) string {
	return sqldb.Cut(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", `\0`), "\uFFFD"), maxReason)
}

// recordOf is the event as JSON. What is kept verbatim and is no JSON, which
// would make the whole unreadable, stands beside it in base64.
func recordOf(e *metering.Event) (json.RawMessage, error) {
	if record, err := json.Marshal(e); err == nil {
		return record, nil
	}
	plain := *e
	plain.Properties, plain.Usage.Raw = nil, nil
	return json.Marshal(struct {
		*metering.Event
		Properties []byte `json:"properties_base64"`
		Raw        []byte `json:"usage_raw_base64"`
	}{&plain, e.Properties, e.Usage.Raw})
}

// Quarantined lists what the database refused, latest first.
func (s *Store) Quarantined(ctx context.Context, org string, limit int) ([]metering.Quarantined, error) {
	var out []metering.Quarantined
	err := s.read().Each(ctx, func(r *sql.Rows) error {
		q := metering.Quarantined{Org: org}
		var seq int64
		var record []byte
		if err := r.Scan(&q.Journal, &seq, &q.ID, &q.Reason, &record, &q.At); err != nil {
			return err
		}
		q.Seq, q.Record = uint64(seq), record
		out = append(out, q)
		return nil
	}, `SELECT journal, seq, event, reason, record, at FROM quarantine WHERE org_id = $1 ORDER BY at DESC, journal, seq DESC LIMIT $2`, org, pageSize(limit))
	if err != nil {
		return nil, fmt.Errorf("list quarantined records: %w", err)
	}
	return out, nil
}
