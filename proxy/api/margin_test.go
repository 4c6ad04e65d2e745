package api_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// called records a call of a thousand tokens, which earns 0.01 USD.
func (s *server) called(customer string, edit func(*metering.Event)) {
	s.t.Helper()
	c, err := s.store.Customer(s.t.Context(), metering.DefaultOrg, customer)
	s.must("customer", err)
	id, err := metering.NewID()
	s.must("id", err)
	e := &metering.Event{
		Call: metering.Call{ID: id, Org: metering.DefaultOrg, Customer: c.ID, At: metering.MicrosOf(began().Add(time.Hour)), Model: "m", Provider: "openai", Upstream: "eu", Metered: true},
		Name: metering.EventLLM, Outcome: metering.OutcomeComplete, CostState: metering.CostExact, Cost: metering.Cost{Micros: 2000},
	}
	e.Usage.State = metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 1000
	edit(e)
	_, err = s.store.Ingest(s.t.Context(), metering.DefaultOrg, []*metering.Event{e})
	s.must("record a call", err)
}

// twoCustomers have a run and a label, and one loses.
func (s *server) twoCustomers() {
	s.subscribed("acme")
	s.subscribed("globex")
	s.called("acme", func(e *metering.Event) {
		e.Run, e.Tags = "run 1", []metering.Tag{{Name: "team", Value: `=1+1,"x"`}}
	})
	s.called("acme", func(e *metering.Event) {
		e.Run, e.Model, e.Cost = "-2", "dear", metering.Cost{Micros: 90_000, Picos: 1}
	})
	s.called("globex", func(e *metering.Event) { e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{} })
	s.called("globex", func(e *metering.Event) { e.Test = true })
}

// peak lets a customer pay for the largest of its calls, which earns 0.025 USD and
// has no parts.
func (s *server) peak(customer string) {
	s.t.Helper()
	_, err := s.client.CreateMeter(s.t.Context(), api.NewMeter{Name: "peak", Aggregation: metering.Aggregate{Func: metering.AggregateMax, Property: "totalTokens"}})
	s.must("create meter", err)
	_, err = s.client.AddPrice(s.t.Context(), "LLM usage of "+customer, api.NewPrice{Meter: "peak", Amount: "0.025", Per: 1000, Currency: "USD"})
	s.must("add price", err)
}

