package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/redis"
)

const second = metering.Micros(time.Second / time.Microsecond)

func now() metering.Micros { return metering.MicrosOf(time.Now()) }

func month() metering.Window {
	return metering.Window{Unit: metering.UnitCost, Start: now() - 3600*second, End: now() + 30*86400*second}
}

var slot = metering.Slot{Org: "org", Customer: "customer"}

func hold(n int, w metering.Window, limit, amount int64) metering.Hold {
	return metering.Hold{
		Slot: slot, ID: metering.ID{0: 1, 14: byte(n >> 8), 15: byte(n)}, TTL: 600 * second, Now: now(),
		Claims: []metering.Claim{{Window: w, Limit: limit, Amount: amount}},
	}
}

func fact(w metering.Window, prev, seq uint64, n int, amount int64) metering.Settlement {
	return metering.Settlement{
		Slot: slot, Journal: "journal", Prev: prev, Seq: seq, ID: metering.ID{0: 1, 14: byte(n >> 8), 15: byte(n)},
		Add: []metering.Addition{{Window: w, Amount: amount}},
	}
}

func restore(t testing.TB, c metering.Counter, s metering.Snapshot) {
	t.Helper()
	if ok, err := c.Restore(t.Context(), s); !ok || err != nil {
		t.Fatalf("restore = %v, %v", ok, err)
	}
}

func counts(t testing.TB, c metering.Counter, w metering.Window, used, held int64) {
	t.Helper()
	u, h, err := c.Totals(t.Context(), slot, []metering.Window{w})
	if err != nil || u[0] != used || h[0] != held {
		t.Fatalf("used %v and held %v, want %d and %d: %v", u, h, used, held, err)
	}
}

// A reply is lost, cut or never comes, or the command never arrives: the caller
// does not know which and asks again until there is an answer. F6, I3.
func TestCounter_lostReplies(t *testing.T) {
	base := meteringtest.Redis(t)
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := newLossy(t, u.Host)
	u.Host = proxy.addr()
	c := openAt(t, u.String(), redis.Options{Timeout: 50 * time.Millisecond})
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	model := admission.NewSlot(0)

	random := rand.New(rand.NewPCG(6, 6))
	proxy.set(func() fate {
		if random.IntN(2) == 0 {
			return delivered
		}
		return []fate{dropped, cut, neverAsked, dropped, cut, neverAsked, swallowed}[random.IntN(7)]
	})
	var used int64
	for n := range 150 {
		h := hold(n, w, 1<<40, int64(n)+1<<33)
		want, _ := model.Admit(&h, now())
		if got := insist(t, func() (metering.Decision, error) { return c.Admit(t.Context(), h) }); got != want {
			t.Fatalf("hold %d: %+v, want %+v", n, got, want)
		}
		var batch []metering.Settlement
		for i := range 3 { // a pipeline of one script with three facts
			seq := uint64(3*n + i + 1)
			batch = append(batch, fact(w, seq-1, seq, n, int64(n+i)))
			if err := model.Settle(&batch[i], now()); err != nil {
				t.Fatal(err)
			}
			used += int64(n + i)
		}
		results := insist(t, func() ([]error, error) { return c.Settle(t.Context(), batch) })
		if err := errors.Join(results...); err != nil {
			t.Fatalf("settle: %v", err)
		}
		if n%10 == 0 {
			s := metering.Snapshot{
				Slot: slot, Positions: map[string]uint64{"journal": uint64(3*n + 3)},
				Totals: []metering.Addition{{Window: w, Amount: used}},
			}
			if !insist(t, func() (bool, error) { return c.Restore(t.Context(), s) }) {
				t.Fatal("a snapshot of the present was not taken")
			}
		}
	}
	proxy.set(nil)
	counts(t, c, w, used, 0)
	if n := proxy.losses(); n < 100 {
		t.Errorf("only %d replies were lost", n)
	}
}

// insist asks until there is an answer.
func insist[T any](t testing.TB, ask func() (T, error)) T {
	t.Helper()
	var got T
	err := errors.New("not asked")
	for tries := 0; err != nil && tries < 100; tries++ {
		got, err = ask()
	}
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	return got
}

