package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Prices is what TestPrices tests: the layers of the price book, and which of
// them the books consist of that priced events.
type Prices interface {
	KeepLayer(ctx context.Context, org string, l *catalogue.Layer, expected int64, at metering.Micros, note string) (catalogue.Kept, error)
	Layer(ctx context.Context, org string, ref catalogue.Ref) (*catalogue.Layer, error)
	LatestLayer(ctx context.Context, org string, level catalogue.Level) (*catalogue.Layer, int64, error)
	LayerHeads(ctx context.Context, org string) ([]catalogue.Kept, error)
	LayerHistory(ctx context.Context, org string, level catalogue.Level, before int64, limit int) ([]catalogue.Kept, error)
	PriceLayers(ctx context.Context, org string) ([]*catalogue.Layer, error)

	KeepPriceBook(ctx context.Context, org, version string, layers []*catalogue.Layer, at metering.Micros) error
	PriceBook(ctx context.Context, org, version string) ([]*catalogue.Layer, error)
	UsedBook(ctx context.Context, org, version string) (catalogue.UsedBook, error)
	UsedBooks(ctx context.Context, org string, after catalogue.UsedBook, limit int) ([]catalogue.UsedBook, error)
}

// OpenPrices returns two stores over one empty database, as two replicas have
// them, and registers their cleanup.
type OpenPrices func(t *testing.T) (Prices, Prices)

// TestPrices is the conformance suite of what a store keeps of prices.
func TestPrices(t *testing.T, open OpenPrices) {
	for _, tt := range []struct {
		name string
		test func(*priceTest)
	}{
		{"a layer from beginning to end", layerLife},
		{"all that rows say comes back", layerContent},
		{"a layer of many models", layerLarge},
		{"S26 nothing is found from another organisation", priceTenancy},
		{"S30 what cannot be stored is refused", priceText},
		{"of two changes at once one is refused and none is lost", layerRace},
		{"a book is remembered with its layers", bookLife},
		{"a book of a layer that nobody kept is refused whole", bookUnkept},
		{"releases that start together keep their layers once", bookRace},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			tt.test(&priceTest{checked: checked{t}, Prices: a, other: b})
		})
	}
}

// priceTest is one test on one database.
type priceTest struct {
	checked
	Prices
	other Prices // another replica
}

// priced is a layer with one price of each of the models.
func (t *priceTest) priced(level catalogue.Level, price string, models ...string) *catalogue.Layer {
	t.Helper()
	var rows catalogue.Rows
	for _, m := range models {
		rows.SKUs = append(rows.SKUs, catalogue.SKU{Provider: "openai", SKU: m})
		rows.Rates = append(rows.Rates, catalogue.Rate{Provider: "openai", SKU: m, Meter: "input", Price: &price})
	}
	l, err := catalogue.NewLayer(level, rows)
	t.must(err)
	return l
}

func (t *priceTest) keep(on Prices, l *catalogue.Layer, expected, n int64) {
	t.Helper()
	k, err := on.KeepLayer(t.Context(), home, l, expected, noon, "a note")
	t.must(err)
	if k.N != n || k.Version != l.Version || k.Level != l.Level {
		t.Errorf("kept %+v, want content %d of %s", k, n, l.Ref())
	}
}

