package console_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/console"
)

// usage asks the store what a page should say.
func (o *office) usage(from, to time.Time, customer string, by ...string) ([]metering.UsageRow, metering.UsageTotals) {
	o.Helper()
	rows, totals, err := o.store.Usage(o.Context(), metering.UsageQuery{Org: org, Customer: customer, From: metering.MicrosOf(from), To: metering.MicrosOf(to), By: by})
	o.must(err)
	return rows, totals
}

func day(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }

// figure is the only chart of a page.
func (r reply) figure() *html.Node {
	r.o.Helper()
	figures := find(r.document(), named("figure"))
	if len(figures) != 1 {
		r.o.Fatalf("%d charts", len(figures))
	}
	return figures[0]
}

// chart reads the table of a chart, without its head.
func (r reply) chart() (rows [][]string, foot []string) {
	r.o.Helper()
	all := r.o.table(r.figure())
	return all[1 : len(all)-1], all[len(all)-1]
}

// sumOf adds exact decimals up.
func (o *office) sumOf(cells ...string) string {
	o.Helper()
	var sum metering.Number
	for _, cell := range cells {
		n, err := metering.ParseNumber(cell)
		o.must(err)
		sum = sum.Add(n)
	}
	return sum.String()
}

// TestOverview compares the first page with the rollups: the tiles, the chart,
// and the lists of the largest.
func TestOverview(t *testing.T) {
	t.Parallel()
	o, _ := busy(t)
	_, totals := o.usage(day(1), day(31), "")
	got := o.page("/console/?period=month")
	tiles := got.tiles()
	for label, value := range map[string]string{
		"Requests": str(totals.Requests), "Tokens in": str(totals.InputTokens), "Tokens out": str(totals.OutputTokens), "Upstream cost": totals.Cost.String(),
	} {
		want(t, label, tiles[label], value)
	}
	want(t, "failed", tiles["Failed"], "1.1 % of the latest 88 calls")
	rows, foot := got.chart()
	want(t, "days", len(rows), 25)
	var all []string
	for i, row := range rows {
		_, day := o.usage(day(i+1), day(i+2), "")
		want(t, row[0], o.sumOf(row[1:]...), day.Cost.String())
		all = append(all, row[1:]...)
	}
	want(t, "sum of the chart", o.sumOf(all...), totals.Cost.String())
	want(t, "foot of the chart", o.sumOf(foot[1:]...), totals.Cost.String())
	want(t, "series", len(foot)-1, 8) // seven models and Other

	lists := find(got.document(), func(n *html.Node) bool { return n.Data == "section" && strings.Contains(read(n), "Top ") })
	want(t, "lists", len(lists), 3)
	owners, _ := o.usage(day(1), day(31), "", "customer")
	customers := o.table(lists[0])[1:]
	want(t, "customers", len(customers), len(owners))
	for _, row := range customers {
		c, err := o.store.Customer(t.Context(), org, map[string]string{"Acme, Inc.": "acme", "globex": "globex"}[row[0]])
		o.must(err)
		i := slices.IndexFunc(owners, func(r metering.UsageRow) bool { return r.Group["customer"] == c.ID })
		want(t, row[0], row[1], owners[i].Cost.String())
	}
	if got := o.page("/console/?period=24h&metric=tokens"); strings.Contains(got.body, "per day") {
		t.Error("a day is drawn by the day")
	}
	want(t, "no such metric", o.get("/console/?metric=moon").status, http.StatusBadRequest)
	want(t, "no such period", o.get("/console/?period=moon").status, http.StatusBadRequest)
	want(t, "backwards", o.get("/console/?from=2026-11-02&to=2026-11-01").status, http.StatusBadRequest)
}

