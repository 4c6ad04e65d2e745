package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// unsettle notes events whose cost other prices can change, until it is certain.
func (s *Store) unsettle(ctx context.Context, tx querier, events []*metering.Event) error {
	b := bulk{table: "unsettled_costs", columns: []column{{"org_id", "text"}, {"at", "bigint"}, {"event", "uuid"}}, conflict: "DO NOTHING"}
	for _, e := range events {
		if e.Metered && !e.Usage.State.Corrects() && (e.CostState == metering.CostUnpriced || e.CostState == metering.CostProvisional) {
			b.add(e.Org, int64(e.At), s.uid(e.ID))
		}
	}
	return b.run(ctx, tx)
}

// settle notes of the event that a correction is of whether its cost is certain
// now.
func (s *Store) settle(ctx context.Context, tx querier, c *metering.Event) error {
	certain := c.CostState == metering.CostExact || c.CostState == metering.CostFree || c.CostState == metering.CostStated ||
		c.CostState == metering.CostPriced && c.CostReason == ""
	if !certain {
		_, err := tx.Exec(ctx, `INSERT INTO unsettled_costs (org_id, at, event)
			SELECT org_id, at, id FROM events WHERE org_id = $1 AND id = $2 AND metered ON CONFLICT DO NOTHING`, c.Org, s.uid(c.Corrects))
		return err
	}
	_, err := tx.Exec(ctx, "DELETE FROM unsettled_costs WHERE org_id = $1 AND at = $2 AND event = $3", c.Org, int64(c.At), s.uid(c.Corrects))
	return err
}

// Unsettled returns events whose cost is unknown or not certain, from the oldest
// on, behind an event of the list; the zero values are from the beginning.
func (s *Store) Unsettled(ctx context.Context, org string, at metering.Micros, after metering.ID, limit int) ([]*metering.Event, error) {
	if !sqldb.Clean(org) {
		return nil, fmt.Errorf("unsettled costs: organisation %.40q: %w", org, metering.ErrInvalid)
	}
	var list []*metering.Event
	err := s.snapshot(ctx, "read unsettled costs", func(on querier) error {
		list = nil
		return on.Each(ctx, func(r *sql.Rows) error {
			e, err := s.scanEvent(r)
			list = append(list, e)
			return err
		}, eventSelect+` WHERE org_id = $1 AND id IN (SELECT u.event FROM unsettled_costs u
			WHERE u.org_id = $1 AND (u.at, u.event) > ($2, $3) ORDER BY u.at, u.event LIMIT $4) ORDER BY at, id`,
			org, int64(at), s.uid(after), limit)
	})
	return list, err
}

// UnsureModels sums the calls whose cost is unknown or not certain by provider,
// model and state, the most calls first; without those of test keys. What an event
// was is in its row, what became of it in its corrections.
func (s *Store) UnsureModels(ctx context.Context, org string, limit int) ([]metering.UnsureModel, error) {
	return sqldb.All(ctx, s.db.Read(), "sum unsettled costs", func(r *sql.Rows) (metering.UnsureModel, error) {
		var m metering.UnsureModel
		err := r.Scan(&m.Provider, &m.Model, &m.State, &m.Calls, &m.First)
		return m, err
	}, `SELECT provider, model, state, COUNT(*), MIN(at) FROM (
			SELECT e.provider, e.model, e.at, CASE COALESCE((SELECT x.cost_state FROM corrections k JOIN events x ON x.org_id = k.org_id AND x.id = k.id
					WHERE k.org_id = u.org_id AND k.event = u.event AND x.cost_state IN ('priced', 'withdrawn') ORDER BY k.n DESC LIMIT 1), '')
				WHEN 'priced' THEN 'provisional' WHEN 'withdrawn' THEN 'unpriced' ELSE e.cost_state END AS state
			FROM unsettled_costs u JOIN events e ON e.org_id = u.org_id AND e.id = u.event WHERE u.org_id = $1 AND NOT e.test) AS unsure
		GROUP BY provider, model, state ORDER BY COUNT(*) DESC, provider, model, state LIMIT $2`, org, limit)
}
