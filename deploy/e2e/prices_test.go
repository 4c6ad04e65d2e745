package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Models of the test: one priced by the operator's file, one by the catalogues
// on the network, and one whose input is by the file and whose output is by them.
const (
	fileModel, feedModel, bothModel = "ours-file", "ours-feed", "ours-both"
	promptTokens                    = 7
	lastEdition                     = 106 // of the catalogues; the first is 100
)

// priced is a call that was answered: what it has to cost follows from the prices
// that it met.
type priced struct {
	model string
	out   int64     // tokens
	sent  time.Time // before the call was made
	ended time.Time // after its last byte
	event string
}

// tariff is an upstream that answers any model, whole or as a stream, with as many
// tokens as it is asked for.
func tariff(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Model     string `json:"model"`
			MaxTokens int64  `json:"max_tokens"`
			Stream    bool   `json:"stream"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		numbers := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, promptTokens, q.MaxTokens, promptTokens+q.MaxTokens)
		if !q.Stream {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"c","object":"chat.completion","model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],"usage":%s}`, q.Model, numbers)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, rest := range []string{
			`"choices":[{"index":0,"delta":{"content":"ok"},"finish_reason":null}],"usage":null`,
			`"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null`, `"choices":[],"usage":` + numbers,
		} {
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":%q,%s}\n\n", q.Model, rest)
			w.(http.Flusher).Flush()
		}
		fmt.Fprint(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// catalogues serves two of them that agree: what a token of the models costs
// moves by less than a fifth from one edition to the next.
type catalogues struct {
	*httptest.Server
	price atomic.Int64 // dollars for a million input tokens; output costs ten times as much
}

func newCatalogues(t *testing.T) *catalogues {
	t.Helper()
	c := &catalogues{}
	filler := func(n int, entry string) string { // a catalogue of few models is not taken for whole
		var out strings.Builder
		for i := range n {
			fmt.Fprintf(&out, entry, i)
		}
		return out.String()
	}
	dev := filler(2600, `,"filler-%d":{"cost":{"input":1,"output":2}}`)
	lite := filler(1300, `,"filler-%d":{"litellm_provider":"openai","input_cost_per_token":1e-06,"output_cost_per_token":2e-06}`)
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := c.price.Load()
		if r.URL.Path == "/dev.json" {
			fmt.Fprintf(w, `{"openai":{"models":{"%[2]s":{"cost":{"input":%[1]d,"output":%[1]d0}},"%[3]s":{"cost":{"input":%[1]d,"output":%[1]d0}}%[4]s}}}`, p, feedModel, bothModel, dev)
			return
		}
		entry := `"%[2]s":{"litellm_provider":"openai","input_cost_per_token":%[1]de-06,"output_cost_per_token":%[1]de-05}`
		fmt.Fprintf(w, "{"+entry+","+strings.ReplaceAll(entry, "[2]", "[3]")+"%[4]s}", p, feedModel, bothModel, lite)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestPricesReplacedUnderLoad replaces the operator's file of prices ten times a
// second, by whole and by broken ones, and the catalogue beneath it, while calls go
// on. No call is refused and none is without a price; each is priced by one book,
// which it names and which explains it; a broken file changes nothing. T81, T43.
func TestPricesReplacedUnderLoad(t *testing.T) {
	program(t)
	t.Parallel()
	feeds := newCatalogues(t)
	feeds.price.Store(100)
	file := filepath.Join(t.TempDir(), "prices.yaml")
	put := func(text string) {
		next := file + ".next"
		if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(next, file); err != nil {
			t.Fatal(err)
		}
	}
	whole := func(price int64) string {
		return fmt.Sprintf("skus: [{provider: openai, sku: %[2]s}]\nrates:\n- {provider: openai, sku: %[2]s, meter: input, price: %[1]d}\n- {provider: openai, sku: %[2]s, meter: output, price: %[1]d0}\n"+
			"- {provider: openai, sku: %[3]s, meter: input, price: %[1]d}\n", price, fileModel, bothModel)
	}
	const first = 300 // no price of the file is one of a catalogue; output costs ten times as much
	put(whole(first))
	p := start(t, options{config: oracleConfig(tariff(t)) + fmt.Sprintf(`
pricebook:
  file: %s
  sync:
    enabled: true
    url: %s/dev.json
    every: 240h
    checkers: [{url: "%[2]s/lite.json", shape: litellm}]
`, file, feeds.URL)})
	p.weir("pricebook", "sync")
	calls := callers{target: p.proxy, key: p.customer("acme")}
	ctx, cancel := context.WithCancel(t.Context())
	wait := calls.run(ctx, 6)

	// Ten files a second, every second one broken, each way in turn; and all the
	// while new catalogues, which take effect whatever the file is like.
	broken := []string{"rates: [", "rates:\n- {provider: openai, sku: x, meter: input, price: dear}\n", "", "matches: [{provider: openai, type: exact, pattern: x, sku: nothing}]"}
	type edition struct {
		price    int64
		from, to time.Time // when it came: not before the one, not after the other
	}
	editions := []edition{{price: 100}}
	replaced := make(chan int64)
	stop := make(chan struct{})
	go func() {
		price, tick := int64(first), time.NewTicker(100*time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				replaced <- price
				return
			case <-tick.C:
			}
			if n%2 == 1 {
				put(broken[n/2%len(broken)])
				continue
			}
			price++
			put(whole(price))
		}
	}()
	for price := int64(101); price <= lastEdition; price++ {
		feeds.price.Store(price)
		from := time.Now()
		p.weir("pricebook", "sync")
		editions = append(editions, edition{price, from, time.Now()})
	}
	close(stop)
	last := <-replaced

	// A broken file that stays: the log says so, and the last good prices hold.
	put(whole(last + 1))
	p.weir("pricebook", "sync") // looks at the file too, and not in two seconds
	inForce := p.bookInForce(func() bool { return p.costs(fileModel) == last+1 })
	put(broken[0])
	eventually(t, 10*time.Second, "the log says that the file is refused", func() bool {
		return strings.Contains(p.tail(4000), "the price book stays as it is") && strings.Contains(p.tail(4000), inForce)
	})
	if got := p.costs(fileModel); got != last+1 {
		t.Errorf("with a broken file a token costs %d, want %d", got, last+1)
	}
	put(whole(last + 2))
	p.weir("pricebook", "sync")
	p.bookInForce(func() bool { return p.costs(fileModel) == last+2 })
	cancel()
	wait()

	calls.mu.Lock()
	defer calls.mu.Unlock()
	for _, fault := range calls.faults {
		t.Error(fault)
	}
	if u := p.usage("acme"); u.Totals.Requests != int64(len(calls.answered)) || u.Totals.Unpriced != 0 {
		t.Errorf("%d calls recorded, %d of them without a price; %d were answered", u.Totals.Requests, u.Totals.Unpriced, len(calls.answered))
	}
	recorded := make(map[string]pricedEvent)
	for _, e := range p.pricedEvents() {
		recorded[e.ID] = e
	}
	filePrice := make(map[string]int64) // by book
	shown := make(map[string]bool)
	byModel := make(map[string]map[int64]bool)
	for _, c := range calls.answered {
		e := recorded[c.event]
		if e.CostState != "exact" || e.Book == "" || len(e.Rates) != 2 {
			t.Fatalf("event %q of %s: state %q, book %q, rates %v", c.event, c.model, e.CostState, e.Book, e.Rates)
		}
		in, out := unravel(t, e.Cost, c)
		if c.model != feedModel {
			if known, ok := filePrice[e.Book]; ok && known != in {
				t.Errorf("book %s has two prices of %s: %d and %d", e.Book, c.model, known, in)
			}
			filePrice[e.Book] = in
		}
		if c.model != fileModel { // a price of a catalogue begins when it was seen
			i := slices.IndexFunc(editions, func(x edition) bool { return x.price == out })
			if i < 0 {
				t.Fatalf("event %s costs %s: no catalogue had %d", e.ID, e.Cost, out)
			}
			if c.ended.Before(editions[i].from) {
				t.Errorf("event %s ended at %s and has the price of %s", e.ID, c.ended, editions[i].from)
			}
			if i+1 < len(editions) && c.sent.After(editions[i+1].to) {
				t.Errorf("event %s of %s was made at a price that ended before %s", e.ID, c.sent, editions[i+1].to)
			}
		}
		if byModel[c.model] == nil {
			byModel[c.model] = make(map[int64]bool)
		}
		byModel[c.model][max(in, out)] = true
		if at := e.Book + " " + c.model; !shown[at] {
			shown[at] = true
			p.explained(e)
		}
	}
	if len(filePrice) < 4 || len(byModel[feedModel]) < 4 {
		t.Errorf("%d books with calls, %d prices of the catalogue: the test shows little", len(filePrice), len(byModel[feedModel]))
	}
	t.Logf("%d calls by %d books, %d of them explained; file prices %d, catalogue prices %d", len(calls.answered), len(filePrice), len(shown), len(byModel[fileModel]), len(byModel[feedModel]))
}

// unravel reads the prices of input and of a tenth of output off a cost: a token of
// another catalogue moves it by more than 300 files do, so that no two pairs of
// prices cost the same.
func unravel(t *testing.T, cost string, c priced) (in, out int64) {
	t.Helper()
	v, ok := new(big.Rat).SetString(cost)
	if !ok {
		t.Fatalf("cost %q of %s", cost, c.event)
	}
	v.Mul(v, big.NewRat(1_000_000, 1))
	if !v.IsInt() {
		t.Fatalf("cost %s of %s is no sum of whole prices", cost, c.event)
	}
	micros := v.Num().Int64()
	if c.model != bothModel {
		one := promptTokens + 10*c.out
		if micros%one != 0 {
			t.Fatalf("cost %s of %s: %d tokens of %s were priced by two books", cost, c.event, c.out, c.model)
		}
		return micros / one, micros / one
	}
	for out = 100; out <= lastEdition; out++ { // the catalogue's, the rest is the file's
		if rest := micros - 10*out*c.out; rest > 0 && rest%promptTokens == 0 && rest/promptTokens >= 300 && rest/promptTokens < 600 {
			return rest / promptTokens, out
		}
	}
	t.Fatalf("cost %s of %s is none of any pair of prices", cost, c.event)
	return 0, 0
}

// callers make calls and remember what they were told.
type callers struct {
	target, key string
	next        atomic.Int64

	mu       sync.Mutex
	answered []priced
	faults   []string // at most ten
}

func (l *callers) run(ctx context.Context, workers int) (wait func()) {
	pace := time.NewTicker(4 * time.Millisecond) // the test reads every event of it
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case <-pace.C:
					l.call()
				}
			}
		})
	}
	return func() {
		wg.Wait()
		pace.Stop()
	}
}

