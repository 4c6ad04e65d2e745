package dialect_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
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
	// splits is how many random splits a larger answer is read in.
	splits = 1000
	// sample is the share of cuts and splits that is taken with -short.
	sample = 32
	// workers is how many parts the corpus is shared out to.
	workers = 4
)

// TestCorpus_split: however an answer is cut, it reads as it does whole: T03,
// T27, S17. The byte by byte reading is always done.
func TestCorpus_split(t *testing.T) {
	t.Parallel()
	all := exchanges(t)
	step := 1
	if testing.Short() {
		step = sample
		t.Logf("-short: ONE IN %d cuts and splits is tried", sample)
	}
	var cuts, random atomic.Int64
	t.Run("workers", func(t *testing.T) {
		for w := range workers {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				for i := w; i < len(all); i += workers {
					c, r := cutEverywhere(t, all[i], step)
					cuts.Add(c)
					random.Add(r)
				}
			})
		}
	})
	t.Logf("%d exchanges: read byte by byte, %d cuts in two, %d random splits", len(all), cuts.Load(), random.Load())
}

// cutEverywhere reads one answer in many ways and returns how many.
func cutEverywhere(t *testing.T, e exchange, step int) (cuts, random int64) {
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
		for cut := len(p.answer) % step; cut < len(p.answer); cut += step {
			s := p.scanner("")
			s.Scan(p.answer[:cut])
			s.Scan(p.answer[cut:])
			check(s.Close(dialect.Ended), "cut at %d", cut)
			cuts++
		}
		return cuts, 0
	}
	seed := fnv.New64a()
	seed.Write([]byte(e.ID))
	for i := 0; i < splits; i += step {
		r := rand.New(rand.NewPCG(seed.Sum64(), uint64(i)))
		most := 1 + r.IntN(min(len(p.answer), 1<<(4+r.IntN(14))))
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
