package redis_test

import (
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/redis"
)

// dial returns a client beside the counter, to look at and meddle with what it
// keeps.
func dial(t testing.TB, url string) *goredis.Client {
	t.Helper()
	opts, err := goredis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := goredis.NewClient(opts)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return client
}

// openAt waits longer than the default unless told otherwise: the machine that
// tests run on is busy.
func openAt(t testing.TB, url string, o redis.Options) *redis.Counter {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	c, err := redis.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

// control is of a counter whose clock is the server's, on this machine.
func control(client *goredis.Client) meteringtest.CounterControl {
	return meteringtest.CounterControl{
		Now:  func() metering.Micros { return metering.MicrosOf(time.Now()) },
		Pass: meteringtest.PassByWaiting,
		Lose: func(t testing.TB) {
			t.Helper()
			if err := client.FlushDB(t.Context()).Err(); err != nil {
				t.Errorf("flush: %v", err)
			}
		},
	}
}

func open(t testing.TB) (metering.Counter, meteringtest.CounterControl) {
	t.Helper()
	url := meteringtest.Redis(t)
	return openAt(t, url, redis.Options{}), control(dial(t, url))
}

func TestCounter(t *testing.T) { meteringtest.TestCounter(t, open) }

func BenchmarkCounter(b *testing.B) { meteringtest.BenchmarkCounter(b, open) }
