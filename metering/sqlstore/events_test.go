package sqlstore_test

import (
	"path/filepath"
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqlstore"
)

// engines are the URLs of an empty database on every engine.
func engines() map[string]func(t *testing.T) string {
	return map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "weir.db") },
		"postgres": func(t *testing.T) string { return meteringtest.Postgres(t) },
	}
}

func open(t *testing.T, url string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestEventStore(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestEventStore(t, func(t *testing.T) meteringtest.EventStore { return open(t, url(t)) })
		})
	}
}