// TestUsage compares the explorer, its chart and its files with the rollups.
func TestUsage(t *testing.T) {
	t.Parallel()
	o, keys := busy(t)
	for _, tt := range []struct {
		query, by, bucket string
		figure            func(*metering.UsageTotals) string
		keep              func(metering.UsageRow) bool
		extra             []string
	}{
		{"", "model", "day", func(t *metering.UsageTotals) string { return t.Cost.String() }, nil, nil},
		{"metric=requests&group=customer", "customer", "day", func(t *metering.UsageTotals) string { return str(t.Requests) }, nil, nil},
		{"metric=input_tokens&group=key&bucket=hour", "key", "hour", func(t *metering.UsageTotals) string { return str(t.InputTokens) }, nil, nil},
		{"metric=tokens&group=key&model=gpt-4o&limit=1", "key", "day", func(t *metering.UsageTotals) string { return str(t.Total) }, func(r metering.UsageRow) bool { return r.Group["model"] == "gpt-4o" }, []string{"model"}},
		{"metric=output_tokens&group=tag&tag=team", "tag:team", "day", func(t *metering.UsageTotals) string { return str(t.OutputTokens) }, nil, nil},
		{"metric=reasoning&group=provider&provider=openai&limit=20", "provider", "day", func(t *metering.UsageTotals) string { return str(t.Reasoning) }, nil, nil},
		{"metric=cache_read&key=" + keys[1].ID, "model", "day", func(t *metering.UsageTotals) string { return str(t.CacheRead) }, func(r metering.UsageRow) bool { return r.Group["key"] == keys[1].ID }, []string{"key"}},
	} {
		t.Run(tt.query, func(t *testing.T) {
			path := "?from=2026-11-10&to=2026-11-26&" + tt.query
			if strings.Contains(tt.query, "group=tag") {
				path = strings.Replace(path, "group=tag&", "", 1)
			}
			rows, _ := o.usage(day(10), day(26), "", append([]string{tt.by, tt.bucket}, tt.extra...)...)
			exact := make(map[[2]string][]string)
			var figures []string
			for _, r := range rows {
				if tt.keep == nil || tt.keep(r) {
					key := [2]string{r.Group[tt.bucket], r.Group[tt.by]}
					exact[key] = append(exact[key], tt.figure(&r.UsageTotals))
					figures = append(figures, tt.figure(&r.UsageTotals))
				}
			}
			got := o.page("/console/usage" + path)
			drawn, foot := got.chart()
			var cells []string
			for _, row := range drawn {
				cells = append(cells, row[1:]...)
			}
			want(t, "chart", o.sumOf(cells...), o.sumOf(figures...))
			want(t, "foot", o.sumOf(foot[1:]...), o.sumOf(figures...))

			groups := o.table(got.byID("groups"))
			sum := groups[len(groups)-1]
			column := map[string]int{"requests": 1, "input_tokens": 2, "cache_read": 3, "output_tokens": 4, "reasoning": 5}
			for metric, i := range column {
				if !strings.Contains(tt.query, "metric="+metric) {
					continue
				}
				want(t, "total "+metric, sum[i], o.sumOf(figures...))
				var above []string
				for _, row := range groups[1 : len(groups)-1] {
					above = append(above, row[i])
				}
				want(t, "rows of "+metric, o.sumOf(above...), sum[i])
			}
			file, err := csv.NewReader(strings.NewReader(o.page("/console/usage.csv" + path).body)).ReadAll()
			o.must(err)
			want(t, "rows of the file", len(file)-1, len(exact))
			name := "cost_usd"
			for _, m := range []string{"requests", "input_tokens", "output_tokens", "reasoning", "cache_read"} {
				if strings.Contains(tt.query, "metric="+m) {
					name = m
				}
			}
			if strings.Contains(tt.query, "metric=tokens") {
				name = "total"
			}
			at := slices.Index(file[0], name)
			for _, row := range file[1:] {
				key := [2]string{row[0], strings.TrimPrefix(row[1], "'")}
				want(t, fmt.Sprint(key), row[at], o.sumOf(exact[key]...))
			}
			var object struct {
				Rows []map[string]any `json:"rows"`
			}
			dec := json.NewDecoder(strings.NewReader(o.page("/console/usage.json" + path).body))
			dec.UseNumber()
			o.must(dec.Decode(&object))
			want(t, "rows of the JSON", len(object.Rows), len(file)-1)
			for i, row := range object.Rows {
				want(t, "JSON "+name, str(row[name]), file[i+1][at])
			}
		})
	}
	for _, bad := range []string{"metric=x", "group=x", "bucket=x", "limit=0", "limit=99", "limit=x", "group=tag:", "bucket=hour&from=2026-01-01&to=2026-11-01", "from=x", "from=2020-01-01&to=2026-01-01"} {
		want(t, bad, o.get("/console/usage?"+bad).status, http.StatusBadRequest)
	}
}

