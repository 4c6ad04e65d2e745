package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/fault"
)

// oracle is an upstream that remembers what it answered. Each call asks for a
// number of tokens in its prompt, so that the sums are known.
type oracle struct {
	*httptest.Server
	mu     sync.Mutex
	served map[string]int64 // X-Request-Id of the client → output tokens
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{served: make(map[string]int64)}
	o.Server = httptest.NewServer(http.HandlerFunc(o.serve))
	t.Cleanup(o.Close)
	return o
}

func (o *oracle) serve(w http.ResponseWriter, r *http.Request) {
	var q struct {
		Model     string `json:"model"`
		MaxTokens int64  `json:"max_tokens"`
		Stream    bool   `json:"stream"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	id := r.Header.Get("X-Request-Id")
	o.mu.Lock()
	o.served[id] += q.MaxTokens
	o.mu.Unlock()
	numbers := fmt.Sprintf(`{"prompt_tokens":7,"completion_tokens":%d,"total_tokens":%d}`, q.MaxTokens, 7+q.MaxTokens)
	if !q.Stream {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"chatcmpl-%s","object":"chat.completion","model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":%s}`, id, numbers)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	chunk := func(s string) {
		fmt.Fprintf(w, "data: %s\n\n", s)
		w.(http.Flusher).Flush()
	}
	head := `{"id":"chatcmpl-` + id + `","object":"chat.completion.chunk","model":"gpt-4o-mini-2024-07-18",`
	for range 3 {
		chunk(head + `"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":null}],"usage":null}`)
	}
	chunk(head + `"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`)
	chunk(head + `"choices":[],"usage":` + numbers + `}`)
	chunk("[DONE]")
}

// load makes calls against whatever address is current and remembers the ones
// that were answered whole.
type load struct {
	key    string
	target atomic.Pointer[string]
	next   atomic.Int64

	mu       sync.Mutex
	answered map[string]answer // client id → what it was told
}

type answer struct {
	event  string
	tokens int64
}

// call makes one call and records it if its answer was complete.
func (l *load) call(ctx context.Context) {
	n := l.next.Add(1)
	id := fmt.Sprintf("call-%d", n)
	tokens := n%97 + 1
	stream := n%3 == 0
	body := fmt.Sprintf(`{"model":"gpt-4o-mini","max_tokens":%d,"stream":%t,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}`, tokens, stream)
	if !stream {
		body = strings.Replace(body, `"stream":false,"stream_options":{"include_usage":true},`, "", 1)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, *l.target.Load()+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", id)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return // the process is down or died on the way: not answered
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil && !strings.Contains(string(got), "data: [DONE]\n\n") {
		return
	}
	if resp.StatusCode != http.StatusOK {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered[id] = answer{event: resp.Header.Get("X-Weir-Event-Id"), tokens: tokens}
}

// run keeps workers calling until ctx ends.
func (l *load) run(ctx context.Context, workers int) (wait func()) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				l.call(ctx)
			}
		})
	}
	return wg.Wait
}

// audit holds what the program recorded against what clients were told and
// what the upstream served: I1, I2, I3, I5, B01, B03, B05.
func audit(t *testing.T, p *process, l *load, o *oracle) {
	t.Helper()
	total := p.usage("acme")
	seen := make(map[string]event)
	var input, output int64
	for _, e := range p.events(nil) {
		if other, twice := seen[e.ClientID]; twice {
			t.Errorf("%s has two events: %s and %s", e.ClientID, other.ID, e.ID)
		}
		seen[e.ClientID] = e
		input += e.cells("input", "cache")
		output += e.cells("output", "reasoning")
		switch e.Outcome {
		case "complete", "truncated", "client_gone", "upstream_error", "timeout", "refused", "crashed":
		default:
			t.Errorf("event %s has no terminal state: %q", e.ID, e.Outcome)
		}
	}
	for id, told := range l.answered {
		e, ok := seen[id]
		switch {
		case !ok:
			t.Errorf("%s was answered and has no event", id)
		case e.ID != told.event:
			t.Errorf("%s was told event %s, recorded is %s", id, told.event, e.ID)
		case e.Usage.State != "exact" || e.Usage.Input != 7 || e.Usage.Output != told.tokens:
			t.Errorf("%s: usage %+v, want exact 7 and %d", id, e.Usage, told.tokens)
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for id := range o.served {
		if _, ok := seen[id]; !ok {
			t.Errorf("%s was served by the upstream and left no event", id)
		}
	}
	if total.Totals.Requests != int64(len(seen)) || total.Totals.InputTokens != input || total.Totals.OutputTokens != output {
		t.Errorf("rollups say %d requests, %d in, %d out; events say %d, %d, %d",
			total.Totals.Requests, total.Totals.InputTokens, total.Totals.OutputTokens, len(seen), input, output)
	}
	t.Logf("%d calls, %d answered, %d served, %d events", l.next.Load(), len(l.answered), len(o.served), len(seen))
}

// oracleConfig is a configuration with the oracle as the default upstream.
func oracleConfig(url string) string {
	return fmt.Sprintf(`
listen: 127.0.0.1:0
console: {listen: 127.0.0.1:0}
upstreams:
  openai:
    base_url: %s
    preset: openai
    credentials: [{key: upstream-secret}]
    default: true
`, url)
}

// TestKill9 kills the program at random moments under load, F1.
func TestKill9(t *testing.T) {
	program(t)
	const kills = 50
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	o := newOracle(t)
	opts := options{data: t.TempDir(), config: oracleConfig(o.URL)}
	p := start(t, opts)
	l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
	l.target.Store(&p.proxy)
	ctx, cancel := context.WithCancel(t.Context())
	wait := l.run(ctx, 8)
	for range kills {
		timer := time.NewTimer(time.Duration(20+random.IntN(300)) * time.Millisecond)
		select {
		case <-timer.C:
		case <-p.exited:
			t.Fatalf("died by itself: %v\n%s", p.err, p.tail(4000))
		}
		p.kill()
		p = start(t, opts)
		l.target.Store(&p.proxy)
	}
	cancel()
	wait()
	if len(l.answered) < kills {
		t.Errorf("only %d calls were answered over %d kills: the test shows little", len(l.answered), kills)
	}
	audit(t, p, l, o)
}

// TestKillAtEveryPoint kills the program at each named point in turn, B01.
func TestKillAtEveryPoint(t *testing.T) {
	program(t)
	for _, point := range fault.CallNames() {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			o := newOracle(t)
			opts := options{data: t.TempDir(), config: oracleConfig(o.URL)}
			p := start(t, opts)
			l := &load{key: p.customer("acme"), answered: make(map[string]answer)}
			p.stop()

			opts.env = []string{"WEIR_FAULT=" + point + ":kill:3"}
			armed, err := tryStart(t, opts)
			if err == nil {
				l.target.Store(&armed.proxy)
				ctx, cancel := context.WithCancel(t.Context())
				wait := l.run(ctx, 4)
				select {
				case <-armed.exited:
				case <-time.After(15 * time.Second):
					t.Errorf("point %s was never reached", point)
				}
				cancel()
				wait()
			}
			armed.kill()

			opts.env = nil
			p = start(t, opts)
			l.target.Store(&p.proxy)
			for range 5 {
				l.call(t.Context())
			}
			audit(t, p, l, o)
		})
	}
}
