package redis_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/redis"
)

func TestOpen_malformedURL(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "127.0.0.1:6379", "http://127.0.0.1:6379", "redis://127.0.0.1:6379/db", "redis://127.0.0.1:1/1/2",
		"redis://u:se%zzcret@127.0.0.1:6379", "redis://u:secret@127.0.0.1:6379?unknown=1", "redis://u:secret@127.0.0.1:port",
		"redis://u:secret@127.0.0.1:6379?addr=127.0.0.1:6380&unknown=1", "unix://",
	} {
		c, err := redis.Open(t.Context(), address, redis.Options{})
		if !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%q: %v, want ErrInvalid", address, err)
		}
		if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "zz")) {
			t.Errorf("the error shows the password: %v", err)
		}
		if c != nil {
			t.Errorf("%q: a counter besides the error", address)
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// Settings that endanger counters are warned of once, when they can be seen.
func TestOpen_warnings(t *testing.T) {
	t.Parallel()
	s := newServer(t, "--maxmemory-policy", "allkeys-lru")
	log := func() (*bytes.Buffer, redis.Options) {
		b := new(bytes.Buffer)
		return b, redis.Options{Logger: slog.New(slog.NewTextHandler(b, nil))}
	}
	warned, o := log()
	c := openAt(t, s.url(), o)
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(warned.String(), "maxmemory_policy=allkeys-lru"); n != 1 {
		t.Errorf("%d warnings of eviction, want 1:\n%s", n, warned)
	}

	s.stop()
	warned, o = log()
	c = openAt(t, s.url(), o)
	if !strings.Contains(warned.String(), "cannot be reached") {
		t.Errorf("no warning that the server is away:\n%s", warned)
	}
	s.start()
	eventually(t, func() error { return c.Ping(t.Context()) })
	if !strings.Contains(warned.String(), "maxmemory_policy=allkeys-lru") {
		t.Errorf("no warning of eviction once it could be seen:\n%s", warned)
	}
}

func TestOpen_noWarnings(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	openAt(t, meteringtest.Redis(t), redis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if log.Len() != 0 {
		t.Errorf("warned of a server that is as it should be:\n%s", &log)
	}
}