// TestEvents: the list has the calls of its filter, its line the sums of all of
// them, and its file cells that no spreadsheet runs (S30).
func TestEvents(t *testing.T) {
	t.Parallel()
	o, keys := busy(t)
	evil := o.customer("evil", "=HYPERLINK(\"http://x\")")
	o.call(o.key(evil, "+1"), time.Hour, "@model", 10, 5, metering.Cost{Micros: 1})
	for _, tt := range []struct {
		query string
		keep  func(*metering.Event) bool
	}{
		{"", func(*metering.Event) bool { return true }},
		{"model=gpt-4o", func(e *metering.Event) bool { return e.Model == "gpt-4o" }},
		{"customer=acme", func(e *metering.Event) bool { return e.Customer == keys[0].Customer }},
		{"customer=" + keys[2].Customer + "&model=o3", func(e *metering.Event) bool { return e.Customer == keys[2].Customer && e.Model == "o3" }},
		{"key=" + keys[1].ID, func(e *metering.Event) bool { return e.Key == keys[1].ID }},
		{"outcome=upstream_error", func(e *metering.Event) bool { return e.Outcome == metering.OutcomeUpstreamError }},
		{"outcome=failed", func(e *metering.Event) bool { return e.Outcome == metering.OutcomeUpstreamError }},
	} {
		var ids []string
		var cost metering.Cost
		all, _, err := o.store.Events(t.Context(), metering.EventQuery{Org: org, Limit: 1000})
		o.must(err)
		for _, e := range all {
			if tt.keep(e) {
				ids = append(ids, e.ID.String())
				cost = cost.Add(e.Cost)
			}
		}
		got := o.page("/console/events?period=30d&" + tt.query)
		var shown []string
		for _, a := range find(got.document(), named("a")) {
			if id, ok := strings.CutPrefix(attribute(a, "href"), "/console/events/"); ok {
				shown = append(shown, id)
			}
		}
		slices.Sort(ids)
		slices.Sort(shown)
		if diff := cmp.Diff(ids, shown); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", tt.query, diff)
		}
		if !strings.Contains(tt.query, "outcome") {
			sums := find(find(got.document(), named("section"))[0], named("data"))
			want(t, tt.query+" calls", attribute(sums[0], "value"), str(len(ids)))
			want(t, tt.query+" cost", attribute(sums[3], "value"), cost.String())
		}
		file, err := csv.NewReader(strings.NewReader(o.page("/console/events.csv?period=30d&" + tt.query).body)).ReadAll()
		o.must(err)
		want(t, tt.query+" rows of the file", len(file)-1, len(ids))
		for _, row := range file[1:] {
			for _, cell := range row {
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					t.Errorf("%s: the cell %q is a formula", tt.query, cell)
				}
			}
		}
	}
	want(t, "no such outcome", o.get("/console/events?outcome=moon").status, http.StatusBadRequest)
	want(t, "no such cursor", o.get("/console/events?cursor=moon").status, http.StatusBadRequest)
}

// TestEvents_pages: a list goes on where it ended and shows each call once.
func TestEvents_pages(t *testing.T) {
	t.Parallel()
	o := newOffice(t).enter()
	k := o.key(o.customer("acme", ""), "")
	for i := range 230 {
		o.call(k, time.Duration(i)*time.Second, "m", 1, 1, metering.Cost{Micros: 1})
	}
	seen, path, pages := make(map[string]bool), "/console/events?customer=acme", 0
	for path != "" {
		pages++
		next := ""
		for _, a := range find(o.page(path).document(), named("a")) {
			if id, ok := strings.CutPrefix(attribute(a, "href"), "/console/events/"); ok {
				if seen[id] {
					t.Errorf("%s is there twice", id)
				}
				seen[id] = true
			}
			if attribute(a, "rel") == "next" {
				next = attribute(a, "href")
			}
		}
		path = next
	}
	want(t, "calls", len(seen), 230)
	want(t, "pages", pages, 3)
	want(t, "file", strings.Count(o.page("/console/events.csv").body, "\n"), 231)
}

