package journal_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// processor reports the CPU time of the process per operation, the syncer's and
// the kernel's on its behalf included.
func processor(b *testing.B) func() {
	b.Helper()
	read := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := read()
	return func() { b.ReportMetric(float64(read()-before)/float64(b.N), "cpu-ns/op") }
}

// BenchmarkCall is what the journal adds to one call: Begin and Finish, with
// their two write(2) and the syncer at work beside them.
func BenchmarkCall(b *testing.B) {
	j := open(b, b.TempDir(), journal.Options{})
	c := newCall(b)
	template := ended(c)
	events := make([]metering.Event, 1024)
	b.ReportAllocs()
	defer processor(b)()
	n := 0
	for b.Loop() {
		c.ID[15]++
		if err := j.Begin(c); err != nil {
			b.Fatal(err)
		}
		e := &events[n%len(events)]
		n++
		*e = *template
		e.Call = *c
		if err := j.Finish(e); err != nil {
			b.Fatal(err)
		}
		if n%512 == 0 {
			j.Shipped(j.LastFact())
		}
	}
}

// BenchmarkCallParallel is the same from many goroutines, whose writes join.
func BenchmarkCallParallel(b *testing.B) {
	j := open(b, b.TempDir(), journal.Options{})
	b.ReportAllocs()
	defer processor(b)()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		c := newCall(b)
		template := ended(c)
		for n := 0; pb.Next(); n++ {
			if err := j.Begin(c); err != nil {
				b.Error(err)
				return
			}
			e := new(metering.Event)
			*e = *template
			e.Call = *c
			if err := j.Finish(e); err != nil {
				b.Error(err)
				return
			}
			if n%512 == 0 {
				j.Shipped(j.LastFact())
			}
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	e := ended(newCall(b))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := journal.RoundTrip(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCallPaced is the same at 5,000 calls a second, where each fdatasync
// is shared by few of them.
func BenchmarkCallPaced(b *testing.B) {
	const rate, burst = 5000, 10
	j := open(b, b.TempDir(), journal.Options{})
	c := newCall(b)
	template := ended(c)
	events := make([]metering.Event, 1024)
	tick := time.NewTicker(burst * time.Second / rate)
	defer tick.Stop()
	defer processor(b)()
	n := 0
	for b.Loop() {
		if n%burst == 0 {
			<-tick.C
		}
		if err := j.Begin(c); err != nil {
			b.Fatal(err)
		}
		e := &events[n%len(events)]
		n++
		*e = *template
		e.Call = *c
		if err := j.Finish(e); err != nil {
			b.Fatal(err)
		}
		if n%512 == 0 {
			j.Shipped(j.LastFact())
		}
	}
}
