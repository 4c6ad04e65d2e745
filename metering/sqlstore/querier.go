package sqlstore

import (
	"context"

	"github.com/weirhq/weir/metering/sqldb"
)

// querier runs queries and knows whose database they run on.
type querier struct {
	sqldb.Tx
	s *Store
}

type condition = sqldb.Condition

func (s *Store) read() querier { return querier{s.db.Read(), s} }

// snapshot runs do on one instant of the database.
func (s *Store) snapshot(ctx context.Context, what string, do func(querier) error) error {
	return s.db.Snapshot(ctx, what, func(tx sqldb.Tx) error { return do(querier{tx, s}) })
}

// write runs do in a transaction, as [sqldb.DB.Write] does.
func (s *Store) write(ctx context.Context, what string, do func(querier) error) error {
	return s.db.Write(ctx, what, func(tx sqldb.Tx) error { return do(querier{tx, s}) })
}

// within bounds an instant; zero is without a bound.
func within(c *condition, column string, w span) {
	if w.from != 0 {
		c.And(column+" >= ?", int64(w.from))
	}
	if w.to != 0 {
		c.And(column+" < ?", int64(w.to))
	}
}

// eventsDuring is the condition on events of a customer, or of all where it is
// empty, that were authorised in a span.
func eventsDuring(org, customer string, w span) condition {
	var c condition
	c.And("org_id = ?", org)
	if customer != "" {
		c.And("customer = ?", pack(customer))
	}
	during(&c, w, customer == "")
	return c
}

// during bounds the instant of events. Those of all customers are found through
// the customers that have a rollup in the span, because the index leads with
// them.
func during(c *condition, w span, all bool) {
	within(c, "at", w)
	if !all || w.from == 0 && w.to == 0 {
		return
	}
	inner := condition{Args: c.Args, Parts: []string{"org_id = $1"}} // the first argument of every condition
	if w.from != 0 {
		inner.And("hour >= ?", int64(w.from.Hour()))
	}
	if w.to != 0 {
		inner.And("hour < ?", int64(w.to))
	}
	c.Args = inner.Args
	c.Parts = append(c.Parts, "customer IN (SELECT customer FROM rollups"+inner.Where()+")")
}
