package api_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/refresh"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/api"
)

// cent is a price list that tests know by heart.
func cent() catalogue.Rows {
	price := func(model, meter, price string) catalogue.Rate {
		return catalogue.Rate{Provider: "openai", SKU: model, Meter: meter, Price: &price, Sources: []string{"test"}}
	}
	batch := catalogue.When{Tier: "batch"}
	return catalogue.Rows{
		SKUs:    []catalogue.SKU{{Provider: "openai", SKU: "gpt-x", Context: 1000}, {Provider: "openai", SKU: "org/gpt-y"}, {Provider: "anthropic", SKU: "claude-x"}},
		Matches: []catalogue.Match{{Provider: "openai", Type: catalogue.MatchDateSuffix, Pattern: "gpt-x", SKU: "gpt-x"}},
		Rates: []catalogue.Rate{
			price("gpt-x", "input", "2"), price("gpt-x", "output", "8"), price("org/gpt-y", "input", "1"), price("*", "web_search_requests", "0.01"),
			{Provider: "anthropic", SKU: "claude-x", Meter: "*", Reason: "ambiguous: two sources"},
		},
		Modifiers: []catalogue.Modifier{{Provider: "openai", Multiply: "0.5", When: batch}},
	}
}

// newPrices is a price book of one shipped layer and what the store has.
func newPrices(t *testing.T, store *sqlstore.Store) *api.Prices {
	t.Helper()
	shipped, err := catalogue.NewLayer(catalogue.Embedded, cent())
	if err != nil {
		t.Fatal(err)
	}
	books, err := refresh.Open(t.Context(), refresh.Options{Org: metering.DefaultOrg, Shipped: []*catalogue.Layer{shipped}, Store: store, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	again := rerate.New(rerate.Options{
		Store: store, Book: books.Shelf().Book, Complete: func(context.Context) (metering.Micros, error) { return 0, nil },
	})
	return &api.Prices{Store: store, Books: books, Rerate: again.Run, Sync: (&feeds{store: store}).sync}
}

// added is a rate of the model that tests add to.
func added(meter, price string) catalogue.Rate {
	return catalogue.Rate{Provider: "openai", SKU: "gpt-x", Meter: meter, Price: &price}
}

// walkPrices succeeds with each operation about prices.
func walkPrices(s *server) {
	ctx, c := s.t.Context(), s.client
	_, err := c.Prices(ctx, api.PriceOptions{Provider: "openai"})
	s.must("list prices", err)
	_, err = c.ModelPrices(ctx, "openai", "gpt-x", "")
	s.must("show prices", err)
	done, err := c.AddPrices(ctx, api.NewPrices{Rows: catalogue.Rows{Rates: []catalogue.Rate{added("input", "3")}}, Layer: catalogue.Operator, Note: "why"})
	s.must("add prices", err)
	_, err = c.Drift(ctx, api.PriceOptions{})
	s.must("drift", err)
	_, err = c.RemovePrice(ctx, api.PriceRemoval{Rate: done.Added[0], Layer: catalogue.Operator})
	s.must("remove a price", err)
	_, err = c.PriceLayers(ctx)
	s.must("layers", err)
	_, err = c.LayerVersions(ctx, "operator", api.ListOptions{})
	s.must("versions of a layer", err)
	_, err = c.LayerContent(ctx, "operator", "latest")
	s.must("rows of a layer", err)
	_, err = c.PriceBooks(ctx, api.ListOptions{})
	s.must("books", err)
	_, err = c.TestPrices(ctx, api.PriceQuestion{Provider: "openai", Model: "gpt-x", Tokens: map[string]int64{"output": 1}})
	s.must("test", err)
	_, err = c.Rerate(ctx, api.RerateRequest{DryRun: true})
	s.must("price again", err)
}

// cost asks what a call of the model would cost.
func (s *server) cost(q api.PriceQuestion) api.PriceTrial {
	s.t.Helper()
	q.Provider = "openai"
	if q.Model == "" {
		q.Model = "gpt-x"
	}
	t, err := s.client.TestPrices(s.t.Context(), q)
	s.must("test", err)
	return t
}

// priced holds what a million input tokens cost.
func (s *server) million(what, want string) {
	s.t.Helper()
	t := s.cost(api.PriceQuestion{Tokens: map[string]int64{"input": 1_000_000}})
	have := string(t.State) + " " + t.Reason
	if t.Cost != nil {
		have = t.Cost.String()
	}
	if have != want {
		s.t.Errorf("%s: a million tokens cost %s, want %s", what, have, want)
	}
}

// TestPrices_layers: the operator's price holds over the shipped one and the
// account's over both, for the thing, conditions and time that it is about and
// for nothing else; all of it stays on record.
func TestPrices_layers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	add := func(level catalogue.Level, rates ...catalogue.Rate) api.PriceChange {
		t.Helper()
		d, err := s.client.AddPrices(ctx, api.NewPrices{Layer: level, Rows: catalogue.Rows{Rates: rates}, Note: "a note"})
		s.must("add", err)
		return d
	}
	s.million("shipped", "2")
	first := add(catalogue.Operator, added("input", "3"))
	s.million("operator", "3")
	if again := add(catalogue.Operator, added("input", "3")); again.N != first.N || len(again.Added) != 0 {
		t.Errorf("said twice: %+v", again)
	}
	s.million("in batch, by the modifier of the shipped layer", "3")
	if b := s.cost(api.PriceQuestion{Tier: "batch", Tokens: map[string]int64{"input": 1_000_000}}); b.Cost == nil || b.Cost.String() != "1.5" {
		t.Errorf("batch: %+v", b)
	}
	contract := added("input", "2.5")
	add(catalogue.Account, contract)
	s.million("account", "2.5")
	second := add(catalogue.Operator, added("input", "4"))
	s.million("account over a later price of the operator", "2.5")
	if diff := cmp.Diff([]string{"operator:openai/gpt-x/input"}, second.Superseded); diff != "" {
		t.Errorf("superseded:\n%s", diff)
	}
	drift, err := s.client.Drift(ctx, api.PriceOptions{Provider: "openai"})
	s.must("drift", err)
	if len(drift.Items) != 1 || drift.Items[0].Layer != catalogue.Account || drift.Items[0].OverLayer != catalogue.Operator || *drift.Items[0].Over.Price != "4" {
		t.Errorf("drift %+v", drift.Items)
	}
	layers, err := s.client.PriceLayers(ctx)
	s.must("layers", err)
	var have []string
	for _, l := range layers.Items {
		have = append(have, l.Layer.String())
		if !l.InUse || l.N == 0 {
			t.Errorf("layer %+v", l)
		}
	}
	if diff := cmp.Diff([]string{"embedded", "operator", "account"}, have); diff != "" {
		t.Errorf("layers:\n%s", diff)
	}
	versions, err := s.client.LayerVersions(ctx, "operator", api.ListOptions{Limit: 1})
	s.must("versions", err)
	if len(versions.Items) != 1 || versions.Items[0].N != 2 || versions.Items[0].Note != "a note" || versions.NextCursor == nil {
		t.Fatalf("versions %+v", versions)
	}
	older, err := s.client.LayerVersions(ctx, "operator", api.ListOptions{Limit: 1, Cursor: *versions.NextCursor})
	s.must("older versions", err)
	if len(older.Items) != 1 || older.Items[0].Version != first.Version || older.Items[0].InUse || older.NextCursor != nil {
		t.Errorf("older versions %+v", older)
	}
	old, err := s.client.LayerContent(ctx, "operator", first.Version)
	s.must("an old content", err)
	if len(old.Rows.Rates) != 1 || *old.Rows.Rates[0].Price != "3" {
		t.Errorf("content %+v", old)
	}
	books, err := s.client.PriceBooks(ctx, api.ListOptions{Limit: 3})
	s.must("books", err)
	rest, err := s.client.PriceBooks(ctx, api.ListOptions{Cursor: *books.NextCursor})
	s.must("more books", err)
	if n := len(books.Items) + len(rest.Items); n != 4 {
		t.Errorf("%d books, want those of four compositions", n)
	}
}

// TestPrices_remove: a price that is taken out is unknown and not that of a lower
// layer, unless that is what is wanted.
func TestPrices_remove(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx := t.Context()
	remove := func(r api.PriceRemoval) {
		t.Helper()
		r.Layer = catalogue.Operator
		_, err := s.client.RemovePrice(ctx, r)
		s.must("remove", err)
	}
	change, err := s.client.AddPrices(ctx, api.NewPrices{Layer: catalogue.Operator, Rows: catalogue.Rows{Rates: []catalogue.Rate{added("input", "3")}}})
	s.must("add", err)
	later := s.in(48)
	_, err = s.client.RemovePrice(ctx, api.PriceRemoval{Rate: "openai/gpt-x/input", Layer: catalogue.Operator, From: &later})
	s.must("remove the shipped one in two days", err)
	s.million("until then", "3")
	if q := s.cost(api.PriceQuestion{At: later.String(), Tokens: map[string]int64{"input": 1}}); q.State != metering.CostUnpriced || q.Reason != "meter: input" {
		t.Errorf("from then on: %+v", q)
	}
	remove(api.PriceRemoval{Rate: change.Added[0], Restore: true})
	s.million("taken back", "2")
	_, err = s.client.RemovePrice(ctx, api.PriceRemoval{Rate: change.Added[0], Layer: catalogue.Operator})
	s.refused("taken out twice", err, api.CodeState)
	remove(api.PriceRemoval{Rate: "openai/gpt-x/input"})
	s.million("the shipped one taken out", "unpriced meter: input")
	s.refused("a rate of nobody", errOf(s.client.RemovePrice(ctx, api.PriceRemoval{Rate: "nonsense", Layer: catalogue.Operator})), api.CodeNotFound)
	s.refused("restoring over a lower layer", errOf(s.client.RemovePrice(ctx, api.PriceRemoval{Rate: "openai/gpt-x/output", Layer: catalogue.Operator, Restore: true})), api.CodeState)
	contract, err := s.client.AddPrices(ctx, api.NewPrices{Layer: catalogue.Account, Rows: catalogue.Rows{Rates: []catalogue.Rate{added("input", "1")}}})
	s.must("add to the account", err)
	s.refused("from below", errOf(s.client.RemovePrice(ctx, api.PriceRemoval{Rate: contract.Added[0], Layer: catalogue.Operator})), api.CodeState)
	s.million("the account's stays", "1")
}

func errOf[T any](_ T, err error) error { return err }

// TestPrices_refused: a change that would break the book changes nothing, and
// says everything that is wrong.
func TestPrices_refused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	lost := catalogue.Match{Provider: "openai", Type: catalogue.MatchExact, Pattern: "a", SKU: "no-such"}
	unknown := added("output", "1")
	unknown.When.Calendar = "no-such"
	_, err := s.client.AddPrices(t.Context(), api.NewPrices{Layer: catalogue.Operator, Rows: catalogue.Rows{Rates: []catalogue.Rate{added("input", "1"), unknown}, Matches: []catalogue.Match{lost}}})
	var p *api.Problem
	if !errors.As(err, &p) || p.Code != api.CodePrices || p.Status != http.StatusUnprocessableEntity || len(p.Errors) != 2 {
		t.Fatalf("a broken book: %+v", err)
	}
	for _, tt := range []struct{ name, path, body, code, says string }{
		{"not a layer", "", `{"layer":"embedded","rows":{}}`, api.CodeInvalid, "layer"},
		{"no rows", "", `{}`, api.CodeInvalid, "rows"},
		{"empty rows", "", `{"rows":{}}`, api.CodeInvalid, "none"},
		{"a price that is a float", "", `{"rows":{"rates":[{"provider":"openai","sku":"gpt-x","meter":"input","price":0.1}]}}`, api.CodeInvalid, "rows"},
		{"a misspelt member", "", `{"rows":{"rates":[{"provider":"openai","sku":"gpt-x","meter":"input","prize":"1","price":"1"}]}}`, api.CodeInvalid, "prize"},
		{"no decimal", "", `{"rows":{"rates":[{"provider":"openai","sku":"gpt-x","meter":"input","price":"cheap"}]}}`, api.CodePrices, "cheap"},
		{"superseding nothing", "", `{"rows":{"rates":[{"provider":"openai","sku":"gpt-x","meter":"input","price":"1","supersedes":"nonsense"}]}}`, api.CodeInvalid, "nonsense"},
		{"two things at once", "/remove", `{"rate":"openai/gpt-x/input","from":"2026-02-01T00:00:00Z","restore":true}`, api.CodeInvalid, "from"},
		{"nothing used", "/test", `{"provider":"openai","model":"gpt-x"}`, api.CodeInvalid, "tokens"},
		{"usage twice", "/test", `{"provider":"openai","model":"gpt-x","usage":{},"tokens":{"input":1}}`, api.CodeInvalid, "usage"},
		{"usage that is none", "/test", `{"provider":"openai","model":"gpt-x","usage":{"x":1}}`, api.CodeInvalid, "usage"},
		{"fewer than none", "/test", `{"provider":"openai","model":"gpt-x","tokens":{"input":-1}}`, api.CodeInvalid, "tokens"},
		{"a cell of nobody", "/test", `{"provider":"openai","model":"gpt-x","tokens":{"inputs":1}}`, api.CodeInvalid, "tokens"},
		{"half a time", "/rerate", `{"from":"2026-02-01T00:00:00Z"}`, api.CodeInvalid, "both"},
		{"the other half", "/rerate", `{"to":"2026-02-01T00:00:00Z"}`, api.CodeInvalid, "both"},
		{"a dialect of nobody", "/test", `{"provider":"openai","model":"gpt-x","dialect":"x","usage":{}}`, api.CodeInvalid, "dialect"},
	} {
		status, code, body := s.request(http.MethodPost, "/api/v1/pricebook"+tt.path, tt.body, nil)
		if status != http.StatusUnprocessableEntity || code != tt.code || !strings.Contains(string(body), tt.says) {
			t.Errorf("%s: %d %s", tt.name, status, body)
		}
	}
	s.million("after all that", "2")
	if versions, err := s.client.LayerVersions(t.Context(), "operator", api.ListOptions{}); err != nil || len(versions.Items) != 0 {
		t.Errorf("a refused change left %+v, %v", versions.Items, err)
	}
	for _, path := range []string{"?provider=nobody", "?model=nobody", "/models/openai/nobody", "/layers/nonsense/versions", "/layers/operator/versions/0"} {
		if status, code, body := s.request(http.MethodGet, "/api/v1/pricebook"+path, "", nil); status != http.StatusNotFound || code != api.CodeNotFound {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"?cursor=x", "?layer=x", "?at=x", "/layers/operator/versions?cursor=x", "/books?cursor=x"} {
		if status, code, body := s.request(http.MethodGet, "/api/v1/pricebook"+path, "", nil); status != http.StatusUnprocessableEntity || code != api.CodeInvalid {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// TestPrices_document: the document has every member of a row, and no other.
func TestPrices_document(t *testing.T) {
	t.Parallel()
	schemas := newChecker(t).doc.Components.Schemas
	for name, row := range map[string]any{
		"PriceRows": catalogue.Rows{}, "PriceSKU": catalogue.SKU{}, "PriceMatchRow": catalogue.Match{}, "PriceRate": catalogue.Rate{},
		"PriceWhen": catalogue.When{}, "PriceModifier": catalogue.Modifier{}, "PriceCalendar": catalogue.Calendar{},
	} {
		var want []string
		for field := range reflect.TypeOf(row).Fields() {
			member, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			want = append(want, member)
		}
		have := slices.Collect(maps.Keys(schemas[name].Value.Properties))
		slices.Sort(want)
		slices.Sort(have)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%s (-rows +document):\n%s", name, diff)
		}
	}
}

// TestPrices_tenancy: the book is its organisation's, whatever a token may do in
// another one. S26.
func TestPrices_tenancy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	secret, hash, prefix, last4, err := keyring.MintToken()
	s.must("mint", err)
	_, err = s.store.CreateToken(t.Context(), metering.AccessToken{Org: "abroad", Hash: hash, Prefix: prefix, Last4: last4, Scopes: []string{"*"}})
	s.must("create token", err)
	other := http.Header{"Authorization": {"Bearer " + secret}}
	for _, r := range api.Routes() {
		if !strings.HasPrefix(r.Path, "/api/v1/pricebook") {
			continue
		}
		if status, code, body := s.request(r.Method, somePath(r), "", other); status != http.StatusNotImplemented || code != api.CodeAbsent {
			t.Errorf("%s from another organisation: %d %s", r.Name, status, body)
		}
	}
}

// TestPrices_test: what is used is read the way the provider writes it, and every
// step to the cost is shown.
func TestPrices_test(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, usage := range map[string]string{
		"chat": `{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`, "responses": `{"input_tokens":10,"output_tokens":5,"total_tokens":15}`,
		"a whole answer": `{"object":"chat.completion","model":"gpt-x-2026-01-02","usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}`,
	} {
		got := s.cost(api.PriceQuestion{Usage: []byte(usage)})
		if got.State != metering.CostExact || got.Cost.String() != "0.00006" || len(got.Lines) != 2 || got.Lines[0].Quantity != "10" || got.Models[0].SKU.SKU != "gpt-x" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	batch := api.PriceQuestion{Tier: "batch", Tokens: map[string]int64{"input": 100}}
	if got := s.cost(batch); got.State != metering.CostExact || got.Cost.String() != "0.0001" || len(got.Lines) != 1 || len(got.Lines[0].Modifiers) != 1 {
		t.Errorf("batch: %+v", got)
	}
	// A modifier of tokens says nothing of what a search costs in batch.
	batch.Quantities = map[string]string{"web_search_requests": "2"}
	if got := s.cost(batch); got.State != metering.CostUnpriced || got.Reason != "condition: service tier batch" || got.Cost != nil || len(got.Rejected) != 1 || got.Rejected[0].Row.SKU != "*" {
		t.Errorf("batch with a fee: %+v", got)
	}
	if got := s.cost(api.PriceQuestion{Quantities: map[string]string{"web_search_requests": "2"}}); got.State != metering.CostExact || got.Cost.String() != "0.02" {
		t.Errorf("a fee: %+v", got)
	}
	fast := s.cost(api.PriceQuestion{Speed: "fast", Tokens: map[string]int64{"input": 1}})
	if fast.State != metering.CostUnpriced || fast.Cost != nil || !strings.Contains(fast.Reason, "speed fast") || len(fast.Rejected) != 1 {
		t.Errorf("a speed of nobody: %+v", fast)
	}
	claude, err := s.client.TestPrices(t.Context(), api.PriceQuestion{Provider: "anthropic", Model: "claude-x", Usage: []byte(`{"input_tokens":3,"output_tokens":1,"cache_creation_input_tokens":2}`)})
	s.must("test", err)
	if claude.State != metering.CostUnpriced || claude.Reason != "ambiguous: two sources" || claude.Tokens[metering.InputCell(metering.CacheWrite5m, metering.Text)] != 2 {
		t.Errorf("claude: %+v", claude)
	}
	if got := s.cost(api.PriceQuestion{Model: "gpt-z", Tokens: map[string]int64{"input": 1}}); got.State != metering.CostUnpriced || got.Reason != "model: gpt-z" {
		t.Errorf("a model of nobody: %+v", got)
	}
}