// TestEvent: one call, opened down to its prices.
func TestEvent(t *testing.T) {
	t.Parallel()
	o, keys := busy(t, func(c *console.Options) {
		c.Explain = func(context.Context, *metering.Event) ([]console.Line, error) {
			return []console.Line{{Item: "input", Quantity: "758", Price: "0.15", Per: 1_000_000, Rate: "rate-1", Amount: metering.Cost{Micros: 113, Picos: 700_000}}}, nil
		}
		c.ExplainNow = func(_ context.Context, _ *metering.Event, corrections []*metering.Event) ([]console.Line, error) {
			return []console.Line{{Item: "searches", Quantity: "3", Price: "0", Per: 1, Rate: "free", Amount: metering.Cost{}}}, nil
		}
	})
	e := o.call(keys[0], time.Minute, "gpt-4o-mini", 1010, 100, metering.Cost{Micros: 182, Picos: 1})
	got := o.page("/console/events/" + e.ID.String())
	tables := find(got.document(), named("table"))
	want(t, "tables", len(tables), 2)
	cells := o.table(tables[0])
	if diff := cmp.Diff([][]string{
		{"Class", "What", "Tokens"}, {"input", "input", "758"}, {"cache_read", "input, read from the cache", "252"},
		{"output", "output", "80"}, {"reasoning", "reasoning", "20"},
	}, cells[:5]); diff != "" {
		t.Errorf("tokens (-want +got)\n%s", diff)
	}
	want(t, "all tokens", cells[5][1], "1110")
	lines := o.table(tables[1])
	if diff := cmp.Diff([][]string{{"input", "758", "0.15", "rate-1", "0.0001137"}, {"Exact sum", "0.000182000001"}}, lines[1:]); diff != "" {
		t.Errorf("price lines (-want +got)\n%s", diff)
	}
	for _, part := range []string{"$0.000182", "350 ms", "1.42 s", "Acme, Inc.", e.ID.String()} {
		if !strings.Contains(got.body, part) {
			t.Errorf("the page does not say %s", part)
		}
	}
	// Its allowance is given out later: the cost opens into the lines of then.
	target := *e
	target.Cost, target.CostState, target.Book = metering.Cost{Micros: 100}, metering.CostExact, "later"
	id, err := metering.NewID()
	o.must(err)
	made, err := metering.Correction(id, e, nil, &target, false)
	o.must(err)
	made.Pools = []metering.PoolUse{{Pool: "searches", Before: metering.NumberOf(1499), Units: metering.NumberOf(3)}}
	o.must(o.store.Correct(t.Context(), made, 0, []byte("x")))
	got = o.page("/console/events/" + e.ID.String())
	tables = find(got.document(), named("table"))
	want(t, "tables after a correction", len(tables), 3)
	if diff := cmp.Diff([][]string{{"searches", "3", "0", "free", "0"}, {"Exact sum", "0.0001"}}, o.table(tables[2])[1:]); diff != "" {
		t.Errorf("lines after a correction (-want +got)\n%s", diff)
	}
	for _, part := range []string{"Upstream cost after corrections", "3 of searches, after 1,499", "Price book later"} {
		if !strings.Contains(read(find(got.document(), named("main"))[0]), part) {
			t.Errorf("after a correction the page does not say %s", part)
		}
	}
	unpriced, _, err := o.store.Events(t.Context(), metering.EventQuery{Org: org, Model: "mystery-1", Limit: 1})
	o.must(err)
	text := read(find(o.page("/console/events/"+unpriced[0].ID.String()).document(), named("main"))[0])
	for _, part := range []string{"not zero but unknown", "usage estimated", "between 5 and 60", "team==cmd|x"} {
		if !strings.Contains(text, part) {
			t.Errorf("the page of an unpriced call does not say %q: %s", part, text)
		}
	}
	want(t, "no such event", o.get("/console/events/"+keys[0].ID).status, http.StatusNotFound)
	want(t, "no event at all", o.get("/console/events/moon").status, http.StatusNotFound)
}

// TestLive: a fragment for the poll, the latest calls, and a pause that is the
// server's.
func TestLive(t *testing.T) {
	t.Parallel()
	o, _ := busy(t)
	r := httptest.NewRequest(http.MethodGet, "/console/live?model=gpt-4o", nil)
	r.Header.Set("HX-Request", "true")
	poll := o.do(r)
	if poll.status != http.StatusOK || strings.Contains(poll.body, "<html") || !strings.Contains(poll.body, `hx-trigger="every 2s"`) || !strings.Contains(poll.body, `hx-get="/console/live?model=gpt-4o"`) {
		t.Errorf("the poll: %d %.400s", poll.status, poll.body)
	}
	if paused := o.page("/console/live?paused=1"); strings.Contains(paused.body, "hx-get") {
		t.Error("a paused page polls")
	}
	failed := o.table(find(o.page("/console/live?outcome=failed").document(), named("table"))[0])
	want(t, "failed calls", len(failed)-1, 1)
	want(t, "the failed call", failed[1][4], "✕ upstream error, 502")
	o.cookie = nil
	out := o.do(httptest.NewRequest(http.MethodGet, "/console/live", nil))
	want(t, "signed out", out.status, http.StatusSeeOther)
	r = httptest.NewRequest(http.MethodGet, "/console/live", nil)
	r.Header.Set("HX-Request", "true")
	if out := o.do(r); out.status != http.StatusUnauthorized || out.header.Get("HX-Redirect") != "/console/login" {
		t.Errorf("a poll when signed out: %d %v", out.status, out.header)
	}
}

