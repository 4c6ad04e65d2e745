package meteringtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/weirhq/weir/metering/meteringtest"
)

func TestPostgres_DatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := meteringtest.Postgres(t), meteringtest.Postgres(t)
	if first == second {
		t.Fatal("two tests would share a database")
	}
	for _, dsn := range []string{first, second} {
		conn, err := pgx.Connect(t.Context(), dsn)
		if err != nil {
			t.Fatal(err)
		}
		// It fails the second time if both are the same database.
		if _, err := conn.Exec(t.Context(), "CREATE TABLE here (n int)"); err != nil {
			t.Error(err)
		}
		// Left open: the database goes all the same.
	}
}

func TestRedis_DatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	first, second := meteringtest.Redis(t), meteringtest.Redis(t)
	if first == second {
		t.Fatal("two tests would share a database")
	}
	for _, addr := range []string{first, second} {
		opts, err := redis.ParseURL(addr)
		if err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(opts)
		set, err := c.SetNX(t.Context(), "here", 1, 0).Result()
		if err != nil || !set {
			t.Errorf("set on an empty database: %v, %v", set, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