func layerLife(t *priceTest) {
	ctx := t.Context()
	none, n, err := t.LatestLayer(ctx, home, catalogue.Operator)
	t.must(err)
	if none != nil || n != 0 {
		t.Errorf("an empty database has %v, %d", none, n)
	}
	first, second := t.priced(catalogue.Operator, "1", "m"), t.priced(catalogue.Operator, "2", "m")
	t.keep(t, first, 0, 1)
	t.keep(t.other, first, 0, 1)
	t.keep(t.other, first, 7, 1) // the content is there, whatever was expected
	_, err = t.KeepLayer(ctx, home, second, 0, noon, "")
	t.want("a content that follows none, where there is one", err, metering.ErrConflict)
	_, err = t.KeepLayer(ctx, home, second, 2, noon, "")
	t.want("a content that follows one that does not exist", err, metering.ErrConflict)
	t.keep(t.other, second, 1, 2)
	t.keep(t, first, 2, 3) // back to what was

	latest, n, err := t.other.LatestLayer(ctx, home, catalogue.Operator)
	t.must(err)
	t.same("latest", latest, first)
	t.same("its number", n, int64(3))
	for _, l := range []*catalogue.Layer{first, second} {
		got, err := t.other.Layer(ctx, home, l.Ref())
		t.must(err)
		t.same("layer of a version", got, l)
	}
	history, err := t.LayerHistory(ctx, home, catalogue.Operator, 0, 10)
	t.must(err)
	kept := func(n int64, l *catalogue.Layer) catalogue.Kept {
		text, err := l.Encode()
		t.must(err)
		return catalogue.Kept{Level: l.Level, N: n, Version: l.Version, At: noon, Note: "a note", Size: int64(len(text)), Counts: catalogue.Counts{SKUs: 1, Rates: 1}}
	}
	t.same("history", history, []catalogue.Kept{kept(3, first), kept(2, second), kept(1, first)})
	page, err := t.LayerHistory(ctx, home, catalogue.Operator, 3, 1)
	t.must(err)
	t.same("a page of it", page, []catalogue.Kept{kept(2, second)})

	sync, shipped := t.priced(catalogue.Synced, "3", "m"), t.priced(catalogue.Overlay, "4", "m")
	t.keep(t, sync, 0, 1)
	t.keep(t, shipped, 0, 1)
	heads, err := t.LayerHeads(ctx, home)
	t.must(err)
	t.same("heads", heads, []catalogue.Kept{kept(1, sync), kept(1, shipped), kept(3, first)})
	layers, err := t.PriceLayers(ctx, home)
	t.must(err)
	t.same("layers that no program ships", layers, []*catalogue.Layer{sync, first})
}

// layerContent: every field, also those that are nothing, and characters that
// some encoder might change.
func layerContent(t *priceTest) {
	price, free := "0.000001", "0"
	l, err := catalogue.NewLayer(catalogue.Account, catalogue.Rows{
		SKUs:    []catalogue.SKU{{Provider: "openai", SKU: "m<&>é\u2028x", Kind: "chat", Context: 1 << 40, Released: catalogue.Instant(noon), MovingAlias: true, Replace: true, Sources: []string{"a"}, Note: "ünï \"q\"\n"}},
		Matches: []catalogue.Match{{Provider: "openai", Type: catalogue.MatchRegex, Pattern: `m\.[0-9]+`, SKU: "m", Priority: -3, From: 1, To: catalogue.Instant(noon)}},
		Rates: []catalogue.Rate{
			{Provider: "openai", SKU: "m", Meter: "input", Price: &price, Per: 1000, Minimum: "1", Step: "0.5", From: catalogue.Instant(noon), Status: catalogue.StatusPromo, Guaranteed: catalogue.Instant(noon + 1), Observed: true},
			{Provider: "openai", SKU: "m", Meter: "output", Price: &free, When: catalogue.When{
				Tier: "batch", Above: 1000, Counts: []string{"input"}, Attributes: []catalogue.Attribute{{Name: "q", Values: []string{"hd"}}}, Volume: &catalogue.Volume{Pool: "p", Window: "day", From: 3},
			}},
			{Provider: "openai", SKU: "m", Meter: "*", Reason: "ambiguous: two sources"},
			{Provider: "openai", SKU: "m", Meter: "reasoning"},
		},
		Modifiers: []catalogue.Modifier{{Provider: "openai", Multiply: "0.5", When: catalogue.When{Tier: "batch"}, Alone: true}},
		Calendars: []catalogue.Calendar{{ID: "peak", Zone: "Asia/Shanghai", Days: []string{"mon"}, Ranges: []string{"09:00-12:00"}, Holidays: []string{"2026-10-01"}}},
	})
	t.must(err)
	t.keep(t, l, 0, 1)
	got, _, err := t.other.LatestLayer(t.Context(), home, catalogue.Account)
	t.must(err)
	t.same("layer", got, l)
	again, err := catalogue.NewLayer(catalogue.Account, got.Rows)
	t.must(err)
	t.same("its version made anew", again.Version, l.Version)
}

