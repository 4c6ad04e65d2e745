// Package sqlstore keeps customers, keys, events, rollups and meters in SQLite
// or PostgreSQL through one SQL text.
package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"modernc.org/sqlite"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

const (
	writeTries = 8
	maxOpen    = 16
)

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	engine  string
	version int64
	writer  *sql.DB // SQLite has one writer at a time
	reader  *sql.DB

	texts    sync.Map // SQL text → the engine's own
	prepared sync.Map // SQL text → *sql.Stmt of the writer

	meters     meterCache
	partitions partitions
}

// Open opens the database at a URL, sqlite:/path or postgres://…, and brings it
// to the schema of this release.
func Open(ctx context.Context, address string) (*Store, error) {
	s := &Store{}
	var err error
	switch {
	case strings.HasPrefix(address, "sqlite:"):
		err = s.openSQLite(strings.TrimPrefix(address, "sqlite:"))
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		err = s.openPostgres(address)
	default:
		return nil, fmt.Errorf("a database URL begins with sqlite: or postgres://: %w", metering.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	if err := s.writer.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", redact(err)), s.Close())
	}
	if s.version, err = schema.Migrate(ctx, s.writer, s.engine); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.ensurePartitions(ctx, time.Now()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	for _, query := range hotTexts() {
		if err := s.prepare(ctx, query); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// redact keeps a password in a URL out of messages.
func redact(err error) error {
	var config *pgconn.ParseConfigError
	if errors.As(err, &config) {
		return errors.New("the URL cannot be read")
	}
	return err
}

func (s *Store) openSQLite(path string) error {
	s.engine = schema.SQLite
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(ON)", "cache_size(-32768)", "wal_autocheckpoint(4000)"}, "_txlock": {"immediate"}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	var err error
	if s.writer, err = sql.Open("sqlite", dsn); err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(ON)"); err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	s.reader.SetMaxOpenConns(4)
	return nil
}

func (s *Store) openPostgres(address string) error {
	s.engine = schema.Postgres
	db, err := sql.Open("pgx", address)
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", redact(err))
	}
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxOpen / 2)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	s.writer, s.reader = db, db
	return nil
}

// Close closes every connection.
func (s *Store) Close() error {
	err := s.writer.Close()
	if s.reader != s.writer && s.reader != nil {
		err = errors.Join(err, s.reader.Close())
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// text is the engine's form of a SQL text, whose placeholders are $1, $2, ….
func (s *Store) text(query string) string {
	if s.engine == schema.Postgres {
		return query
	}
	if t, ok := s.texts.Load(query); ok {
		return t.(string)
	}
	t := plain(query)
	s.texts.Store(query, t)
	return t
}

// plain writes placeholders as SQLite has them: without numbers where each
// stands once and in order, because it looks numbered ones up one by one
// (sqlite3VListNumToName), which is quadratic in an insert of many rows.
func plain(query string) string {
	parts := strings.Split(query, "$")
	ordered := true
	for i, part := range parts[1:] {
		number := strconv.Itoa(i + 1)
		rest, ok := strings.CutPrefix(part, number)
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

// querier runs queries: the database itself, or a transaction.
type querier struct {
	s  *Store
	on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
		QueryContext(context.Context, string, ...any) (*sql.Rows, error)
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}
}

func (s *Store) read() querier { return querier{s, s.reader} }

// exec runs a statement and returns how many rows it changed.
func (q querier) exec(ctx context.Context, query string, args ...any) (int64, error) {
	return affected(q.on.ExecContext(ctx, q.s.text(query), args...))
}

// hot is exec for a statement that every shipment runs: it is parsed once.
func (q querier) hot(ctx context.Context, query string, args ...any) (int64, error) {
	tx, ok := q.on.(*sql.Tx)
	if !ok {
		return q.exec(ctx, query, args...)
	}
	have, ok := q.s.prepared.Load(query)
	if !ok {
		// Within the transaction: SQLite has one writing connection, which is ours.
		fresh, err := tx.PrepareContext(ctx, q.s.text(query))
		if err != nil {
			return 0, err
		}
		return affected(fresh.ExecContext(ctx, args...))
	}
	return affected(tx.StmtContext(ctx, have.(*sql.Stmt)).ExecContext(ctx, args...))
}

// prepare parses a statement for hot, before there are transactions.
func (s *Store) prepare(ctx context.Context, query string) error {
	stmt, err := s.writer.PrepareContext(ctx, s.text(query))
	if err != nil {
		return fmt.Errorf("prepare %.60q: %w", query, err)
	}
	s.prepared.Store(query, stmt)
	return nil
}

func affected(r sql.Result, err error) (int64, error) {
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

// write runs do in a transaction, again if the engine asks for that or the
// connection is lost. do must come to the same whenever it is run: a commit
// whose reply was lost may have happened.
func (s *Store) write(ctx context.Context, what string, do func(querier) error) error {
	var err error
	for try := range writeTries {
		if err = s.attempt(ctx, do); err == nil || !again(err) || ctx.Err() != nil {
			break
		}
		timer := time.NewTimer(time.Duration(try+1) * 20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
		case <-timer.C:
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (s *Store) attempt(ctx context.Context, do func(querier) error) (err error) {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) {
				err = errors.Join(err, rollback)
			}
		}
	}()
	if err := do(querier{s, tx}); err != nil {
		return err
	}
	return tx.Commit()
}

// again reports errors after which the whole transaction can be run again.
func again(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "40", "57", "53": // serialization and deadlock, shutdown, resources
			return true
		}
		return false
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		code := lite.Code() & 0xff
		return code == 5 || code == 6 // SQLITE_BUSY, SQLITE_LOCKED
	}
	return false
}

// refused reports that the database will never take what it was given.
func refused(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code[:2] {
		case "21", "22", "23", "54": // cardinality, data, integrity, limits
			return true
		}
		return false
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case 18, 19, 20, 25: // too big, constraint, mismatch, range
			return true
		}
	}
	return false
}

// taken reports a value that has to be unique and is not.
func taken(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && (lite.Code() == 2067 || lite.Code() == 1555)
}

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

// storable refuses text that no engine keeps.
func storable(texts ...string) error {
	for _, t := range texts {
		if !clean(t) {
			return fmt.Errorf("text %.40q is not valid UTF-8, or has NUL: %w", t, metering.ErrInvalid)
		}
	}
	return nil
}
