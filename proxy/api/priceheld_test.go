package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/api"
)

const feed = "https://models.dev/api.json"

// feeds is one feed, which asks for a price of gpt-x that a person has to see and
// says one of org/gpt-y that needs nobody.
type feeds struct {
	store *sqlstore.Store
	asked int
	fails string
}

func (f *feeds) sync(ctx context.Context, dry bool) (api.PriceSync, error) {
	f.asked++
	old, dear, cheap := "2", "9", "1.1"
	out := api.PriceSync{
		Feeds: []api.FeedLook{{URL: feed, Changed: true, Models: 2, Held: 1, Failure: f.fails}},
		Changes: []api.PriceDiff{
			{Provider: "openai", SKU: "gpt-x", Meter: "input", Old: &old, New: &dear, Per: 1_000_000, Held: "more than three times as much"},
			{Provider: "openai", SKU: "org/gpt-y", Meter: "input", Old: nil, New: &cheap, Per: 1_000_000},
		},
	}
	if dry {
		return out, nil
	}
	l, err := catalogue.NewLayer(catalogue.Synced, catalogue.Rows{Rates: []catalogue.Rate{{Provider: "openai", SKU: "org/gpt-y", Meter: "input", Price: &cheap}}})
	if err != nil {
		return out, err
	}
	at := metering.MicrosOf(began().AddDate(0, 0, -3))
	r := pricesync.Result{Layer: l, At: at, Feed: pricesync.Feed{URL: feed, Shape: pricesync.ModelsDev, Models: 2, Asked: at, Read: at, Failure: f.fails}}
	for _, id := range []string{"h1", "h2", "h3"} {
		r.Held = append(r.Held, pricesync.Held{
			ID: id, Feed: feed, Provider: "openai", SKU: "gpt-x", Meter: "input", Old: &old, New: &dear, Per: 1_000_000,
			Reason: "more than three times as much", State: pricesync.StateOpen, FirstSeen: at, LastSeen: at,
		})
	}
	if err := f.store.KeepSync(ctx, metering.DefaultOrg, r); err != nil {
		return out, err
	}
	return out, nil
}

// walkHeld succeeds with each operation about feeds.
func walkHeld(s *server) {
	ctx, c := s.t.Context(), s.client
	_, err := c.SyncPrices(ctx, false)
	s.must("sync", err)
	_, err = c.PriceFeeds(ctx)
	s.must("feeds", err)
	_, err = c.HeldPrices(ctx, "", api.ListOptions{})
	s.must("held", err)
	_, err = c.ApprovePrice(ctx, "h1")
	s.must("approve", err)
	_, err = c.RejectPrice(ctx, "h1")
	s.must("reject", err)
}

// TestPrices_sync: what a feed says is taken or waits, and a person decides.
func TestPrices_sync(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("pricebook sync --dry-run", feed+" yes 2 1", "openai/gpt-x input - 2 9 1,000,000 held: more than three", "openai/org/gpt-y input - none 1.1 1,000,000 would be taken", "this was a dry run")
	s.says("pricebook held", "ID PROVIDER/MODEL")
	s.says("pricebook list --model org/gpt-y", "input 1 per 1,000,000 - embedded")
	s.says("pricebook sync", "openai/org/gpt-y input - none 1.1 1,000,000 taken")
	s.says("pricebook list --model org/gpt-y", "input 1.1 per 1,000,000 - sync")
	s.says("pricebook drift", "openai/org/gpt-y input - sync 1.1 per 1,000,000 embedded 1 per 1,000,000")
	s.says("pricebook feeds", feed+" models.dev 2 2026-01-28T12:00:00")
	s.says("pricebook held", "h1 openai/gpt-x input - 2 9 1,000,000 open 2026-01-28T12:00:00.000000Z more than three times as much "+feed)
	first := s.says("pricebook held --limit 2", "h2", "more: --cursor")
	if rest := s.says("pricebook held --cursor "+field(strings.ReplaceAll(first, "more: --cursor", "cursor"), "cursor"), "h3"); strings.Contains(rest, "h2") {
		t.Errorf("the next page: %s", rest)
	}
	s.says("pricebook approve h1", "of openai/gpt-x", "from 2", "to 9", "state approved", "decided 2026-01-31T12:00:00", "by token ", "weir pricebook sync")
	s.says("pricebook approve h1", "state approved")
	s.says("pricebook reject h2", "state rejected")
	s.says("pricebook held --state approved,rejected", "h1", "h2")
	if open := s.says("pricebook held", "h3"); strings.Contains(open, "h1") {
		t.Errorf("what is decided waits: %s", open)
	}
	s.says("pricebook held --state all", "h1", "h3")
	_, err := s.client.ApprovePrice(t.Context(), "nonsense")
	s.refused("what is not there", err, api.CodeNotFound)
	if status, code, body := s.request(http.MethodGet, "/api/v1/pricebook/held?state=nonsense", "", nil); status != http.StatusUnprocessableEntity || code != api.CodeInvalid {
		t.Errorf("a state of nobody: %d %s", status, body)
	}
}

