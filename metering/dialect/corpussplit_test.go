package dialect_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

const (
	// maxEveryCut is the largest answer that is cut in two at every offset.
	maxEveryCut = 16 << 10
	// apart is how far two cuts are from each other at least. One reading tries
	// several offsets of a longer answer.
	apart = 2 << 10
	// splits is how many random splits a larger answer is read in, within a budget
	// of bytes read. WEIR_TEST_SPLITS=all lifts it, and makes every cut the only one.
	splits      = 1000
	splitBudget = 32 << 20
	// sample is the share of cuts and splits that is taken with -short.
	sample = 128
	// workers is how many parts the corpus is shared out to.
	workers = 16
)

// TestCorpus_split: however an answer is cut, it reads as it does whole: T03,
// T27, S17. The byte by byte reading is always done.
func TestCorpus_split(t *testing.T) {
	t.Parallel()
	all := exchanges(t)
	plan := plan{step: 1, apart: apart, budget: splitBudget}
	switch {
	case os.Getenv("WEIR_TEST_SPLITS") == "all":
		plan.apart, plan.budget = maxEveryCut, math.MaxInt
	case testing.Short():
		plan.step = sample
		t.Logf("-short: ONLY ONE IN %d cuts and splits is tried", sample)
	default:
		t.Logf("cuts %d bytes apart share a reading, and LARGE ANSWERS ARE READ IN FEWER THAN %d RANDOM SPLITS, "+
			"%d MiB of each; WEIR_TEST_SPLITS=all does all", apart, splits, splitBudget>>20)
	}
	var cuts, random atomic.Int64
	t.Run("workers", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < len(all); i += workers {
					c, r := cutEverywhere(t, all[i], plan)
					cuts.Add(c)
					random.Add(r)
				}
			})
		}
	})
	t.Logf("%d exchanges: read byte by byte, %d cuts, %d random splits", len(all), cuts.Load(), random.Load())
}

// plan is how much is tried of one answer.
type plan struct{ step, apart, budget int }

// cutEverywhere reads one answer in many ways and returns how many.
func cutEverywhere(t *testing.T, e exchange, plan plan) (cuts, random int64) {
	t.Helper()
	p := prepare(t, e)
	want := p.read(len(p.answer))
	check := func(got metering.Usage, how string, args ...any) {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s (-whole +cut):\n%s", e.ID, fmt.Sprintf(how, args...), cmp.Diff(want, got))
		}
	}
	check(p.read(1), "byte by byte")
	if len(p.answer) <= maxEveryCut {
		period := min(len(p.answer), plan.apart)
		for first := len(p.answer) % plan.step; first < period; first += plan.step {
			s := p.scanner("")
			s.Scan(p.answer[:first])
			for at := first; at < len(p.answer); at += period {
				s.Scan(p.answer[at:min(at+period, len(p.answer))])
				cuts++
			}
			check(s.Close(dialect.Ended), "cut at %d and every %d bytes", first, period)
		}
		return cuts, 0
	}
	seed := fnv.New64a()
	seed.Write([]byte(e.ID))
	for i := 0; i < min(splits, plan.budget/len(p.answer)); i += plan.step {
		r := rand.New(rand.NewPCG(seed.Sum64(), uint64(i)))
		most := 1 + r.IntN(min(len(p.answer), 1<<(6+r.IntN(12))))
		s := p.scanner("")
		for rest := p.answer; len(rest) > 0; {
			n := min(len(rest), 1+r.IntN(most))
			s.Scan(rest[:n])
			rest = rest[n:]
		}
		check(s.Close(dialect.Ended), "in split %d", i)
		random++
	}
	return 0, random
}
