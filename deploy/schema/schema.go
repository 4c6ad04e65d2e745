// Package schema holds the tables of every engine and brings a database to
// them. Migrations expand first and contract a release later, so that two
// releases can share a database.
package schema

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed sqlite/*.sql postgres/*.sql
var files embed.FS

// Engines.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// ErrNewer says that a later release has migrated the database.
var ErrNewer = errors.New("the database was migrated by a later release")

// Migrate brings the database to the schema of this release and returns its
// version. Processes that start together wait for each other.
func Migrate(ctx context.Context, db *sql.DB, engine string) (int64, error) {
	dir, err := fs.Sub(files, engine)
	if err != nil {
		return 0, fmt.Errorf("schema of %q: %w", engine, err)
	}
	dialect, options := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if engine == Postgres {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return 0, fmt.Errorf("lock of the schema: %w", err)
		}
		dialect, options = goose.DialectPostgres, append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(dialect, db, dir, options...)
	if err != nil {
		return 0, fmt.Errorf("migrations of %s: %w", engine, err)
	}
	version, err := up(ctx, p)
	for range sqliteTries {
		if err == nil || engine != SQLite || errors.Is(err, ErrNewer) || ctx.Err() != nil {
			break
		}
		// There is no lock across the migrations of SQLite. Each is a transaction
		// that waits for the other process and then finds its tables there; the
		// next look finds that they are.
		version, err = up(ctx, p)
	}
	return version, err
}

// sqliteTries is more often than there are migrations.
const sqliteTries = 20

func up(ctx context.Context, p *goose.Provider) (int64, error) {
	sources := p.ListSources()
	latest := sources[len(sources)-1].Version
	have, err := p.GetDBVersion(ctx)
	if err != nil {
		return 0, fmt.Errorf("version of the schema: %w", err)
	}
	if have > latest {
		return have, fmt.Errorf("%w: it is at version %d, this release knows %d; start the later release, or restore a copy", ErrNewer, have, latest)
	}
	if _, err := p.Up(ctx); err != nil {
		return have, fmt.Errorf("migrate the database: %w", err)
	}
	return latest, nil
}