// TestFirstSteps tick themselves off.
func TestFirstSteps(t *testing.T) {
	t.Parallel()
	var upstreams []console.Upstream
	o := newOffice(t, func(c *console.Options) { c.Upstreams = func() []console.Upstream { return upstreams } }).enter()
	done := func() int { return strings.Count(o.page("/console/").body, `<li class="done">`) }
	want(t, "at first", done(), 0)
	upstreams = []console.Upstream{{Name: "openai"}}
	want(t, "with an upstream", done(), 1)
	k := o.key(o.customer("acme", ""), "")
	want(t, "with a key", done(), 2)
	o.call(k, time.Second, "m", 1, 1, metering.Cost{})
	if strings.Contains(o.page("/console/").body, "Three steps") {
		t.Error("the steps stay")
	}
}

// TestHealth shows checks, journals and quarantine.
func TestHealth(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *console.Options) {
		c.Doctor = func(context.Context, string) []console.Check {
			return []console.Check{{"clock", "warn", "differs by 2s", "run NTP"}, {"database", "ok", "fine", ""}, {"quarantine", "fail", "3 records", "report it"}}
		}
	}).enter()
	lease, err := o.store.ClaimJournal(t.Context(), metering.JournalClaim{Journal: "01a2139a-226f-7b42-b583-20ce676e5b6a", Nonce: "n", Host: "box <1>"})
	o.must(err)
	_, err = o.store.Beat(t.Context(), metering.Beat{Lease: lease, Watermark: metering.MicrosOf(o.now.Add(-90 * time.Second)), Lag: 4321})
	o.must(err)
	got := o.page("/console/health")
	tiles := got.tiles()
	want(t, "behind", tiles["Usage is behind by"], "1 m 30 s complete up to 2026-11-25 12:28:30 UTC")
	want(t, "lag", tiles["Waiting to be shipped"], "4321")
	if text := read(find(got.document(), named("main"))[0]); !strings.Contains(text, "clock ! warn differs by 2s run NTP") || !strings.Contains(text, "box <1>") {
		t.Errorf("health: %s", text)
	}
	if !strings.Contains(o.page("/console/").body, "90 s behind") {
		t.Error("the overview does not say how old it is")
	}
	var file struct {
		Checks   []map[string]string
		Journals []metering.JournalInfo
	}
	o.must(json.Unmarshal([]byte(o.page("/console/health.json").body), &file))
	if len(file.Checks) != 3 || len(file.Journals) != 1 || file.Journals[0].Lag != 4321 {
		t.Errorf("health.json: %+v", file)
	}
}

// identifier is an id, which may look like a number with an exponent.
var identifier = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// TestPages_crawl follows every link from the first page: each leads to a page
// that is whole, has one heading, and needs nothing that the policy forbids.
func TestPages_crawl(t *testing.T) {
	t.Parallel()
	o, _ := busy(t)
	queue, seen := []string{"/console/?period=30d"}, map[string]bool{}
	for len(queue) > 0 && len(seen) < 80 {
		path := queue[0]
		queue = queue[1:]
		if seen[path] {
			continue
		}
		seen[path] = true
		got := o.get(path)
		if got.status != http.StatusOK {
			t.Errorf("GET %s: %d", path, got.status)
			continue
		}
		if !strings.HasPrefix(got.header.Get("Content-Type"), "text/html") {
			continue
		}
		doc := got.document()
		want(t, "headings of "+path, len(find(doc, named("h1"))), 1)
		ids := make(map[string]bool)
		for _, n := range find(doc, func(*html.Node) bool { return true }) {
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Val, "javascript:") {
					t.Errorf("%s has <%s %s=%q>", path, n.Data, a.Key, a.Val)
				}
				if a.Key == "id" && ids[a.Val] {
					t.Errorf("%s has the id %s twice", path, a.Val)
				} else if a.Key == "id" {
					ids[a.Val] = true
				}
			}
			if n.Data == "style" || n.Data == "script" && attribute(n, "src") == "" {
				t.Errorf("%s has an inline <%s>", path, n.Data)
			}
			if n.Data != "a" {
				continue
			}
			if to, err := url.Parse(attribute(n, "href")); err != nil || to.Host != "" || to.Scheme != "" {
				t.Errorf("%s leads to %q", path, attribute(n, "href"))
			} else if to.Path != "" {
				to.Fragment = ""
				queue = append(queue, to.String())
			}
		}
		shown := identifier.ReplaceAllString(got.body, "")
		for _, part := range []string{"%!", "<no value>", "ZgotmplZ", "0001-01-01", "e-0", "NaN"} {
			if strings.Contains(shown, part) {
				t.Errorf("%s says %q", path, part)
			}
		}
	}
	if len(seen) < 80 {
		t.Errorf("%d pages", len(seen))
	}
	t.Log(strconv.Itoa(len(seen)) + " pages")
}
