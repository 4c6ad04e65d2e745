// Package sqldb opens SQLite or PostgreSQL and runs one SQL text on either: in
// transactions that are run again where the engine asks for that, or on one
// instant of the database.
package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
)

const (
	// writeTries is how often a transaction is run before its caller is told;
	// with the pauses between them, within a second.
	writeTries = 8
	maxOpen    = 16
)

// DB is an open database. Its methods are safe for concurrent use.
type DB struct {
	Engine  string // schema.SQLite or schema.Postgres
	Version int64  // of the schema

	writer *sql.DB // SQLite has one writer at a time
	reader *sql.DB

	texts sync.Map // SQL text → the engine's own
}

// Open opens the database at a URL, sqlite:/path or postgres://…, and brings it
// to the schema of this release.
func Open(ctx context.Context, address string) (*DB, error) {
	d := &DB{}
	var err error
	switch {
	case strings.HasPrefix(address, "sqlite:"):
		err = d.openSQLite(strings.TrimPrefix(address, "sqlite:"))
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		err = d.openPostgres(address)
	default:
		return nil, fmt.Errorf("a database URL begins with sqlite: or postgres://: %w", metering.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	if err := d.reach(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reach the database: %w", redact(err)), d.Close())
	}
	if d.Version, err = schema.Migrate(ctx, d.writer, d.Engine); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// openTries is how often a file that others are opening too is tried, for some
// seconds: while one of them makes it a WAL file, SQLite answers BUSY at once,
// whatever the busy timeout says.
const openTries = 20

func (d *DB) reach(ctx context.Context) error {
	for try := 1; ; try++ {
		err := d.writer.PingContext(ctx)
		if err == nil || d.Engine != schema.SQLite || !again(err) || try == openTries {
			return err
		}
		timer := time.NewTimer(time.Duration(try) * 20 * time.Millisecond)
		select {
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-timer.C:
		}
	}
}

// redact keeps a password in a URL out of messages.
func redact(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return errors.New("the URL cannot be read")
	}
	return err
}

func (d *DB) openSQLite(path string) error {
	d.Engine = schema.SQLite
	// SQLite would make the file readable for everybody; what it makes beside it
	// takes the mode of the file.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(ON)", "cache_size(-32768)", "wal_autocheckpoint(4000)"}}
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
	// A write transaction takes the lock when it begins, so that it waits for
	// another process then and does not fail in its middle.
	if d.writer, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	d.writer.SetMaxOpenConns(1)
	if d.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(ON)"); err != nil {
		return errors.Join(fmt.Errorf("open SQLite: %w", err), d.writer.Close())
	}
	d.reader.SetMaxOpenConns(4)
	return nil
}

func (d *DB) openPostgres(address string) error {
	d.Engine = schema.Postgres
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return fmt.Errorf("open PostgreSQL: %w", redact(err))
	}
	if config.ValidateConnect == nil {
		config.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	for name, value := range map[string]string{
		"application_name": "weir",
		// A process that stops in the middle of a transaction must not hold the
		// rows of its journal against the one that takes over.
		"idle_in_transaction_session_timeout": "60000",
	} {
		if _, set := config.RuntimeParams[name]; !set {
			config.RuntimeParams[name] = value
		}
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(maxOpen)
	db.SetMaxIdleConns(maxOpen / 2)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	d.writer, d.reader = db, db
	return nil
}

// Close closes every connection.
func (d *DB) Close() error {
	err := d.writer.Close()
	if d.reader != d.writer {
		err = errors.Join(err, d.reader.Close())
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
}

// Write runs do in a transaction, again if the engine asks for that or the
// connection is lost. do must come to the same whenever it is run: a commit
// whose reply was lost may have happened.
func (d *DB) Write(ctx context.Context, what string, do func(Tx) error) error {
	var err error
	for try := range writeTries {
		if err = d.attempt(ctx, do); err == nil || !again(err) || ctx.Err() != nil {
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

func (d *DB) attempt(ctx context.Context, do func(Tx) error) (err error) {
	conn, err := d.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil && readOnly(err) {
			// The pool must not hand it out again; what it is told is its answer.
			if end := conn.Raw(func(any) error { return driver.ErrBadConn }); !errors.Is(end, driver.ErrBadConn) {
				err = errors.Join(err, end)
			}
		}
		if end := conn.Close(); end != nil && !errors.Is(end, sql.ErrConnDone) {
			err = errors.Join(err, end)
		}
	}()
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(Tx{d, tx}); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) && !Lost(rollback) {
			return errors.Join(err, rollback)
		}
		return err
	}
	return tx.Commit()
}