// call makes one call; nothing but a whole answer is expected of it.
func (l *callers) call() {
	n := l.next.Add(1)
	c := priced{model: []string{fileModel, feedModel, bothModel}[n%3], out: 211 + n%5*210, sent: time.Now()}
	stream := n%2 == 0
	body := fmt.Sprintf(`{"model":%q,"max_tokens":%d,"messages":[{"role":"user","content":"x"}]`, c.model, c.out)
	if stream {
		body += `,"stream":true,"stream_options":{"include_usage":true}`
	}
	req, err := http.NewRequest(http.MethodPost, l.target+"/v1/chat/completions", strings.NewReader(body+"}"))
	if err != nil {
		l.note(nil, err.Error())
		return
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.note(nil, err.Error())
		return
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || stream && !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		l.note(nil, fmt.Sprintf("call %d: %s, %v, %.200s", n, resp.Status, err, text))
		return
	}
	c.ended = time.Now()
	c.event = resp.Header.Get("X-Weir-Event-Id")
	l.note(&c, "")
}

func (l *callers) note(c *priced, fault string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c != nil {
		l.answered = append(l.answered, *c)
	} else if len(l.faults) < 10 {
		l.faults = append(l.faults, fault)
	}
}

// pricedEvent is an event with what made its cost.
type pricedEvent struct {
	ID        string   `json:"id"`
	CostState string   `json:"cost_state"`
	Cost      string   `json:"cost"`
	Book      string   `json:"book"`
	Rates     []string `json:"rates"`
	Lines     []struct {
		Rate   string `json:"rate"`
		Amount string `json:"amount"`
	} `json:"cost_lines"`
}

