package meteringtest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// HeldPrices is what TestHeldPrices tests: what feeds said, and what people
// decided about it.
type HeldPrices interface {
	pricesync.Store
	KeepLayer(ctx context.Context, org string, l *catalogue.Layer, expected int64, at metering.Micros, note string) (catalogue.Kept, error)
	HeldPrice(ctx context.Context, org, id string) (pricesync.Held, error)
	HeldPage(ctx context.Context, org string, after pricesync.Held, limit int, states ...pricesync.State) ([]pricesync.Held, error)
	DecidePrice(ctx context.Context, org, id string, state pricesync.State, by string, at metering.Micros) (pricesync.Held, error)
}

// TestHeldPrices is the conformance suite of what a store keeps of feeds. open
// returns two stores over one empty database, as two replicas have them.
func TestHeldPrices(t *testing.T, open func(t *testing.T) (HeldPrices, HeldPrices)) {
	for _, tt := range []struct {
		name string
		test func(*heldTest)
	}{
		{"a feed is replaced by what is known of it later", feedLife},
		{"a held change from beginning to end", heldLife},
		{"a decision stands until it is applied", heldDecision},
		{"a layer that others have changed keeps the rest of the result away", heldConflict},
		{"S26 nothing is found from another organisation", heldTenancy},
		{"S30 what cannot be stored is refused", heldText},
		{"replicas that read the same document keep it once", heldRace},
		{"a decision at the same time as a look is not lost", decisionRace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			tt.test(&heldTest{checked: checked{t}, HeldPrices: a, other: b})
		})
	}
}

type heldTest struct {
	checked
	HeldPrices
	other HeldPrices // another replica
}

const feedURL = "https://models.dev/api.json"

// proposal is an open change.
func proposal(id string, seen metering.Micros) pricesync.Held {
	old, price := "1", "4"
	return pricesync.Held{
		ID: id, Feed: feedURL, Provider: "openai", SKU: "m", Meter: "input", When: catalogue.When{Tier: "batch", Above: 5}, Old: &old, New: &price, Per: 1_000_000,
		Reason: "four times as much", State: pricesync.StateOpen, FirstSeen: seen, LastSeen: seen,
	}
}

// look is the result of a document that asks for changes.
func look(at metering.Micros, held ...pricesync.Held) pricesync.Result {
	return pricesync.Result{At: at, Held: held, Feed: pricesync.Feed{URL: feedURL, Shape: pricesync.ModelsDev, Asked: at, Read: at}}
}

func (t *heldTest) states(want string) {
	t.Helper()
	all, err := t.other.HeldPrices(t.Context(), home)
	t.must(err)
	var have []string
	for _, h := range all {
		have = append(have, h.ID+" "+string(h.State))
	}
	t.same("held changes", strings.Join(have, ", "), want)
}

func feedLife(t *heldTest) {
	ctx := t.Context()
	f := pricesync.Feed{URL: feedURL, Shape: pricesync.ModelsDev, ETag: `W/"a"`, Digest: "00ff", Models: 5307, Bytes: 1 << 33, Asked: noon, Read: noon, Confirmed: noon, Listing: []byte{0, 1, 255}}
	t.must(t.KeepPriceFeed(ctx, home, f))
	failed := f
	failed.Asked, failed.Failure, failed.Failures = noon+1, "no answer", 3
	t.must(t.other.KeepPriceFeed(ctx, home, failed))
	second := pricesync.Feed{URL: "https://example.com/z", Shape: pricesync.LiteLLM}
	first := pricesync.Feed{URL: "https://example.com/a", Shape: pricesync.GenAIPrices}
	t.must(t.KeepPriceFeed(ctx, home, second))
	t.must(t.KeepPriceFeed(ctx, home, first))
	feeds, err := t.PriceFeeds(ctx, home)
	t.must(err)
	t.same("feeds", feeds, []pricesync.Feed{first, second, failed})
}