func layerLarge(t *priceTest) {
	models := make([]string, 5000)
	for i := range models {
		models[i] = fmt.Sprintf("model-%d", i)
	}
	l := t.priced(catalogue.Synced, "2.5", models...)
	t.keep(t, l, 0, 1)
	got, _, err := t.other.LatestLayer(t.Context(), home, catalogue.Synced)
	t.must(err)
	t.same("layer", got, l)
}

func priceTenancy(t *priceTest) {
	ctx := t.Context()
	l := t.priced(catalogue.Operator, "1", "m")
	t.keep(t, l, 0, 1)
	t.must(t.KeepPriceBook(ctx, home, "b1", []*catalogue.Layer{l}, noon))
	_, err := t.Layer(ctx, abroad, l.Ref())
	t.want("layer", err, metering.ErrNotFound)
	_, err = t.PriceBook(ctx, abroad, "b1")
	t.want("book", err, metering.ErrNotFound)
	_, err = t.UsedBook(ctx, abroad, "b1")
	t.want("layers of a book", err, metering.ErrNotFound)
	layers, err := t.PriceLayers(ctx, abroad)
	t.must(err)
	heads, err := t.LayerHeads(ctx, abroad)
	t.must(err)
	history, err := t.LayerHistory(ctx, abroad, catalogue.Operator, 0, 10)
	t.must(err)
	books, err := t.UsedBooks(ctx, abroad, catalogue.UsedBook{}, 10)
	t.must(err)
	if len(layers)+len(heads)+len(history)+len(books) > 0 {
		t.Errorf("another organisation sees %v, %v, %v, %v", layers, heads, history, books)
	}
	k, err := t.KeepLayer(ctx, abroad, l, 0, noon, "")
	t.must(err)
	t.same("number abroad", k.N, int64(1))
}

func priceText(t *priceTest) {
	ctx := t.Context()
	l := t.priced(catalogue.Operator, "1", "m")
	for what, note := range map[string]string{"NUL": "a\x00b", "no UTF-8": "\xff", "long": strings.Repeat("x", 1001)} {
		_, err := t.KeepLayer(ctx, home, l, 0, noon, note)
		t.want("a note: "+what, err, metering.ErrInvalid)
	}
	forged := *l
	forged.Version = "000000000000"
	_, err := t.KeepLayer(ctx, home, &forged, 0, noon, "")
	t.want("a version that is not of the rows", err, metering.ErrInvalid)
	_, err = t.Layer(ctx, home, catalogue.Ref{Level: catalogue.Operator, Version: "\x00"})
	t.want("a version of NUL", err, metering.ErrInvalid)
	_, err = t.UsedBook(ctx, home, "\xff")
	t.want("a book of no UTF-8", err, metering.ErrInvalid)
	err = t.KeepPriceBook(ctx, home, "\x00", []*catalogue.Layer{l}, noon)
	t.want("a new book of NUL", err, metering.ErrInvalid)
}

