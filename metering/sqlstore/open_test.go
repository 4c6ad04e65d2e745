package sqlstore_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/schema"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqlstore"
)

// TestOpen_together: replicas that start on an empty database at once wait for
// each other.
func TestOpen_together(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := url(t)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					s, err := sqlstore.Open(t.Context(), address)
					if err != nil {
						t.Errorf("open: %v", err)
						return
					}
					if _, err := s.Health(t.Context()); err != nil {
						t.Errorf("health: %v", err)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestOpen_newer: a database that a later release has migrated is left alone.
func TestOpen_newer(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := url(t)
			if err := open(t, address).Close(); err != nil {
				t.Fatal(err)
			}
			db := beside(t, address)
			if _, err := db.ExecContext(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`); err != nil {
				t.Fatal(err)
			}
			_, err := sqlstore.Open(t.Context(), address)
			if !errors.Is(err, schema.ErrNewer) || !strings.Contains(err.Error(), "9999") {
				t.Errorf("open: %v, want that a later release was here", err)
			}
		})
	}
}

// TestOpen_refused: an address that leads nowhere says so, without the password
// in it (I12).
func TestOpen_refused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"mysql://u:secret@h/d", "postgres://u:secret@127.0.0.1:1/d?connect_timeout=1", "postgres://u:secret@h:notaport/d", "sqlite:/nowhere/at/all.db", "",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		s, err := sqlstore.Open(ctx, address)
		cancel()
		if err == nil {
			t.Errorf("%q was opened", address)
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			continue
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("the message has the password: %v", err)
		}
	}
}

// TestOpen_private: nobody else may read the file.
func TestOpen_private(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "with space", "weir.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, "sqlite:"+path)
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s has mode %o", path+suffix, mode)
		}
	}
}

// TestReadWhileWriting: readers of SQLite do not wait for its one writer.
func TestReadWhileWriting(t *testing.T) {
	t.Parallel()
	address := "sqlite:" + filepath.Join(t.TempDir(), "weir.db")
	s := open(t, address)
	db := beside(t, address+"?_txlock=immediate")
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // half of what a writer waits
	defer cancel()
	if _, _, err := s.Usage(ctx, metering.UsageQuery{Org: metering.DefaultOrg}); err != nil {
		t.Errorf("usage while another process writes: %v", err)
	}
	claimed := make(chan error, 1)
	go func() {
		_, err := s.ClaimJournal(ctx, metering.JournalClaim{Journal: "j", Nonce: "n"})
		claimed <- err
	}()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-claimed; err != nil {
		t.Errorf("a writer did not wait for the other: %v", err)
	}
}

// TestPartitions: an event lies in the partition of the month in which its id was
// made; what has none is kept all the same.
func TestPartitions(t *testing.T) {
	t.Parallel()
	address := meteringtest.Postgres(t)
	s := open(t, address)
	lease, err := s.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "j", Nonce: "n"})
	if err != nil {
		t.Fatal(err)
	}
	now, old := event(t, 1), event(t, 2)
	old.ID[0] = 0 // 1970
	if err := s.Ship(t.Context(), metering.Shipment{Lease: lease, To: 2, Events: []*metering.Event{now, old}}); err != nil {
		t.Fatal(err)
	}
	db := beside(t, address)
	for e, want := range map[*metering.Event]string{now: "events_" + time.Now().UTC().Format("2006_01"), old: "events_other"} {
		var have string
		if err := db.QueryRowContext(t.Context(), `SELECT tableoid::regclass::text FROM events WHERE id = $1`, e.ID.String()).Scan(&have); err != nil || have != want {
			t.Errorf("event %s lies in %s, %v, want %s", e.ID, have, err, want)
		}
	}
	// A month whose events came before its partition stays in the default one.
	month := time.Now().UTC().Format("2006_01")
	for _, statement := range []string{
		"ALTER TABLE events DETACH PARTITION events_" + month, "INSERT INTO events SELECT * FROM events_" + month, "DROP TABLE events_" + month,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	expect(t, open(t, address), 2)
}
