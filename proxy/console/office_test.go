package console_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/console"
)

const org = metering.DefaultOrg

// office is a console over a database of its own.
type office struct {
	testing.TB
	store  *sqlstore.Store
	server *console.Server
	now    time.Time // of usage
	wall   time.Time // of sessions
	loads  int       // of the ring
	cookie *http.Cookie
}

// Reload makes the office a ring.
func (o *office) Reload(context.Context) error {
	o.loads++
	return nil
}

func newOffice(t testing.TB, edit ...func(*console.Options)) *office {
	t.Helper()
	o := &office{TB: t, now: time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC), wall: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)}
	var err error
	o.store, err = sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "weir.db"))
	o.must(err)
	t.Cleanup(func() {
		if err := o.store.Close(); err != nil {
			t.Error(err)
		}
	})
	opts := console.Options{
		Store: o.store, Ring: o, MintKey: keyring.Mint, Proxy: "http://proxy.test:8080",
		Now: func() time.Time { return o.now }, SignIn: func() time.Time { return o.wall }, Logger: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	for _, change := range edit {
		change(&opts)
	}
	o.server, err = console.New(opts)
	o.must(err)
	return o
}

func (o *office) must(err error) {
	o.Helper()
	if err != nil {
		o.Fatal(err)
	}
}

// enter signs in through a link.
func (o *office) enter() *office {
	o.Helper()
	secret, err := console.NewLink(o.Context(), o.store, org, time.Hour, o.wall)
	o.must(err)
	r := o.send("/console/login/"+secret, nil)
	if r.status != http.StatusSeeOther {
		o.Fatalf("sign in: %d %s", r.status, r.body)
	}
	o.cookie = r.session()
	return o
}

// reply is an answer.
type reply struct {
	o      *office
	status int
	header http.Header
	body   string
}

func (o *office) do(r *http.Request) reply {
	o.Helper()
	if o.cookie != nil {
		r.AddCookie(o.cookie)
	}
	w := httptest.NewRecorder()
	o.server.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	o.must(err)
	return reply{o, w.Code, w.Header(), string(body)}
}

func (o *office) get(path string) reply {
	o.Helper()
	return o.do(httptest.NewRequest(http.MethodGet, path, nil))
}

// page wants a page.
func (o *office) page(path string) reply {
	o.Helper()
	r := o.get(path)
	if r.status != http.StatusOK {
		o.Fatalf("GET %s: %d\n%s", path, r.status, r.body)
	}
	return r
}

func (o *office) send(path string, form url.Values) reply {
	o.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return o.do(r)
}

// session is the cookie of a session that the answer set.
func (r reply) session() *http.Cookie {
	r.o.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if c.Name == "weir_console" {
			return c
		}
	}
	r.o.Fatalf("no session was begun: %d %s", r.status, r.body)
	return nil
}

func (r reply) document() *html.Node {
	r.o.Helper()
	doc, err := html.Parse(strings.NewReader(r.body))
	r.o.must(err)
	return doc
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

// find lists the elements beneath n that match, in their order.
func find(n *html.Node, match func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && match(d) {
			out = append(out, d)
		}
	}
	return out
}

func named(tag string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == tag }
}