// TestMargin_csv: the table has what the JSON has, whatever is asked for, and no
// cell is a formula.
func TestMargin_csv(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.twoCustomers()
	s.peak("acme")
	for _, path := range []string{
		"margin?by=customer", "margin?by=run,customer", "margin?by=tag:team", "margin?by=model&customer=acme", "margin?by=upstream&without=run", "margin?by=day,model&top=1",
		"margin?by=model&unknown=run", "cost?by=tag:team,model", "cost?by=product", "cost?by=customer&tag=team%3D%3D1%2B1%2C%22x%22",
	} {
		status, _, body := s.request(http.MethodGet, "/api/v1/"+path, "", nil)
		var want api.MarginAnswer
		if status != http.StatusOK || json.Unmarshal(body, &want) != nil {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		_, _, body = s.request(http.MethodGet, "/api/v1/"+path+"&format=csv", "", nil)
		_, _, asked := s.request(http.MethodGet, "/api/v1/"+path, "", http.Header{"Accept": {"text/csv, application/json;q=0.5"}})
		if string(body) != string(asked) {
			t.Errorf("%s: format=csv and Accept differ: %s\n%s", path, body, asked)
		}
		got, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
		s.must("read the table", err)
		if d := cmp.Diff(table(want, strings.HasPrefix(path, "cost")), got); d != "" {
			t.Errorf("%s (-JSON +CSV):\n%s", path, d)
		}
	}
	if status, code, _ := s.request(http.MethodGet, "/api/v1/margin?format=pdf", "", nil); status < 400 || code != api.CodeInvalid {
		t.Errorf("as a PDF: %d %s", status, code)
	}
}

// table is an answer as lines, by other code than the server's.
func table(a api.MarginAnswer, costs bool) [][]string {
	out := [][]string{{"row"}}
	for _, by := range a.By {
		out[0] = append(out[0], by)
		if by == "customer" || by == "key" {
			out[0] = append(out[0], by+"_name")
		}
	}
	out[0] = append(out[0], "unknown", "groups", "requests", "cost_usd", "unpriced")
	if !costs {
		out[0] = append(out[0], "currency", "revenue", "margin", "margin_percent", "estimated")
	}
	for _, r := range append(a.Rows, a.Totals) {
		cells := make(map[string]string)
		for _, g := range r.Groups {
			cells[g.By+"_name"] = g.Name
			if g.Value == nil {
				cells["unknown"] = strings.TrimSpace(cells["unknown"] + " " + g.By)
				continue
			}
			cells[g.By] = *g.Value
			if strings.HasPrefix(*g.Value, "=") {
				cells[g.By] = "'" + *g.Value
			}
		}
		cells["row"], cells["groups"], cells["requests"] = string(r.Kind), strconv.Itoa(r.Count), strconv.FormatInt(r.Requests, 10)
		cells["cost_usd"], cells["unpriced"], cells["currency"], cells["revenue"] = r.Cost.String(), strconv.FormatInt(r.Unpriced, 10), string(r.Currency), r.Revenue
		cells["estimated"] = strconv.FormatBool(r.Estimated)
		if r.Margin != nil {
			cells["margin"] = *r.Margin
		}
		if r.Percent != nil {
			cells["margin_percent"] = *r.Percent
		}
		var line []string
		for _, name := range out[0] {
			line = append(line, cells[name])
		}
		out = append(out, line)
	}
	if !costs && a.Outside != "0" {
		line := make([]string, len(out[0]))
		line[0], line[slices.Index(out[0], "currency")], line[slices.Index(out[0], "revenue")] = "outside", "USD", a.Outside
		out = append(out, line)
	}
	return out
}

// TestMargin_open: a row leads to what makes it, by the same names.
func TestMargin_open(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.twoCustomers()
	ask := func(o api.MarginOptions) api.MarginAnswer {
		t.Helper()
		a, err := s.client.Margin(t.Context(), o)
		s.must("margin", err)
		return a
	}
	all := ask(api.MarginOptions{By: "customer,model"})
	first := all.Rows[0]
	if first.Groups[0].Name != "acme" || *first.Groups[1].Value != "dear" || *first.Margin != "-0.080000000001" || len(all.Filters) != 0 {
		t.Fatalf("the worst margin is not first: %+v", all.Rows)
	}
	open := ask(api.MarginOptions{By: "run", Customer: *first.Groups[0].Value, Model: "dear"})
	if len(open.Rows) != 1 || *open.Rows[0].Groups[0].Value != "-2" || *open.Totals.Margin != *first.Margin || open.Totals.Revenue != first.Revenue {
		t.Errorf("opened: %+v", open)
	}
	if f := open.Filters; len(f) != 2 || f[0].By != "customer" || f[0].Name != "acme" || f[1].By != "model" {
		t.Errorf("filters: %+v", f)
	}
	if a := ask(api.MarginOptions{By: "model", Without: "run,tag:team", Product: "LLM usage of globex"}); a.Totals.Requests != 1 || a.Totals.Unpriced != 1 || a.Totals.Revenue != "0.01" || !a.Totals.Estimated {
		t.Errorf("without a run: %+v", a.Totals)
	}
	products, err := s.client.Products(t.Context(), api.ListOptions{})
	s.must("products", err)
	for _, p := range products.Items {
		if a := ask(api.MarginOptions{By: "product", Product: p.ID}); len(a.Rows) != 1 || *a.Rows[0].Groups[0].Value != p.Name || *a.Filters[0].Value != p.Name {
			t.Errorf("of the product %s: %+v", p.Name, a)
		}
	}
	if a := ask(api.MarginOptions{Unknown: "run"}); a.Totals.Requests != 0 || a.Totals.Revenue != "0" {
		t.Errorf("of which the run is not known: %+v", a.Totals)
	}
	top := ask(api.MarginOptions{By: "run", Top: 1, Tags: nil, Sync: true})
	if len(top.Rows) != 2 || top.Rows[1].Kind != "others" || top.Rows[1].Count != 2 || len(top.Rows[1].Groups) != 0 || top.Totals.Count != 3 {
		t.Errorf("the worst run and the others: %+v", top)
	}
	for path, says := range map[string]string{
		"margin?by=colour": `is no dimension; want some of customer`, "margin?by=day,hour": "an hour tells its day", "margin?by=model,model": "twice",
		"margin?day=2026-01-31": "by the span of time", "margin?run=x&without=run": "two values", "margin?unknown=model": "known of every call",
		"margin?tag=team": "NAME=VALUE", "margin?top=0": "whole number", "margin?customer=nobody": "nobody", "margin?product=none": "none", "margin?colour=red": "is unknown",
		"cost?by=tag:": "tag:NAME", "margin?model=x&model=y": "given 2 times",
	} {
		if status, _, body := s.request(http.MethodGet, "/api/v1/"+path, "", nil); status < 400 || status >= 500 || !strings.Contains(string(body), says) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestMargin_order: filters hold in the order in which they are given, in which a
// total was opened.
func TestMargin_order(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.twoCustomers()
	for path, want := range map[string]string{
		"tag=b%3D1&model=m&tag=a%3D1&run=x&without=key": "tag:b tag:a model run key", "run=x&model=m": "run model", "model=m&r%75n=x": "model run",
	} {
		status, _, body := s.request(http.MethodGet, "/api/v1/cost?"+path, "", nil)
		var a api.CostAnswer
		if status != http.StatusOK || json.Unmarshal(body, &a) != nil {
			t.Fatalf("%s: %d %s", path, status, body)
		}
		var got []string
		for _, f := range a.Filters {
			got = append(got, f.By)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %s", path, got, want)
		}
	}
}

// TestCost: costs are known where nobody is billed.
func TestCost(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *api.Options) { o.Billing = nil })
	_, err := s.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "acme"})
	s.must("create customer", err)
	s.called("acme", func(e *metering.Event) { e.Run = "r" })
	s.called("acme", func(e *metering.Event) { e.Cost.Micros = 5000 })
	a, err := s.client.Cost(t.Context(), api.MarginOptions{By: "customer,run"})
	s.must("cost", err)
	if len(a.Rows) != 2 || a.Rows[0].Cost.String() != "0.005" || a.Rows[0].Groups[0].Name != "acme" || *a.Rows[1].Groups[1].Value != "r" || a.Totals.Cost.String() != "0.007" {
		t.Errorf("costs: %+v", a)
	}
	if _, err := s.client.Cost(t.Context(), api.MarginOptions{By: "product"}); err == nil || !strings.Contains(err.Error(), "nobody is billed here") {
		t.Errorf("by product: %v", err)
	}
	if _, err := s.client.Margin(t.Context(), api.MarginOptions{}); err == nil || !strings.Contains(err.Error(), "does not bill") {
		t.Errorf("margins: %v", err)
	}
}

