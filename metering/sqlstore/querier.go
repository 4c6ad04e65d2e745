package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

// querier runs queries: on the database itself, or in a transaction.
type querier struct {
	s  *Store
	on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		QueryRowContext(context.Context, string, ...any) *sql.Row
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	}
}

func (s *Store) read() querier { return querier{s, s.reader} }

// snapshot runs do on one instant of the database.
func (s *Store) snapshot(ctx context.Context, what string, do func(querier) error) (err error) {
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{Isolation: s.steady(), ReadOnly: true})
	if err == nil {
		err = do(querier{s, tx})
		if end := tx.Rollback(); err == nil && !errors.Is(end, sql.ErrTxDone) {
			err = end
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// steady is the isolation under which several reads see one instant.
func (s *Store) steady() sql.IsolationLevel {
	if s.engine == schema.Postgres {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault // a SQLite transaction does
}

// text is the engine's form of a SQL text, whose placeholders are $1, $2, ….
func (s *Store) text(query string) string {
	if s.engine == schema.Postgres {
		return query
	}
	if t, ok := s.texts.Load(query); ok {
		return t.(string)
	}
	t := placeholders(query)
	s.texts.Store(query, t)
	return t
}

// placeholders writes them as SQLite has them: without numbers where each stands
// once and in order, because it looks numbered ones up one by one
// (sqlite3VListNumToName), which is quadratic in their number.
func placeholders(query string) string {
	parts := strings.Split(query, "$")
	ordered := true
	for i, part := range parts[1:] {
		rest, ok := strings.CutPrefix(part, strconv.Itoa(i+1))
		ordered = ordered && ok && (rest == "" || rest[0] < '0' || rest[0] > '9')
	}
	if !ordered {
		return strings.Join(parts, "?")
	}
	var b strings.Builder
	b.WriteString(parts[0])
	for i, part := range parts[1:] {
		b.WriteByte('?')
		b.WriteString(strings.TrimPrefix(part, strconv.Itoa(i+1)))
	}
	return b.String()
}

// exec runs a statement and returns how many rows it changed.
func (q querier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := q.on.ExecContext(ctx, q.s.text(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

func (q querier) row(ctx context.Context, query string, args ...any) *sql.Row {
	return q.on.QueryRowContext(ctx, q.s.text(query), args...)
}

// each calls scan for every row.
func (q querier) each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := q.on.QueryContext(ctx, q.s.text(query), args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// condition builds a WHERE clause, in which ? stands for the next argument.
type condition struct {
	parts []string
	args  []any
}

func (c *condition) and(text string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.parts = append(c.parts, text)
}

// within bounds an instant; zero is without a bound.
func (c *condition) within(column string, w span) {
	if w.from != 0 {
		c.and(column+" >= ?", int64(w.from))
	}
	if w.to != 0 {
		c.and(column+" < ?", int64(w.to))
	}
}

// eventsDuring is the condition on events of a customer, or of all where it is
// empty, that were authorised in a span.
func eventsDuring(org, customer string, w span) condition {
	var c condition
	c.and("org_id = ?", org)
	if customer != "" {
		c.and("customer = ?", pack(customer))
	}
	c.during(w, customer == "")
	return c
}

// during bounds the instant of events. Those of all customers are found through
// the customers that have a rollup in the span, because the index leads with
// them.
func (c *condition) during(w span, all bool) {
	c.within("at", w)
	if !all || w.from == 0 && w.to == 0 {
		return
	}
	inner := condition{args: c.args, parts: []string{"org_id = $1"}} // the first argument of every condition
	if w.from != 0 {
		inner.and("hour >= ?", int64(w.from.Hour()))
	}
	if w.to != 0 {
		inner.and("hour < ?", int64(w.to))
	}
	c.args = inner.args
	c.parts = append(c.parts, "customer IN (SELECT customer FROM rollups"+inner.where()+")")
}

func (c *condition) where() string { return " WHERE " + strings.Join(c.parts, " AND ") }

// values writes n groups of width placeholders: ($1,$2),($3,$4).
func values(n, width int) string {
	var b strings.Builder
	arg := 1
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('(')
		for j := range width {
			if j > 0 {
				b.WriteByte(',')
			}
			b.WriteByte('$')
			b.WriteString(strconv.Itoa(arg))
			arg++
		}
		b.WriteByte(')')
	}
	return b.String()
}

// absent turns no rows into metering.ErrNotFound.
func absent(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, metering.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
