package pricebook_test

import (
	"encoding/base64"
	"encoding/json"
	"math/big"
	"os"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/pricebook"
)

// exchange is one recorded request and answer.
type exchange struct {
	ID              string            `json:"id"`
	Provider        string            `json:"provider"`
	Endpoint        string            `json:"endpoint"`
	Method          string            `json:"method"`
	Host            string            `json:"host"`
	Path            string            `json:"path"`
	RequestHeaders  map[string]string `json:"request_headers"`
	RequestBody     string            `json:"request_body"`
	RequestEncoding string            `json:"request_body_encoding"`
	Status          int               `json:"status"`
	Headers         map[string]string `json:"response_headers"`
	Body            string            `json:"response_body"`
	BodyEncoding    string            `json:"response_body_encoding"`
}

// dialects names the protocol of the endpoints that are metered.
func dialects() map[string]string {
	return map[string]string{
		"openai.chat": "openai", "openai.responses": "openai", "openai.completions": "openai", "openai.embeddings": "openai",
		"anthropic.messages":      "anthropic",
		"gemini.generate_content": "gemini", "gemini.stream_generate_content": "gemini",
	}
}

// providers are the corpus's names of providers where the presets have others.
func providers() map[string]string {
	return map[string]string{"gemini": "google", "azure": "azure_openai", "moonshotai": "moonshot", "bedrock-mantle": "bedrock"}
}

// events reads the corpus as the events that the exchanges would leave if they
// were made today. Without the corpus the test is skipped, and in CI it fails.
func events(t *testing.T) map[string]*metering.Event {
	t.Helper()
	all := map[string]*metering.Event{}
	for _, f := range meteringtest.CorpusFiles(t) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var x exchange
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if dialects()[x.Endpoint] != "" {
			all[x.ID] = x.event(t)
		}
	}
	return all
}

func (x *exchange) event(t *testing.T) *metering.Event {
	t.Helper()
	e := x.read(t, dialects()[x.Endpoint])
	e.Endpoint = x.Endpoint
	return e
}

// read is the event that the exchange would leave if it were made today, with what
// a protocol's dialect reads of it.
func (x *exchange) read(t *testing.T, protocol string) *metering.Event {
	t.Helper()
	d, ok := dialect.Named(protocol)
	if !ok {
		t.Fatalf("%s: no dialect for %s", x.ID, x.Endpoint)
	}
	path, _, _ := strings.Cut(x.Path, "?")
	route := d.Route(x.Method, path)
	req, err := d.Inspect(route, header(x.RequestHeaders, "content-type"), decoded(t, x.RequestBody, x.RequestEncoding))
	if err != nil {
		t.Errorf("%s: inspect: %v", x.ID, err)
	}
	s := d.Scanner(route, req, dialect.Response{
		Status: x.Status, ContentType: header(x.Headers, "content-type"),
		Header: func(name string) string { return header(x.Headers, name) }, Location: dialect.Location("https://" + x.Host),
	})
	s.Scan(decoded(t, x.Body, x.BodyEncoding))
	e := &metering.Event{Usage: s.Close(dialect.Ended)}
	e.Provider, e.Endpoint, e.Metered = x.vendor(), string(route.Endpoint), true
	e.Model = req.Model
	if route.Model != "" {
		e.Model = route.Model
	}
	e.At = metering.MicrosOf(time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC))
	return e
}

func (x *exchange) vendor() string {
	if name := providers()[x.Provider]; name != "" {
		return name
	}
	return x.Provider
}

func decoded(t *testing.T, text, encoding string) []byte {
	t.Helper()
	if encoding != "base64" {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func header(h map[string]string, name string) string {
	for k, v := range h {
		if strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// TestCorpus prices every recorded exchange and adds its lines up again with
// package big, from the decimal texts alone. It logs what could not be priced, and
// why.
func TestCorpus(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	states, reasons := map[metering.CostState]int{}, map[string]int{}
	for id, e := range events(t) {
		b.Price(e)
		states[e.CostState]++
		if e.CostState == metering.CostUnpriced {
			reasons[e.Provider+" "+e.CostReason]++
			if e.CostReason == "" || !e.Cost.IsZero() || len(e.Rates) > 0 {
				t.Errorf("%s is unpriced for %q with cost %s and rates %v", id, e.CostReason, e.Cost, e.Rates)
			}
			continue
		}
		if (e.Usage.State == metering.UsageNone) != (e.CostState == metering.CostFree) {
			t.Errorf("%s: usage %s is %s", id, e.Usage.State, e.CostState)
		}
		if want := naive(t, b.Explain(e)); want.Cmp(dollars(t, e.Cost.String())) != 0 {
			t.Errorf("%s costs %s, its lines add up to %s", id, e.Cost, want.FloatString(15))
		}
		covered(t, id, e, b.Explain(e))
	}
	if states[metering.CostExact] < 530 || states[metering.CostExact]+states[metering.CostProvisional] < 640 {
		t.Errorf("only %d exchanges have a cost", states[metering.CostExact])
	}
	t.Log(states)
	names := make([]string, 0, len(reasons))
	for name := range reasons {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		t.Logf("%4d %s", reasons[name], name)
	}
}

// covered holds that the lines charge every token of the usage once.
func covered(t *testing.T, id string, e *metering.Event, lines []pricebook.Line) {
	t.Helper()
	var charged metering.Tokens
	for _, l := range lines {
		if c, err := metering.ParseCell(l.Item); err == nil {
			charged[c] += l.Quantity.Units
		}
	}
	used := e.Usage.Tokens
	if len(e.Usage.ByModel) > 0 {
		used = metering.Tokens{}
		for i := range e.Usage.ByModel {
			used.Add(&e.Usage.ByModel[i].Tokens)
		}
	}
	if e.CostState == metering.CostExact && charged != used {
		t.Errorf("%s used %s and is charged %s", id, used, charged)
	}
}

// picos rounds to pico-dollars, half away from zero.
func picos(t *testing.T, r *big.Rat) *big.Rat {
	t.Helper()
	return dollars(t, r.FloatString(12))
}

// naive adds lines up with fractions, each rounded once.
func naive(t *testing.T, lines []pricebook.Line) *big.Rat {
	t.Helper()
	sum := new(big.Rat)
	for _, l := range lines {
		amount := picos(t, new(big.Rat).Mul(dollars(t, l.Price), new(big.Rat).Quo(l.Quantity.Rat(), big.NewRat(l.Per, 1))))
		if amount.Cmp(dollars(t, l.Amount.String())) != 0 {
			t.Errorf("%s %s at %s are %s, not %s", l.Quantity, l.Item, l.Price, amount.FloatString(15), l.Amount)
		}
		sum.Add(sum, amount)
	}
	return sum
}

func dollars(t *testing.T, s string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		t.Fatalf("%q is no number", s)
	}
	return r
}