// Down when it is opened, back, restarted empty, and stopped in the middle of a
// wait: no operation takes longer than its timeout, and none needs a new
// counter. F5, F7.
func TestCounter_serverComesAndGoes(t *testing.T) {
	s := newServer(t)
	s.stop()
	started := time.Now()
	c := openAt(t, s.url(), redis.Options{Timeout: time.Second})
	w := month()
	if err := c.Ping(t.Context()); err == nil {
		t.Error("a server that is down answered a ping")
	}
	if _, err := c.Admit(t.Context(), hold(1, w, 10, 1)); err == nil || errors.Is(err, metering.ErrSlotLost) {
		t.Errorf("admit without a server: %v", err)
	}
	if results, err := c.Settle(t.Context(), []metering.Settlement{fact(w, 0, 1, 1, 1)}); err == nil || results != nil {
		t.Errorf("settle without a server: %v, %v", results, err)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("four operations without a server took %v", took)
	}

	s.start()
	eventually(t, func() error { return c.Ping(t.Context()) })
	restore(t, c, metering.Snapshot{Slot: slot, Positions: map[string]uint64{"journal": 5}})
	if _, err := c.Admit(t.Context(), hold(1, w, 10, 1)); err != nil {
		t.Error(err)
	}

	// Restarted, it has neither the slot nor the scripts.
	s.stop()
	s.start()
	eventually(t, func() error { return c.Ping(t.Context()) })
	if _, err := c.Admit(t.Context(), hold(1, w, 10, 1)); !errors.Is(err, metering.ErrSlotLost) {
		t.Errorf("admit after a restart: %v", err)
	}
	restore(t, c, metering.Snapshot{Slot: slot, Positions: map[string]uint64{"journal": 5}})

	s.freeze()
	started = time.Now()
	_, err := c.Admit(t.Context(), hold(2, w, 10, 1))
	if took := time.Since(started); err == nil || took > 3*time.Second {
		t.Errorf("admit on a server that hangs took %v: %v", took, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	started = time.Now()
	_, err = c.Admit(ctx, hold(2, w, 10, 1))
	if took := time.Since(started); err == nil || took > 700*time.Millisecond {
		t.Errorf("a context of 20 ms on a server that hangs: %v after %v", err, took)
	}
	s.thaw()
	answer := insist(t, func() (metering.Decision, error) { return c.Admit(t.Context(), hold(2, w, 10, 1)) })
	if !answer.Allowed || answer.Left != 9 {
		t.Errorf("after the wait: %+v", answer)
	}
	counts(t, c, w, 0, 1)
}

// Scripts are flushed between and within operations.
func TestCounter_scriptsAreForgotten(t *testing.T) {
	url := meteringtest.Redis(t)
	c, client := openAt(t, url, redis.Options{}), dial(t, url)
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	var seq uint64
	for n := range 5 {
		if err := client.ScriptFlush(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Admit(t.Context(), hold(n, w, 100, 1)); err != nil {
			t.Fatal(err)
		}
		batch := make([]metering.Settlement, 100) // several scripts in the pipeline
		for i := range batch {
			seq++
			batch[i] = fact(w, seq-1, seq, n, 1)
		}
		results, err := c.Settle(t.Context(), batch)
		if err := errors.Join(append(results, err)...); err != nil {
			t.Fatal(err)
		}
	}
	counts(t, c, w, 500, 0)
}

// A server that is full refuses before anything is written; what it has stays.
// A settlement that releases a hold begins with that, and applies whole.
func TestCounter_serverIsFull(t *testing.T) {
	s := newServer(t)
	c, client := openAt(t, s.url(), redis.Options{}), dial(t, s.url())
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	if _, err := c.Admit(t.Context(), hold(1, w, 100, 7)); err != nil {
		t.Fatal(err)
	}
	set := func(bytes string) {
		t.Helper()
		if err := client.ConfigSet(t.Context(), "maxmemory", bytes).Err(); err != nil {
			t.Fatal(err)
		}
	}
	set("1")
	if _, err := c.Admit(t.Context(), hold(2, w, 100, 7)); err == nil || errors.Is(err, metering.ErrSlotLost) {
		t.Errorf("admit on a server without memory: %v", err)
	}
	held, other := fact(w, 0, 1, 1, 5), fact(w, 1, 2, 3, 50)
	if results, err := c.Settle(t.Context(), []metering.Settlement{held}); err != nil || results[0] != nil {
		t.Errorf("settle a hold on a server without memory: %v, %v", results, err)
	}
	if results, err := c.Settle(t.Context(), []metering.Settlement{other}); err == nil {
		t.Errorf("settle on a server without memory: %v", results)
	}
	set("0")
	counts(t, c, w, 5, 0)
	if results, err := c.Settle(t.Context(), []metering.Settlement{held, other}); err != nil || results[0] != nil || results[1] != nil {
		t.Errorf("settle when there is memory again: %v, %v", results, err)
	}
	counts(t, c, w, 55, 0)
}

// A replica refuses writes; the error says so, and nothing is lost.
func TestCounter_serverBecomesReplica(t *testing.T) {
	s := newServer(t)
	c, client := openAt(t, s.url(), redis.Options{}), dial(t, s.url())
	restore(t, c, metering.Snapshot{Slot: slot})
	if err := client.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	w := month()
	if _, err := c.Admit(t.Context(), hold(1, w, 100, 7)); err == nil || errors.Is(err, metering.ErrSlotLost) {
		t.Errorf("admit on a replica: %v", err)
	}
	if err := client.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Admit(t.Context(), hold(1, w, 100, 7)); err != nil {
		t.Error(err)
	}
	counts(t, c, w, 0, 7)
}

// A failover brings back a slot as it was a while ago: the next fact finds the
// gap, and the database fills it. Row 8.
func TestCounter_fallsBack(t *testing.T) {
	url := meteringtest.Redis(t)
	c, client := openAt(t, url, redis.Options{}), dial(t, url)
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	settle := func(prev, seq uint64) error {
		t.Helper()
		results, err := c.Settle(t.Context(), []metering.Settlement{fact(w, prev, seq, int(seq), 10)})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	if err := settle(0, 1); err != nil {
		t.Fatal(err)
	}
	keys, err := client.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) != 1 {
		t.Fatalf("keys %v, want one: %v", keys, err)
	}
	old, err := client.Dump(t.Context(), keys[0]).Result()
	if err != nil {
		t.Fatal(err)
	}
	for seq := uint64(2); seq <= 4; seq++ {
		if err := settle(seq-1, seq); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.RestoreReplace(t.Context(), keys[0], time.Hour, old).Err(); err != nil {
		t.Fatal(err)
	}
	counts(t, c, w, 10, 0)
	if err := settle(4, 5); !errors.Is(err, metering.ErrSlotLost) {
		t.Fatalf("the gap after a failover: %v", err)
	}
	counts(t, c, w, 10, 0)
	restore(t, c, metering.Snapshot{Slot: slot, Positions: map[string]uint64{"journal": 5}, Totals: []metering.Addition{{Window: w, Amount: 50}}})
	if err := settle(4, 5); err != nil {
		t.Error(err)
	}
	counts(t, c, w, 50, 0)
	if err := settle(5, 6); err != nil {
		t.Error(err)
	}
	counts(t, c, w, 60, 0)
}

// The suite on a cluster, whose nodes refuse scripts that touch more than one
// slot of theirs.
func TestCounter_cluster(t *testing.T) {
	port := freePort(t)
	s := newServer(t, "--port", port, "--cluster-enabled", "yes")
	client := dial(t, s.url())
	if err := client.Do(t.Context(), "CLUSTER", "ADDSLOTSRANGE", "0", "16383").Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() error {
		info, err := client.ClusterInfo(t.Context()).Result()
		if err != nil || len(info) < 16 || info[:16] != "cluster_state:ok" {
			return fmt.Errorf("cluster: %q, %w", info, err)
		}
		return nil
	})
	meteringtest.TestCounter(t, func(t testing.TB) (metering.Counter, meteringtest.CounterControl) {
		t.Helper()
		if err := client.FlushDB(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		return openAt(t, "redis://127.0.0.1:"+port+"?cluster=true", redis.Options{}), control(client)
	})
}