// together runs n functions at once, alternating between the replicas.
func (t *priceTest) together(n int, do func(i int, on Prices)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		on := t.Prices
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

// layerRace: everybody adds a model to what is there, and tries again when
// somebody else was first; in the end all of them are there.
func layerRace(t *priceTest) {
	const writers = 6
	t.together(writers, func(i int, on Prices) {
		for {
			latest, n, err := on.LatestLayer(t.Context(), home, catalogue.Operator)
			if err != nil {
				t.Errorf("latest: %v", err)
				return
			}
			models := []string{fmt.Sprintf("m%d", i)}
			if latest != nil {
				for _, s := range latest.SKUs {
					models = append(models, s.SKU)
				}
			}
			_, err = on.KeepLayer(t.Context(), home, t.priced(catalogue.Operator, "1", models...), n, noon, "")
			if err == nil {
				return
			}
			if !errors.Is(err, metering.ErrConflict) {
				t.Errorf("keep: %v", err)
				return
			}
		}
	})
	latest, n, err := t.LatestLayer(t.Context(), home, catalogue.Operator)
	t.must(err)
	if latest == nil || len(latest.SKUs) != writers || n != writers {
		t.Errorf("content %d is %+v, want %d models after as many changes", n, latest, writers)
	}
}

func bookLife(t *priceTest) {
	ctx := t.Context()
	embedded, overlay := t.priced(catalogue.Embedded, "1", "m"), t.priced(catalogue.Overlay, "2", "m")
	sync := t.priced(catalogue.Synced, "3", "m")
	t.keep(t, sync, 0, 1)
	layers := []*catalogue.Layer{embedded, sync, overlay, t.priced(catalogue.File, "5", "m")}
	t.must(t.KeepPriceBook(ctx, home, "b1", layers, noon))
	t.must(t.other.KeepPriceBook(ctx, home, "b1", layers, noon+5)) // a second replica begins to use it
	t.want("other layers under the version", t.KeepPriceBook(ctx, home, "b1", layers[:2], noon), metering.ErrConflict)
	later := t.priced(catalogue.Synced, "4", "m")
	t.keep(t.other, later, 1, 2)
	t.must(t.KeepPriceBook(ctx, home, "b2", []*catalogue.Layer{embedded, later, overlay}, noon+7))

	got, err := t.other.PriceBook(ctx, home, "b1")
	t.must(err)
	t.same("the first book, though a layer has moved on", got, layers)
	first := catalogue.UsedBook{Version: "b1", FirstUsed: noon, Layers: []catalogue.Ref{embedded.Ref(), sync.Ref(), overlay.Ref(), layers[3].Ref()}}
	used, err := t.UsedBook(ctx, home, "b1")
	t.must(err)
	t.same("what it consists of", used, first)
	second, err := t.UsedBook(ctx, home, "b2")
	t.must(err)
	books, err := t.UsedBooks(ctx, home, catalogue.UsedBook{}, 10)
	t.must(err)
	t.same("books", books, []catalogue.UsedBook{second, first})
	books, err = t.UsedBooks(ctx, home, second, 10)
	t.must(err)
	t.same("books after the first page", books, []catalogue.UsedBook{first})
	own, err := t.PriceLayers(ctx, home)
	t.must(err)
	t.same("layers that are in the database alone", own, []*catalogue.Layer{later})
	history, err := t.LayerHistory(ctx, home, catalogue.Embedded, 0, 10)
	t.must(err)
	if len(history) != 1 || history[0].Version != embedded.Version {
		t.Errorf("the snapshot was kept as %+v, want once", history)
	}
	_, err = t.PriceBook(ctx, home, "b3")
	t.want("a book that nobody used", err, metering.ErrNotFound)
}

func bookUnkept(t *priceTest) {
	ctx := t.Context()
	embedded, sync := t.priced(catalogue.Embedded, "1", "m"), t.priced(catalogue.Synced, "3", "m")
	t.want("a synced layer that is not in the database", t.KeepPriceBook(ctx, home, "b1", []*catalogue.Layer{embedded, sync}, noon), metering.ErrInvalid)
	_, err := t.PriceBook(ctx, home, "b1")
	t.want("the book", err, metering.ErrNotFound)
	_, err = t.Layer(ctx, home, embedded.Ref())
	t.want("the layer beside it", err, metering.ErrNotFound)
}

func bookRace(t *priceTest) {
	embedded := t.priced(catalogue.Embedded, "1", "m")
	overlays := make([]*catalogue.Layer, 6)
	for i := range overlays {
		overlays[i] = t.priced(catalogue.Overlay, "2", fmt.Sprintf("m%d", i/2)) // two of each release
	}
	t.together(len(overlays), func(i int, on Prices) {
		if err := on.KeepPriceBook(t.Context(), home, fmt.Sprintf("b%d", i/2), []*catalogue.Layer{embedded, overlays[i]}, noon); err != nil {
			t.Errorf("keep: %v", err)
		}
	})
	for level, want := range map[catalogue.Level]int{catalogue.Embedded: 1, catalogue.Overlay: 3} {
		history, err := t.LayerHistory(t.Context(), home, level, 0, 10)
		t.must(err)
		if len(history) != want {
			t.Errorf("layer %s was kept %d times, want %d: %+v", level, len(history), want, history)
		}
	}
	for i := range overlays {
		got, err := t.PriceBook(t.Context(), home, fmt.Sprintf("b%d", i/2))
		t.must(err)
		t.same("book", got, []*catalogue.Layer{embedded, overlays[i]})
	}
}
