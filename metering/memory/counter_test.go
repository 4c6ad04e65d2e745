package memory_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/memory"
	"github.com/weirhq/weir/metering/meteringtest"
)

// clock is moved by hand.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.micros.Store(time.Date(2026, 3, 15, 12, 0, 0, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time            { return time.UnixMicro(c.micros.Load()) }
func (c *clock) advance(d time.Duration)   { c.micros.Add(d.Microseconds()) }
func (c *clock) micros64() metering.Micros { return metering.Micros(c.micros.Load()) }

func open(testing.TB) (metering.Counter, meteringtest.CounterControl) {
	clock := newClock()
	c := memory.New(memory.Options{Now: clock.now})
	return c, meteringtest.CounterControl{
		Now:     clock.micros64,
		Pass:    func(_ testing.TB, d time.Duration) { clock.advance(d) },
		Instant: true,
		Lose:    func(testing.TB) { c.Forget() },
	}
}

func TestCounter(t *testing.T) { meteringtest.TestCounter(t, open) }

func BenchmarkCounter(b *testing.B) { meteringtest.BenchmarkCounter(b, open) }
