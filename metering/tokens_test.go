package metering_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

func someTokens() *rapid.Generator[metering.Tokens] {
	return rapid.Custom(func(rt *rapid.T) metering.Tokens {
		var out metering.Tokens
		for range rapid.IntRange(0, 8).Draw(rt, "cells") {
			c := rapid.IntRange(0, metering.NumCells-1).Draw(rt, "cell")
			out[c] = rapid.Int64Range(-10, 1_000_000_000).Draw(rt, "count")
		}
		return out
	})
}

// TestCell: names, directions and parts of all cells agree and no two cells
// share a name.
func TestCell(t *testing.T) {
	t.Parallel()
	caches := []metering.Cache{metering.CacheNone, metering.CacheRead, metering.CacheWrite5m, metering.CacheWrite30m, metering.CacheWrite1h}
	modalities := []metering.Modality{metering.Text, metering.Audio, metering.Image, metering.Video, metering.Document}
	seen := map[metering.Cell]string{}
	check := func(c metering.Cell, input bool, cache metering.Cache, m metering.Modality, reasoning bool) {
		t.Helper()
		if other, twice := seen[c]; twice {
			t.Errorf("%s is the same cell as %s", c, other)
		}
		seen[c] = c.String()
		if c.IsInput() != input || c.Cache() != cache || c.Modality() != m || c.Reasoning() != reasoning {
			t.Errorf("%s: input %v, cache %d, modality %d, reasoning %v", c, c.IsInput(), c.Cache(), c.Modality(), c.Reasoning())
		}
		if back, err := metering.ParseCell(c.String()); err != nil || back != c {
			t.Errorf("ParseCell(%s) = %s, %v", c, back, err)
		}
	}
	for _, m := range modalities {
		for _, cache := range caches {
			check(metering.InputCell(cache, m), true, cache, m, false)
		}
		check(metering.OutputCell(false, m), false, metering.CacheNone, m, false)
		check(metering.OutputCell(true, m), false, metering.CacheNone, m, true)
	}
	if len(seen) != metering.NumCells {
		t.Errorf("there are %d cells, NumCells is %d", len(seen), metering.NumCells)
	}
	for _, bad := range []string{"", "inputs", "cell(35)", "Output"} {
		if _, err := metering.ParseCell(bad); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("ParseCell(%q) = %v, want ErrInvalid", bad, err)
		}
	}
	if got := metering.Cell(200).String(); got != "cell(200)" {
		t.Errorf("a cell that does not exist is called %q", got)
	}
}

// TestTokens_partition covers B05 for the views: whatever the cells, the classes
// are disjoint and lose nothing, and input and output are all there is.
func TestTokens_partition(t *testing.T) {
	t.Parallel()
	for c := range metering.NumCells {
		var one metering.Tokens
		one[c] = 7
		if total := one.Classes().Total(); total != 7 {
			t.Errorf("7 tokens of %s are %d in classes", metering.Cell(c), total)
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := someTokens().Draw(rt, "a"), someTokens().Draw(rt, "b")
		var sum int64
		for _, v := range a {
			sum += v
		}
		if got := a.Input() + a.Output(); got != sum {
			rt.Errorf("input and output are %d of %d tokens", got, sum)
		}
		if got := a.Classes().Total(); got != sum {
			rt.Errorf("the classes are %d of %d tokens", got, sum)
		}
		both := a
		both.Add(&b)
		for c := range both {
			if both[c] != a[c]+b[c] {
				rt.Errorf("%s: %d + %d = %d", metering.Cell(c), a[c], b[c], both[c])
			}
		}
	})
}

// TestTokens_Classes pins which cell is in which class: cache state and
// reasoning decide before modality.
func TestTokens_Classes(t *testing.T) {
	t.Parallel()
	f := func(cells string, want metering.Classes) {
		t.Helper()
		var tokens metering.Tokens
		if err := json.Unmarshal([]byte(cells), &tokens); err != nil {
			t.Fatal(err)
		}
		if got := tokens.Classes(); got != want {
			t.Errorf("%s: got %+v, want %+v", cells, got, want)
		}
	}
	f(`{"input":1,"input.video":2,"input.document":4}`, metering.Classes{Input: 7})
	f(`{"input.audio":1,"input.image":2}`, metering.Classes{AudioInput: 1, ImageInput: 2})
	f(`{"cache_read":1,"cache_read.audio":2,"cache_read.image":4}`, metering.Classes{CacheRead: 7})
	f(`{"cache_write_5m":1,"cache_write_30m":2,"cache_write_1h":4,"cache_write_1h.image":8}`, metering.Classes{CacheWrite: 15})
	f(`{"output":1,"output.video":2,"output.document":4}`, metering.Classes{Output: 7})
	f(`{"output.audio":1,"output.image":2}`, metering.Classes{AudioOutput: 1, ImageOutput: 2})
	f(`{"reasoning":1,"reasoning.audio":2,"reasoning.image":4}`, metering.Classes{Reasoning: 7})
}

func TestTokens_JSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		tokens := someTokens().Draw(rt, "tokens")
		b, err := json.Marshal(tokens)
		if err != nil {
			rt.Fatal(err)
		}
		back := metering.Tokens{1, 2, 3}
		if err := json.Unmarshal(b, &back); err != nil || back != tokens {
			rt.Errorf("%s reads %s, %v; want %s", b, back, err, tokens)
		}
	})
	if b, err := json.Marshal(metering.Tokens{}); err != nil || string(b) != "{}" {
		t.Errorf("no tokens are %s, %v", b, err)
	}
	for _, bad := range []string{`{"tokens":1}`, `{"input":1.5}`, `{"input":"1"}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(metering.Tokens)); err == nil {
			t.Errorf("%s was read as tokens", bad)
		}
	}
}

func TestTokens_String(t *testing.T) {
	t.Parallel()
	var tokens metering.Tokens
	tokens[metering.InputCell(metering.CacheRead, metering.Text)] = 3
	tokens[metering.OutputCell(true, metering.Text)] = 4
	if got := tokens.String(); got != "cache_read=3 reasoning=4" {
		t.Errorf("got %q", got)
	}
	if strings.TrimSpace(metering.Tokens{}.String()) != "" {
		t.Error("no tokens have a text")
	}
}

// TestUsage_flags: a flag is set once, and a total that the cells do not reach
// is flagged and left alone.
func TestUsage_flags(t *testing.T) {
	t.Parallel()
	u := metering.Usage{Total: 5, HasTotal: true}
	u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 4
	u.Reconcile()
	u.Reconcile()
	if len(u.Flags) != 1 || !u.Flagged(metering.FlagTotalMismatch) || u.Total != 5 {
		t.Errorf("got flags %v and total %d", u.Flags, u.Total)
	}
	for _, u := range []metering.Usage{{}, {Total: 5}, {HasTotal: true}} {
		if u.Reconcile(); len(u.Flags) != 0 {
			t.Errorf("%+v is flagged", u)
		}
	}
}

// TestEvent_Estimated covers B06: only what a provider reported, and what has no
// usage, is not an estimate.
func TestEvent_Estimated(t *testing.T) {
	t.Parallel()
	for state, want := range map[metering.UsageState]bool{
		metering.UsageNone: false, metering.UsageExact: false,
		metering.UsagePartial: true, metering.UsageEstimated: true, metering.UsageUnknown: true,
	} {
		e := metering.Event{Usage: metering.Usage{State: state}}
		if e.Estimated() != want {
			t.Errorf("%s: %v", state, !want)
		}
	}
}