func heldLife(t *heldTest) {
	ctx := t.Context()
	a, b := proposal("a", noon), proposal("b", noon)
	b.Old, b.When = nil, catalogue.When{}
	t.must(t.KeepSync(ctx, home, look(noon, a, b)))
	t.must(t.other.KeepSync(ctx, home, look(noon, a, b))) // its reply was lost
	open, err := t.HeldPrices.HeldPrices(ctx, home, pricesync.StateOpen)
	t.must(err)
	t.same("open", open, []pricesync.Held{a, b})

	again := proposal("a", noon+5)
	t.must(t.KeepSync(ctx, home, look(noon+5, again))) // b is asked for no more
	a.LastSeen = noon + 5
	got, err := t.other.HeldPrice(ctx, home, "a")
	t.must(err)
	t.same("seen again", got, a)
	t.states("a open, b withdrawn")
	approved, err := t.DecidePrice(ctx, home, "a", pricesync.StateApproved, "token-1", noon+6)
	t.must(err)
	a.State, a.Decided, a.By = pricesync.StateApproved, noon+6, "token-1"
	t.same("approved", approved, a)
	price := "4"
	l, err := catalogue.NewLayer(catalogue.Synced, catalogue.Rows{Rates: []catalogue.Rate{{Provider: "openai", SKU: "m", Meter: "input", Price: &price}}})
	t.must(err)
	r := look(noon + 7)
	r.Layer, r.Note, r.Applied = l, "applied", []string{"a"}
	t.must(t.KeepSync(ctx, home, r))
	t.must(t.KeepSync(ctx, home, r))
	t.states("a applied, b withdrawn")
	latest, n, err := t.LatestLayer(ctx, home, catalogue.Synced)
	t.must(err)
	t.same("layer", latest, l)
	t.same("its number", n, int64(1))
	t.must(t.KeepSync(ctx, home, look(noon+8, proposal("b", noon+8)))) // b comes back
	t.states("a applied, b open")

	page, err := t.HeldPage(ctx, home, pricesync.Held{}, 1)
	t.must(err)
	rest, err := t.HeldPage(ctx, home, page[0], 10)
	t.must(err)
	if len(page) != 1 || page[0].ID != "a" || len(rest) != 1 || rest[0].ID != "b" {
		t.Errorf("pages %+v and %+v", page, rest)
	}
	none, err := t.HeldPage(ctx, home, page[0], 10, pricesync.StateApplied)
	t.must(err)
	if len(none) != 0 {
		t.Errorf("a page of what is applied behind the last: %+v", none)
	}
}

func heldDecision(t *heldTest) {
	ctx := t.Context()
	t.must(t.KeepSync(ctx, home, look(noon, proposal("a", noon))))
	decide := func(state pricesync.State, at metering.Micros) pricesync.Held {
		t.Helper()
		h, err := t.DecidePrice(ctx, home, "a", state, "me", at)
		t.must(err)
		return h
	}
	decide(pricesync.StateRejected, noon+1)
	if h := decide(pricesync.StateRejected, noon+2); h.Decided != noon+1 {
		t.Errorf("decided twice: %+v", h)
	}
	t.must(t.KeepSync(ctx, home, look(noon+3, proposal("a", noon+3)))) // it is not asked again
	t.states("a rejected")
	decide(pricesync.StateApproved, noon+4)
	r := look(noon+5, proposal("a", noon+5))
	r.Applied = []string{"a"}
	t.must(t.KeepSync(ctx, home, r))
	t.states("a applied")
	_, err := t.DecidePrice(ctx, home, "a", pricesync.StateRejected, "me", noon+6)
	t.want("what is applied", err, metering.ErrConflict)
	_, err = t.DecidePrice(ctx, home, "nonsense", pricesync.StateRejected, "me", noon)
	t.want("what is not there", err, metering.ErrNotFound)
	for _, state := range []pricesync.State{pricesync.StateOpen, pricesync.StateApplied, "nonsense"} {
		_, err = t.DecidePrice(ctx, home, "a", state, "me", noon)
		t.want("no decision: "+string(state), err, metering.ErrInvalid)
	}
}

func heldConflict(t *heldTest) {
	ctx := t.Context()
	price := "1"
	mine, err := catalogue.NewLayer(catalogue.Synced, catalogue.Rows{Rates: []catalogue.Rate{{Provider: "openai", SKU: "m", Meter: "input", Price: &price}}})
	t.must(err)
	theirs, err := catalogue.NewLayer(catalogue.Synced, catalogue.Rows{SKUs: []catalogue.SKU{{Provider: "openai", SKU: "m"}}})
	t.must(err)
	_, err = t.other.KeepLayer(ctx, home, theirs, 0, noon, "")
	t.must(err)
	r := look(noon, proposal("a", noon))
	r.Layer = mine
	t.want("a layer behind one that is gone", t.KeepSync(ctx, home, r), metering.ErrConflict)
	t.states("")
	feeds, err := t.PriceFeeds(ctx, home)
	t.must(err)
	if len(feeds) > 0 {
		t.Errorf("the feed was kept: %+v", feeds)
	}
}