// TestDoctor_prices: doctor says which feed is stale, what waits, and whose price
// is not certain.
func TestDoctor_prices(t *testing.T) {
	t.Parallel()
	f := &feeds{fails: "no answer"}
	s := newServer(t, func(o *api.Options) {
		o.Wall = began
		f.store = o.Prices.Store.(*sqlstore.Store)
		o.Prices.Sync = f.sync
	})
	checks := func() map[string]api.Check {
		t.Helper()
		d, err := s.client.Doctor(t.Context())
		s.must("doctor", err)
		out := make(map[string]api.Check)
		for _, c := range d.Checks {
			out[c.Name] = c
		}
		return out
	}
	before := checks()
	for _, name := range []string{"price book", "price feeds", "held prices", "provisional prices"} {
		if before[name].Status != api.StatusOK {
			t.Errorf("before anything: %+v", before[name])
		}
	}
	_, err := s.client.SyncPrices(t.Context(), false)
	s.must("sync", err)
	_, err = s.client.AddPrices(t.Context(), api.NewPrices{Layer: catalogue.Operator, Rows: catalogue.Rows{Rates: []catalogue.Rate{
		{Provider: "openai", SKU: "gpt-x", Meter: "input", Price: new("3"), Status: catalogue.StatusProvisional},
	}}})
	s.must("add", err)
	_, err = s.client.Ingest(t.Context(), []byte(`{"events":[{"name":"llm-tokens","external_customer_id":"acme","metadata":{"_llm":{"vendor":"openai","model":"gpt-x","input_tokens":1,"output_tokens":1,"total_tokens":2}}}]}`))
	s.must("ingest", err)
	after := checks()
	for name, want := range map[string]string{
		"price feeds": feed + " read 72h0m0s ago, failed 0 times: no answer", "held prices": "3 wait for a person, the oldest for 72h0m0s: openai/gpt-x more than three",
		"provisional prices": "1 models that were used within a week, such as openai/gpt-x: rate: operator:openai/gpt-x/input is not vouched for",
	} {
		if c := after[name]; c.Status != api.StatusWarn || !strings.HasPrefix(c.Measured, want) || c.Remedy == "" {
			t.Errorf("%s: %+v, want %s", name, c, want)
		}
	}
	// Another release has left a layer that this one cannot make a book of.
	broken, err := catalogue.NewLayer(catalogue.Operator, catalogue.Rows{Matches: []catalogue.Match{{Provider: "openai", Type: catalogue.MatchExact, Pattern: "a", SKU: "no-such"}}})
	s.must("layer", err)
	_, err = s.store.KeepLayer(t.Context(), metering.DefaultOrg, broken, 1, 1, "")
	s.must("keep", err)
	_, err = s.client.SyncPrices(t.Context(), false)
	s.refused("a sync that makes no book", err, api.CodeInvalid)
	if c := checks()["price book"]; c.Status != api.StatusFail || !strings.Contains(c.Measured, "which is no SKU") {
		t.Errorf("price book: %+v", c)
	}
}