func (p *process) pricedEvents() (all []pricedEvent) {
	p.t.Helper()
	for cursor := ""; ; {
		var page struct {
			Items []pricedEvent `json:"items"`
			Next  string        `json:"next_cursor"`
		}
		p.get("events?"+url.Values{"limit": {"100"}, "cursor": {cursor}}.Encode(), &page)
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all
		}
	}
}

// explained opens an event: its lines are by the rates that it names, and add up
// to its cost.
func (p *process) explained(e pricedEvent) {
	p.t.Helper()
	var full pricedEvent
	p.get("events/"+e.ID, &full)
	sum := new(big.Rat)
	var rates []string
	for _, l := range full.Lines {
		v, ok := new(big.Rat).SetString(l.Amount)
		if !ok {
			p.t.Fatalf("event %s: a line of %q", e.ID, l.Amount)
		}
		sum.Add(sum, v)
		rates = append(rates, l.Rate)
	}
	slices.Sort(rates)
	slices.Sort(full.Rates)
	if want, _ := new(big.Rat).SetString(e.Cost); want == nil || sum.Cmp(want) != 0 || !slices.Equal(rates, full.Rates) || full.Book != e.Book {
		p.t.Errorf("event %s costs %s by book %s and rates %v; its lines %+v of book %s make %s", e.ID, e.Cost, e.Book, e.Rates, full.Lines, full.Book, sum.FloatString(12))
	}
}

// costs is the price of a million input tokens now, 0 if there is none.
func (p *process) costs(model string) int64 {
	p.t.Helper()
	var out struct {
		Cost string `json:"cost_usd"`
	}
	p.decode(&out, "pricebook", "test", "--provider", "openai", "--model", model, "--tokens", "input=1000000")
	v, ok := new(big.Rat).SetString(out.Cost)
	if !ok || !v.IsInt() {
		return 0
	}
	return v.Num().Int64()
}

// bookInForce waits for a book and returns its version.
func (p *process) bookInForce(ok func() bool) string {
	p.t.Helper()
	eventually(p.t, 10*time.Second, "a whole file is in force", ok)
	var page struct {
		Items []struct {
			Version string `json:"version"`
			InUse   bool   `json:"in_use"`
		} `json:"items"`
	}
	p.decode(&page, "pricebook", "books", "--limit", "100")
	for _, b := range page.Items {
		if b.InUse {
			return b.Version
		}
	}
	p.t.Fatalf("no book is in use: %+v", page)
	return ""
}