// TestMarginCommands: tables for people, for spreadsheets and for machines.
func TestMarginCommands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.twoCustomers()
	s.says("margin --by customer,run", "CUSTOMER RUN REVENUE COST USD", "acme -2 0.01 USD 0.090000000001 -0.080000000001", "globex none 0.01 USD", "total 0.03 USD 0.092000000001", "1 requests have no known cost")
	s.says("margin --by model --customer acme --run -2", "dear 0.01 USD", "total 0.01 USD")
	s.says("margin --by tag:team --tag team==1+1,\"x\"", `=1+1,"x" 0.01 USD`)
	s.says("margin --by run --top 1 --sync", "-2 0.01 USD", "2 others 0.02 USD 0.002")
	s.says("cost --by model", "MODEL REQUESTS COST USD UNPRICED dear 1 0.090000000001 0 m 2 0.002 1 total 3 0.092000000001 1")
	s.says("cost --by provider --csv --model dear", "row,provider,unknown,groups,requests,cost_usd,unpriced group,openai,,1,1,0.090000000001,0 total,,,1,1,0.090000000001,0")
	s.says("margin --by upstream --csv", "group,eu,,1,3,0.092000000001,1,USD,0.03,-0.062000000001,-206.7,true")
	s.says("margin --json --without run", `"filters":[{"by":"run","value":""}]`)
	for command, want := range map[string]int{
		"margin --by colour": api.ExitUsage, "cost --by model,model": api.ExitUsage, "margin --csv --json": api.ExitUsage, "cost --tag team": api.ExitUsage,
		"margin --customer nobody": api.ExitRefused, "margin --csv --customer nobody": api.ExitRefused, "cost --without day": api.ExitRefused,
	} {
		if status, out, errs := s.weir(strings.Split(command, " ")...); status != want || errs == "" || out != "" {
			t.Errorf("weir %s: exit %d, want %d: %s%s", command, status, want, out, errs)
		}
	}
	s.peak("acme")
	s.says("margin --by model", "unattributed 0.025 USD 0")
	s.says("margin --by customer --model m", "0.025 USD more were earned of which nobody can tell")
	s.says("margin --by customer --model m --csv", "outside,,,,,,,,USD,0.025,,,")
}
