package meteringtest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

const (
	// EnvRedis names the Redis that tests may use all of.
	EnvRedis = "WEIR_TEST_REDIS_URL"
	// EnvPostgres names a PostgreSQL whose user may create databases.
	EnvPostgres = "WEIR_TEST_POSTGRES_URL"

	serviceTimeout = 30 * time.Second
)

// service returns the address of a service, or skips the test with one loud
// line. In continuous integration, where nothing may go untested, it fails.
func service(t testing.TB, env, name string) string {
	t.Helper()
	addr := os.Getenv(env)
	switch {
	case addr != "":
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not set: this test needs %s and CI=true forbids skipping", env, name)
	default:
		t.Skipf("SKIPPED, NOT TESTED: set %s to run this against %s", env, name)
	}
	return addr
}

// Postgres returns the URL of an empty database that is dropped when the test
// ends, whoever is still connected.
func Postgres(t testing.TB) string {
	t.Helper()
	base := service(t, EnvPostgres, "PostgreSQL")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s: %v", EnvPostgres, err)
	}
	var suffix [6]byte
	if _, err := rand.Read(suffix[:]); err != nil {
		t.Fatalf("name a database: %v", err)
	}
	name := "weir_test_" + hex.EncodeToString(suffix[:])
	// template0 does not carry what somebody put into template1.
	execPostgres(t, base, fmt.Sprintf("CREATE DATABASE %s TEMPLATE template0", name))
	t.Cleanup(func() { execPostgres(t, base, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", name)) })
	u.Path = "/" + name
	return u.String()
}

func execPostgres(t testing.TB, dsn, statement string) {
	t.Helper()
	// Not the test's context, which has ended when cleanup runs.
	ctx, cancel := context.WithTimeout(context.Background(), serviceTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to PostgreSQL: %v", err)
	}
	_, err = conn.Exec(ctx, statement)
	if err = errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Redis returns the URL of an empty Redis database that no other test uses
// until this one ends, in this process or another one.
func Redis(t testing.TB) string {
	t.Helper()
	base := service(t, EnvRedis, "Redis")
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s: %v", EnvRedis, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), serviceTimeout)
	defer cancel()
	u.Path = "/" + strconv.Itoa(lockRedisDatabase(ctx, t, base, u.Host))
	opts, err := redis.ParseURL(u.String())
	if err != nil {
		t.Fatalf("%s: %v", EnvRedis, err)
	}
	c := redis.NewClient(opts)
	err = c.FlushDB(ctx).Err()
	if err = errors.Join(err, c.Close()); err != nil {
		t.Fatalf("empty the Redis database: %v", err)
	}
	return u.String()
}

// lockRedisDatabase picks a database number by a file lock, which ends with the
// process that holds it and is not lost when a test flushes the whole server.
func lockRedisDatabase(ctx context.Context, t testing.TB, base, host string) int {
	t.Helper()
	n := redisDatabases(ctx, t, base)
	for {
		for db := 1; db < n; db++ {
			path := filepath.Join(os.TempDir(), fmt.Sprintf("weir-test-redis-%s-%d.lock", url.QueryEscape(host), db))
			if f, ok := lockFile(t, path); ok {
				t.Cleanup(func() {
					if err := f.Close(); err != nil {
						t.Errorf("release Redis database %d: %v", db, err)
					}
				})
				return db
			}
		}
		select {
		case <-ctx.Done():
			t.Fatalf("all %d Redis databases are in use by other tests", n-1)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func redisDatabases(ctx context.Context, t testing.TB, base string) int {
	t.Helper()
	opts, err := redis.ParseURL(base)
	if err != nil {
		t.Fatalf("%s: %v", EnvRedis, err)
	}
	c := redis.NewClient(opts)
	defer func() {
		if err := c.Close(); err != nil {
			t.Errorf("close Redis: %v", err)
		}
	}()
	config, err := c.ConfigGet(ctx, "databases").Result()
	if err != nil {
		t.Fatalf("ask Redis for its databases: %v", err)
	}
	n, err := strconv.Atoi(config["databases"])
	if err != nil || n < 2 {
		t.Fatalf("Redis has %q databases, tests need two or more", config["databases"])
	}
	return n
}

func lockFile(t testing.TB, path string) (*os.File, bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatalf("lock file: %v", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, true
	}
	if cerr := f.Close(); cerr != nil {
		t.Fatalf("close lock file: %v", cerr)
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatalf("lock %s: %v", path, err)
	}
	return nil, false
}