func heldTenancy(t *heldTest) {
	ctx := t.Context()
	t.must(t.KeepSync(ctx, home, look(noon, proposal("a", noon))))
	_, err := t.HeldPrice(ctx, abroad, "a")
	t.want("held change", err, metering.ErrNotFound)
	_, err = t.DecidePrice(ctx, abroad, "a", pricesync.StateApproved, "me", noon)
	t.want("decision", err, metering.ErrNotFound)
	feeds, err := t.PriceFeeds(ctx, abroad)
	t.must(err)
	held, err := t.HeldPrices.HeldPrices(ctx, abroad)
	t.must(err)
	if len(feeds)+len(held) > 0 {
		t.Errorf("another organisation sees %v, %v", feeds, held)
	}
	t.must(t.KeepSync(ctx, abroad, look(noon))) // withdraws nothing at home
	t.states("a open")
}

func heldText(t *heldTest) {
	ctx := t.Context()
	for what, edit := range map[string]func(*pricesync.Held){
		"NUL": func(h *pricesync.Held) { h.SKU = "a\x00" }, "no id": func(h *pricesync.Held) { h.ID = "" },
		"a long reason": func(h *pricesync.Held) { h.Reason = strings.Repeat("x", 1001) }, "another feed": func(h *pricesync.Held) { h.Feed = "x" },
	} {
		h := proposal("a", noon)
		edit(&h)
		t.want("held: "+what, t.KeepSync(ctx, home, look(noon, h)), metering.ErrInvalid)
	}
	for what, edit := range map[string]func(*pricesync.Feed){
		"no address": func(f *pricesync.Feed) { f.URL = "" }, "no UTF-8": func(f *pricesync.Feed) { f.ETag = "\xff" }, "a long failure": func(f *pricesync.Feed) { f.Failure = strings.Repeat("x", 1001) },
	} {
		f := look(noon).Feed
		edit(&f)
		t.want("feed: "+what, t.KeepPriceFeed(ctx, home, f), metering.ErrInvalid)
	}
	_, err := t.HeldPrice(ctx, home, "\x00")
	t.want("an id of NUL", err, metering.ErrInvalid)
}

// both runs do on both replicas at once, several times each.
func (t *heldTest) both(do func(i int, on HeldPrices)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 6 {
		on := t.HeldPrices
		if i%2 == 1 {
			on = t.other
		}
		wg.Go(func() {
			<-start
			do(i, on)
		})
	}
	close(start)
	wg.Wait()
}

func heldRace(t *heldTest) {
	var held []pricesync.Held
	for i := range 20 {
		held = append(held, proposal(fmt.Sprintf("h%02d", i), noon))
	}
	t.both(func(_ int, on HeldPrices) {
		if err := on.KeepSync(t.Context(), home, look(noon, held...)); err != nil {
			t.Errorf("keep: %v", err)
		}
	})
	got, err := t.HeldPrices.HeldPrices(t.Context(), home)
	t.must(err)
	t.same("held", got, held)
}

func decisionRace(t *heldTest) {
	for round := range 5 {
		id := fmt.Sprint("h", round)
		t.must(t.KeepSync(t.Context(), home, look(noon, proposal(id, noon))))
		t.both(func(i int, on HeldPrices) {
			if i == 3 {
				if _, err := on.DecidePrice(t.Context(), home, id, pricesync.StateApproved, "me", noon+1); err != nil {
					t.Errorf("decide: %v", err)
				}
				return
			}
			if err := on.KeepSync(t.Context(), home, look(noon+metering.Micros(i), proposal(id, noon+metering.Micros(i)))); err != nil {
				t.Errorf("keep: %v", err)
			}
		})
		if h, err := t.HeldPrice(t.Context(), home, id); err != nil || h.State != pricesync.StateApproved {
			t.Errorf("round %d: %+v, %v, want that it is approved", round, h, err)
		}
	}
}
