package sqlstore_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/sqlstore"
)

// BenchmarkShip writes shipments of 500 events such as chat completions leave,
// of 50 customers. With -benchtime 200x it writes 100,000.
func BenchmarkShip(b *testing.B) {
	for name, url := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + filepath.Join(b.TempDir(), "weir.db") },
		"postgres": func() string { return meteringtest.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) { benchmarkShip(b, url()) })
	}
}

// BenchmarkShip_wait is how long a call waits for the only processor while
// shipments are written.
func BenchmarkShip_wait(b *testing.B) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var waits []time.Duration
	var stop atomic.Bool
	var call sync.WaitGroup
	call.Go(func() {
		for !stop.Load() {
			asked := time.Now()
			runtime.Gosched()
			if waited := time.Since(asked); waited > 20*time.Microsecond { // less is the switch itself
				waits = append(waits, waited)
			}
		}
	})
	benchmarkShip(b, "sqlite:"+filepath.Join(b.TempDir(), "weir.db"))
	stop.Store(true)
	call.Wait()
	slices.Sort(waits)
	for _, percent := range []int{50, 99} {
		b.ReportMetric(float64(waits[(len(waits)-1)*percent/100].Microseconds()), fmt.Sprintf("p%d-wait-µs", percent))
	}
}

func benchmarkShip(b *testing.B, address string) {
	const size = 500
	s, err := sqlstore.Open(b.Context(), address)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	}()
	empty, err := s.Health(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	lease, err := s.ClaimJournal(b.Context(), metering.JournalClaim{Journal: "j", Nonce: "n"})
	if err != nil {
		b.Fatal(err)
	}
	traffic := newTraffic(b)
	seq := uint64(0)
	for b.Loop() {
		b.StopTimer()
		x := metering.Shipment{Lease: lease, From: seq, To: seq + size}
		for range size {
			seq++
			x.Events = append(x.Events, traffic.event(seq))
		}
		b.StartTimer()
		if err := s.Ship(b.Context(), x); err != nil {
			b.Fatal(err)
		}
	}
	full, err := s.Health(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(seq)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(full.Bytes-empty.Bytes)/float64(seq), "stored-B/event")
}

// traffic makes events that differ as those of real calls do.
type traffic struct {
	b               *testing.B
	r               *rand.Rand
	customers, keys []string
	at              metering.Micros
}

func newTraffic(b *testing.B) *traffic {
	t := &traffic{b: b, r: rand.New(rand.NewPCG(1, 2)), at: metering.MicrosOf(time.Now())}
	for range 50 {
		t.customers, t.keys = append(t.customers, t.id().String()), append(t.keys, t.id().String())
	}
	return t
}

func (t *traffic) id() metering.ID {
	id, err := metering.NewID()
	if err != nil {
		t.b.Fatal(err)
	}
	return id
}

// text is n random letters of an alphabet.
func (t *traffic) text(alphabet string, n int) string {
	var out strings.Builder
	for range n {
		out.WriteByte(alphabet[t.r.IntN(len(alphabet))])
	}
	return out.String()
}

func (t *traffic) event(seq uint64) *metering.Event {
	who := t.r.IntN(len(t.customers))
	t.at += 20_000
	in, out := 100+t.r.Int64N(4000), 10+t.r.Int64N(800)
	cached := in / 2 * t.r.Int64N(2)
	e := &metering.Event{
		Call: metering.Call{
			ID: t.id(), Org: metering.DefaultOrg, Customer: t.customers[who], Key: t.keys[who], At: t.at, Upstream: "openai", Provider: "openai",
			Endpoint: "openai.chat", Metered: true, Model: "gpt-4o-mini", Stream: t.r.IntN(2) == 0, BodyBytes: t.r.Int64N(9000),
		},
		Name: metering.EventLLM, Credential: "k3y9", End: t.at + metering.Micros(t.r.Int64N(9e6)), FirstByte: t.at + metering.Micros(t.r.Int64N(9e5)),
		Outcome: metering.OutcomeComplete, Status: 200, ProviderID: "req_" + t.text("0123456789abcdef", 32), BytesOut: t.r.Int64N(20_000), Journal: "j", FactSeq: seq,
		Cost: metering.Cost{Picos: (in-cached)*150_000 + cached*75_000 + out*600_000}.Normal(), CostState: metering.CostExact, Book: "2026-11-23",
		Rates: []string{"openai/gpt-4o-mini@2024-07-18/input", "openai/gpt-4o-mini@2024-07-18/cache_read", "openai/gpt-4o-mini@2024-07-18/output"},
	}
	u := &e.Usage
	u.State, u.Input, u.Output, u.Total, u.HasTotal = metering.UsageExact, in, out, in+out, true
	u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = in - cached
	u.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = cached
	u.Tokens[metering.OutputCell(false, metering.Text)] = out
	u.Model, u.ServiceTier, u.Finish, u.Terminal, u.Objects = "gpt-4o-mini-2024-07-18", "default", "stop", "[DONE]", 1
	u.ObjectID = "chatcmpl-" + t.text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 29)
	u.Raw = fmt.Appendf(nil, `{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":{"cached_tokens":%d,"audio_tokens":0},`+
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`, in, out, in+out, cached)
	return e
}
