package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/redis"
)

// One hash per slot, whose fields are bounded: windows that ended, answers that
// are old and holds that are closed go.
func TestCounter_hashStaysSmall(t *testing.T) {
	url := meteringtest.Redis(t)
	c, client := openAt(t, url, redis.Options{Grace: time.Microsecond}), dial(t, url)
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	fields := func() int64 {
		t.Helper()
		keys, err := client.Keys(t.Context(), "*").Result()
		if err != nil || len(keys) != 1 || !strings.HasSuffix(keys[0], "{org:customer}") {
			t.Fatalf("keys %q, want one that ends in the hash tag: %v", keys, err)
		}
		n, err := client.HLen(t.Context(), keys[0]).Result()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for n := range 3 * admission.Remembered {
		limit := int64(100)
		if n%3 == 0 {
			limit = 0
		}
		if _, err := c.Admit(t.Context(), hold(n, w, limit, 1)); err != nil {
			t.Fatal(err)
		}
		seq := uint64(n + 1)
		if results, err := c.Settle(t.Context(), []metering.Settlement{fact(w, seq-1, seq, n, 0)}); err != nil || results[0] != nil {
			t.Fatalf("%v, %v", results, err)
		}
	}
	// v, s, n, one window, one position and perhaps e; two for each answer.
	if n := fields(); n > 6+2*admission.Remembered {
		t.Errorf("%d fields when nothing is held", n)
	}

	before := fields()
	soon := metering.Window{Unit: metering.UnitTokens, Start: 1, End: now() + second/2}
	var add []metering.Addition
	for n := range 200 {
		soon.Key = fmt.Sprint("key ", n)
		add = append(add, metering.Addition{Window: soon, Amount: 1})
	}
	seq := uint64(3*admission.Remembered + 1)
	f := metering.Settlement{Slot: slot, Journal: "journal", Prev: seq - 1, Seq: seq, ID: metering.ID{15: 1}, Add: add}
	if results, err := c.Settle(t.Context(), []metering.Settlement{f}); err != nil || results[0] != nil {
		t.Fatalf("%v, %v", results, err)
	}
	if n := fields(); n < before+200 {
		t.Fatalf("%d fields with 200 windows more than %d", n, before)
	}
	meteringtest.PassByWaiting(t, time.Second)
	// The search for ended windows is at most every ten minutes, which are over.
	key := client.Keys(t.Context(), "*").Val()[0]
	if err := client.HSet(t.Context(), key, "s", 0).Err(); err != nil {
		t.Fatal(err)
	}
	w.Key = "new"
	f = fact(w, seq, seq+1, 1, 1)
	if results, err := c.Settle(t.Context(), []metering.Settlement{f}); err != nil || results[0] != nil {
		t.Fatalf("%v, %v", results, err)
	}
	if n := fields(); n > before+1 {
		t.Errorf("%d fields after 200 windows ended, want %d", n, before+1)
	}
}

func TestCounter_slotIsFull(t *testing.T) {
	url := meteringtest.Redis(t)
	c, client := openAt(t, url, redis.Options{}), dial(t, url)
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	key := client.Keys(t.Context(), "*").Val()[0]
	fill := make([]any, 0, 2*4096)
	for n := range admission.MaxEntries {
		fill = append(fill, fmt.Sprint("x:", n), "")
		if len(fill) == cap(fill) || n == admission.MaxEntries-1 {
			if err := client.HSet(t.Context(), key, fill...).Err(); err != nil {
				t.Fatal(err)
			}
			fill = fill[:0]
		}
	}
	if _, err := c.Admit(t.Context(), hold(1, w, 10, 1)); !errors.Is(err, admission.ErrFull) {
		t.Errorf("admit: %v", err)
	}
	results, err := c.Settle(t.Context(), []metering.Settlement{fact(w, 0, 1, 1, 1)})
	if err != nil || !errors.Is(results[0], admission.ErrFull) {
		t.Errorf("settle: %v, %v", results, err)
	}
	s := metering.Snapshot{Slot: slot, Positions: map[string]uint64{"journal": 1}}
	if _, err := c.Restore(t.Context(), s); !errors.Is(err, admission.ErrFull) {
		t.Errorf("restore: %v", err)
	}
	counts(t, c, w, 0, 0)
}

// A slot is kept for its idle time, and never less than its longest hold.
func TestCounter_idleSlotsGo(t *testing.T) {
	url := meteringtest.Redis(t)
	client := dial(t, url)
	c := openAt(t, url, redis.Options{Idle: time.Hour})
	w := month()
	restore(t, c, metering.Snapshot{Slot: slot})
	key := client.Keys(t.Context(), "*").Val()[0]
	kept := func(least, most time.Duration) {
		t.Helper()
		ttl, err := client.PTTL(t.Context(), key).Result()
		if err != nil || ttl < least || ttl > most {
			t.Errorf("kept for %v, want %v to %v: %v", ttl, least, most, err)
		}
	}
	kept(59*time.Minute, time.Hour)
	h := hold(1, w, 10, 1)
	h.TTL = 10 * 3600 * second
	if _, err := c.Admit(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	kept(10*time.Hour+59*time.Minute, 11*time.Hour)
	if _, err := c.Settle(t.Context(), []metering.Settlement{fact(w, 0, 1, 2, 1)}); err != nil {
		t.Fatal(err)
	}
	kept(10*time.Hour+59*time.Minute, 11*time.Hour)

	c = openAt(t, url, redis.Options{Idle: 20 * time.Millisecond})
	other := metering.Slot{Org: "org", Customer: "other"}
	restore(t, c, metering.Snapshot{Slot: other})
	meteringtest.PassByWaiting(t, 50*time.Millisecond)
	if _, _, err := c.Totals(t.Context(), other, nil); !errors.Is(err, metering.ErrSlotLost) {
		t.Errorf("an idle slot: %v", err)
	}
}