// read is the text of an element, or the exact figure where it has one.
func read(n *html.Node) string {
	if figures := find(n, named("data")); len(figures) == 1 {
		return attribute(figures[0], "value")
	}
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(" " + d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// table reads the rows of the only table beneath n, exact figures for cells.
func (o *office) table(n *html.Node) [][]string {
	o.Helper()
	var out [][]string
	for _, row := range find(n, named("tr")) {
		var cells []string
		for _, cell := range find(row, func(n *html.Node) bool { return n.Data == "td" || n.Data == "th" }) {
			cells = append(cells, read(cell))
		}
		out = append(out, cells)
	}
	return out
}

// byID is the element with an id.
func (r reply) byID(id string) *html.Node {
	r.o.Helper()
	found := find(r.document(), func(n *html.Node) bool { return attribute(n, "id") == id })
	if len(found) != 1 {
		r.o.Fatalf("%d elements have the id %q in\n%s", len(found), id, r.body)
	}
	return found[0]
}

// tiles are the figures at the top of a page by their label.
func (r reply) tiles() map[string]string {
	out := make(map[string]string)
	for _, tile := range find(r.document(), func(n *html.Node) bool {
		return n.Data == "div" && strings.HasPrefix(attribute(n, "class"), "tile") && attribute(n, "class") != "tiles"
	}) {
		label, figure := find(tile, named("dt")), find(tile, named("dd"))
		out[read(label[0])] = read(figure[0])
	}
	return out
}

func (o *office) customer(external, name string) metering.Customer {
	o.Helper()
	c, err := o.store.CreateCustomer(o.Context(), metering.Customer{Org: org, ExternalID: external, Name: name, OnLoss: metering.LossRefuse, Created: metering.MicrosOf(o.now)})
	o.must(err)
	return c
}

func (o *office) key(c metering.Customer, name string) metering.Key {
	o.Helper()
	_, hash, prefix, last4, err := keyring.Mint(false)
	o.must(err)
	k, err := o.store.CreateKey(o.Context(), metering.Key{Org: c.Org, Customer: c.ID, Name: name, Hash: hash, Prefix: prefix, Last4: last4, Created: metering.MicrosOf(o.now)})
	o.must(err)
	return k
}

// call records one that took place before now.
func (o *office) call(k metering.Key, before time.Duration, model string, in, out int64, cost metering.Cost, edit ...func(*metering.Event)) *metering.Event {
	o.Helper()
	id, err := metering.NewID()
	o.must(err)
	at := metering.MicrosOf(o.now.Add(-before))
	e := &metering.Event{
		Call: metering.Call{
			ID: id, Org: k.Org, Customer: k.Customer, Key: k.ID, At: at, Model: model, Upstream: "openai", Provider: "openai",
			Endpoint: "openai.chat", Metered: true, Stream: true,
		},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, FirstByte: at + 350_000, End: at + 1_420_000,
		Cost: cost, CostState: metering.CostExact, Rates: []string{"openai/" + model},
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = in - in/4
	e.Usage.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = in / 4
	e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = out - out/5
	e.Usage.Tokens[metering.OutputCell(true, metering.Text)] = out / 5
	e.Usage.Input, e.Usage.Output = in, out
	for _, change := range edit {
		change(e)
	}
	_, err = o.store.Ingest(o.Context(), e.Org, []*metering.Event{e})
	o.must(err)
	return e
}

// busy is an office with two customers, three keys and two weeks of calls.
func busy(t testing.TB, edit ...func(*console.Options)) (*office, []metering.Key) {
	t.Helper()
	o := newOffice(t, edit...).enter()
	acme, globex := o.customer("acme", "Acme, Inc."), o.customer("globex", "")
	keys := []metering.Key{o.key(acme, "production"), o.key(acme, "staging"), o.key(globex, "")}
	models := []string{"gpt-4o-mini", "gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash", "o3", "gpt-5", "claude-haiku-4-5", "mistral-large", "command-r", "llama-4"}
	for d := range 14 {
		for i, model := range models {
			if i > 3 && d%3 != 0 {
				continue
			}
			o.call(keys[(d+i)%3], time.Duration(d*24)*time.Hour+time.Duration(i)*7*time.Minute, model, int64(1000*(i+1)+d), int64(100*(i+2)),
				metering.Cost{Micros: int64(d+1) * int64(i+1) * 1234, Picos: int64(i*1000 + d)})
		}
	}
	o.call(keys[0], time.Minute, "gpt-4o", 0, 0, metering.Cost{}, func(e *metering.Event) {
		e.Outcome, e.Status, e.ErrorCode, e.FirstByte = metering.OutcomeUpstreamError, 502, "upstream_unreachable", 0
		e.Usage.State, e.CostState = metering.UsageNone, metering.CostFree
	})
	o.call(keys[2], 2*time.Minute, "mystery-1", 10, 20, metering.Cost{}, func(e *metering.Event) {
		e.CostState, e.CostReason, e.Rates = metering.CostUnpriced, "model", nil
		e.Usage.State, e.Usage.Estimate = metering.UsageEstimated, &metering.Estimate{Method: "bytes", Low: 5, High: 60}
		e.Tags = []metering.Tag{{Name: "team", Value: "=cmd|x"}}
	})
	return o, keys
}

func want[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func str(v any) string { return fmt.Sprint(v) }
