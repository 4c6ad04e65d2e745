package sqldb

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

// Tx runs queries: on the database itself, or in a transaction.
type Tx struct {
	db *DB
	on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		QueryRowContext(context.Context, string, ...any) *sql.Row
		PrepareContext(context.Context, string) (*sql.Stmt, error)
	}
}

// Read returns a Tx on the database itself.
func (d *DB) Read() Tx { return Tx{d, d.reader} }

// Snapshot runs do on one instant of the database.
func (d *DB) Snapshot(ctx context.Context, what string, do func(Tx) error) (err error) {
	tx, err := d.reader.BeginTx(ctx, &sql.TxOptions{Isolation: d.steady(), ReadOnly: true})
	if err == nil {
		err = do(Tx{d, tx})
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
func (d *DB) steady() sql.IsolationLevel {
	if d.Engine == schema.Postgres {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault // a SQLite transaction does
}

// text is the engine's form of a SQL text, whose placeholders are $1, $2, ….
func (d *DB) text(query string) string {
	if d.Engine == schema.Postgres {
		return query
	}
	if t, ok := d.texts.Load(query); ok {
		return t.(string)
	}
	t := placeholders(query)
	d.texts.Store(query, t)
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

// Exec runs a statement and returns how many rows it changed.
func (q Tx) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	r, err := q.on.ExecContext(ctx, q.db.text(query), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Row runs a query of one row.
func (q Tx) Row(ctx context.Context, query string, args ...any) *sql.Row {
	return q.on.QueryRowContext(ctx, q.db.text(query), args...)
}

// Each calls scan for every row.
func (q Tx) Each(ctx context.Context, scan func(*sql.Rows) error, query string, args ...any) (err error) {
	rows, err := q.on.QueryContext(ctx, q.db.text(query), args...)
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

// Condition builds a WHERE clause, in which ? stands for the next argument.
type Condition struct {
	Parts []string
	Args  []any
}

// And adds a condition.
func (c *Condition) And(text string, args ...any) {
	for _, arg := range args {
		c.Args = append(c.Args, arg)
		text = strings.Replace(text, "?", "$"+strconv.Itoa(len(c.Args)), 1)
	}
	c.Parts = append(c.Parts, text)
}

// Where is the clause.
func (c *Condition) Where() string { return " WHERE " + strings.Join(c.Parts, " AND ") }

// Values writes n groups of width placeholders: ($1,$2),($3,$4).
func Values(n, width int) string {
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

// Absent turns no rows into metering.ErrNotFound.
func Absent(err error, what string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", what, metering.ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Engine is the engine that runs the queries.
func (q Tx) Engine() string { return q.db.Engine }

// Prepare prepares a statement for many executions.
func (q Tx) Prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	return q.on.PrepareContext(ctx, q.db.text(query))
}
