package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// rowsPerInsert is how many rows a statement with a placeholder per value has.
const rowsPerInsert = 40

// column is a column of a bulk insert with its type in PostgreSQL.
type column struct{ name, kind string }

// bulk inserts rows. PostgreSQL gets one statement with an array per column: it
// is prepared once for any number of rows, and unlike COPY it can skip the rows
// that are there already. SQLite gets one row at a time, which costs no round
// trip.
type bulk struct {
	table   string
	columns []column
	// conflict is what follows ON CONFLICT.
	conflict string
	rows     [][]any
}

func (b *bulk) add(values ...any) { b.rows = append(b.rows, values) }

func (b *bulk) names() string {
	names := make([]string, len(b.columns))
	for i, c := range b.columns {
		names[i] = c.name
	}
	return strings.Join(names, ", ")
}

// sums gives the table columns whose values are added to what the rows with the
// same key have; the key is the columns so far.
func (b *bulk) sums(names string) {
	key := b.names()
	var adding []string
	for name := range strings.SplitSeq(names, ", ") {
		b.columns = append(b.columns, column{name, "bigint"})
		adding = append(adding, name+" = "+b.table+"."+name+" + excluded."+name)
	}
	b.conflict = "(" + key + ") DO UPDATE SET " + strings.Join(adding, ", ")
}

// run inserts or updates all rows. In PostgreSQL no two of them may have one key.
func (b *bulk) run(ctx context.Context, q querier) error {
	if len(b.rows) == 0 {
		return nil
	}
	if q.Engine() == schema.Postgres {
		_, err := q.Exec(ctx, b.unnest(), b.arrays()...)
		return err
	}
	return b.oneByOne(ctx, q, func(int, int64) {})
}

// fresh inserts and reports which rows were not there. The rows have distinct
// ids in a column named id; of several with another key in common the first
// counts.
func (b *bulk) fresh(ctx context.Context, q querier, ids []metering.ID) ([]bool, error) {
	out := make([]bool, len(b.rows))
	if len(b.rows) == 0 {
		return out, nil
	}
	if q.Engine() != schema.Postgres {
		err := b.oneByOne(ctx, q, func(i int, n int64) { out[i] = n == 1 })
		return out, err
	}
	index := make(map[metering.ID]int, len(ids))
	for i, id := range ids {
		if _, twice := index[id]; !twice {
			index[id] = i
		}
	}
	err := q.Each(ctx, func(r *sql.Rows) error {
		var id uidScan
		if err := r.Scan(&id); err != nil {
			return err
		}
		out[index[id.id]] = true
		return nil
	}, b.unnest()+" RETURNING id", b.arrays()...)
	return out, err
}

func (b *bulk) unnest() string {
	arrays := make([]string, len(b.columns))
	for i, c := range b.columns {
		arrays[i] = fmt.Sprintf("$%d::%s[]", i+1, c.kind)
	}
	return "INSERT INTO " + b.table + " (" + b.names() + ") SELECT * FROM unnest(" + strings.Join(arrays, ", ") + ") ON CONFLICT " + b.conflict
}

// arrays turns rows into one array per column.
func (b *bulk) arrays() []any {
	out := make([]any, len(b.columns))
	for c := range b.columns {
		array := make([]any, len(b.rows))
		for i, row := range b.rows {
			array[i] = row[c]
		}
		out[c] = array
	}
	return out
}

func (b *bulk) oneByOne(ctx context.Context, q querier, report func(row int, changed int64)) (err error) {
	statement, err := q.Prepare(ctx, "INSERT INTO "+b.table+" ("+b.names()+") VALUES "+sqldb.Values(1, len(b.columns))+" ON CONFLICT "+b.conflict)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, statement.Close()) }()
	// The driver starts a goroutine for each statement that can be cancelled; that
	// of one row, for which nobody else is waited for any more, need not be.
	whole := context.WithoutCancel(ctx)
	var others metering.Courtesy
	for i, row := range b.rows {
		others.Step()
		if err := ctx.Err(); err != nil {
			return err
		}
		result, err := statement.ExecContext(whole, row...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err != nil {
			return err
		}
		report(i, n)
	}
	return nil
}
