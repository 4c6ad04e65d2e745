// Package sqlstore keeps customers, keys, events, rollups and meters in SQLite
// or PostgreSQL through one SQL text.
package sqlstore

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

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	engine  string
	version int64
	writer  *sql.DB // SQLite has one writer at a time
	reader  *sql.DB

	texts sync.Map // SQL text → the engine's own

	meters     meterCache
	partitions partitions
	inflaters  inflaters
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
	return s, nil
}

// redact keeps a password in a URL out of messages.
func redact(err error) error {
	if _, ok := errors.AsType[*pgconn.ParseConfigError](err); ok {
		return errors.New("the URL cannot be read")
	}
	return err
}

func (s *Store) openSQLite(path string) error {
	s.engine = schema.SQLite
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
	if s.writer, err = sql.Open("sqlite", dsn+"&_txlock=immediate"); err != nil {
		return fmt.Errorf("open SQLite: %w", err)
	}
	s.writer.SetMaxOpenConns(1)
	if s.reader, err = sql.Open("sqlite", dsn+"&_pragma=query_only(ON)"); err != nil {
		return errors.Join(fmt.Errorf("open SQLite: %w", err), s.writer.Close())
	}
	s.reader.SetMaxOpenConns(4)
	return nil
}

func (s *Store) openPostgres(address string) error {
	s.engine = schema.Postgres
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
	s.writer, s.reader = db, db
	return nil
}

// Close closes every connection.
func (s *Store) Close() error {
	err := s.writer.Close()
	if s.reader != s.writer {
		err = errors.Join(err, s.reader.Close())
	}
	if err != nil {
		return fmt.Errorf("close the database: %w", err)
	}
	return nil
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
	conn, err := s.writer.Conn(ctx)
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
	if err := do(querier{s, tx}); err != nil {
		if rollback := tx.Rollback(); rollback != nil && !errors.Is(rollback, sql.ErrTxDone) && !lost(rollback) {
			return errors.Join(err, rollback)
		}
		return err
	}
	return tx.Commit()
}
