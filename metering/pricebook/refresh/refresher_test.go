package refresh_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/refresh"
)

// store keeps layers and books in memory.
type store struct {
	mu     sync.Mutex
	layers map[catalogue.Level]*catalogue.Layer
	books  map[string][]*catalogue.Layer
	broken error
}

func (s *store) put(l *catalogue.Layer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.layers[l.Level] = l
}

func (s *store) LayerHeads(context.Context, string) (out []catalogue.Kept, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for level := range catalogue.NumLevels {
		if l := s.layers[level]; l != nil {
			out = append(out, catalogue.Kept{Level: level, Version: l.Version})
		}
	}
	return out, s.broken
}

func (s *store) PriceLayers(context.Context, string) (out []*catalogue.Layer, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for level := range catalogue.NumLevels {
		if l := s.layers[level]; l != nil {
			out = append(out, l)
		}
	}
	return out, nil
}

func (s *store) KeepPriceBook(_ context.Context, _, version string, layers []*catalogue.Layer, _ metering.Micros) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books[version] = layers
	return nil
}

func (s *store) PriceBook(_ context.Context, _, version string) ([]*catalogue.Layer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books[version] == nil {
		return nil, metering.ErrNotFound
	}
	return s.books[version], nil
}

func layer(t *testing.T, level catalogue.Level, input string) *catalogue.Layer {
	t.Helper()
	l, err := catalogue.NewLayer(level, catalogue.Rows{Rates: []catalogue.Rate{{Provider: "p", SKU: "m", Meter: "input", Price: &input}}})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func cost(t *testing.T, s *pricebook.Shelf) string {
	t.Helper()
	e := &metering.Event{}
	e.Provider, e.Model, e.Metered, e.Usage.State = "p", "m", true, metering.UsageExact
	e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = 1_000_000
	s.Price(e)
	if lines, err := s.Explain(t.Context(), e); err != nil || len(lines) != 1 {
		t.Fatalf("the cost is explained by %v, %v", lines, err)
	}
	return e.Cost.String()
}

func open(t *testing.T, s *store, file string, changed func(*pricebook.Book)) *refresh.Refresher {
	t.Helper()
	r, err := refresh.Open(t.Context(), refresh.Options{
		Org: "o", Shipped: []*catalogue.Layer{layer(t, catalogue.Embedded, "1")}, File: file, Store: s, Changed: changed,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newStore() *store {
	return &store{layers: map[catalogue.Level]*catalogue.Layer{}, books: map[string][]*catalogue.Layer{}}
}

// written puts a price into a file, at once and not in parts.
func written(t *testing.T, path, text string) {
	t.Helper()
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

func priceFile(input string) string {
	return "rates: [{provider: p, sku: m, meter: input, price: " + input + "}]\n"
}

// TestRefresher: a book follows the layers and the file; what makes no book is
// refused, says why, and leaves the one in force.
func TestRefresher(t *testing.T) {
	t.Parallel()
	s, file := newStore(), filepath.Join(t.TempDir(), "prices.yaml")
	written(t, file, priceFile("3"))
	s.put(layer(t, catalogue.Synced, "2"))
	var changes []string
	r := open(t, s, file, func(b *pricebook.Book) { changes = append(changes, b.Version()) })
	want := func(price string) {
		t.Helper()
		if got := cost(t, r.Shelf()); got != price {
			t.Errorf("the price is %s, want %s", got, price)
		}
		if b := r.Shelf().Book(); s.books[b.Version()] == nil {
			t.Error("the book prices and has not been kept")
		}
	}
	want("3")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.Refresh(t.Context()))
	s.put(layer(t, catalogue.Operator, "4"))
	must(r.Refresh(t.Context()))
	want("4")
	s.put(layer(t, catalogue.Account, "5"))
	must(r.Refresh(t.Context()))
	want("5")
	if len(changes) != 2 {
		t.Errorf("%d books were told of, want 2", len(changes))
	}

	for _, broken := range []string{"rates: [{", priceFile("-1"), "matches: [{provider: p, type: exact, pattern: x, sku: nothing}]", priceFile("1") + "rates: []"} {
		written(t, file, broken)
		for range 2 {
			must(r.Refresh(t.Context()))
			if err := r.Status().Refused; !errors.Is(err, metering.ErrInvalid) {
				t.Errorf("%q: refused because of %v", broken, err)
			}
		}
		want("5")
	}
	must(os.Remove(file))
	must(r.Refresh(t.Context()))
	if err := r.Status().Refused; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its file: %v", err)
	}
	want("5")
	written(t, file, priceFile("6"))
	must(r.Refresh(t.Context()))
	if st := r.Status(); st.Refused != nil || st.Version != r.Shelf().Book().Version() {
		t.Errorf("mended, it is %+v", st)
	}
	s.put(layer(t, catalogue.Account, "7"))
	s.broken = errors.New("no database")
	if err := r.Refresh(t.Context()); !errors.Is(err, s.broken) {
		t.Errorf("without a database: %v", err)
	}
	want("5")
	s.broken = nil
	must(r.Refresh(t.Context()))
	want("7")
}

// TestRefresher_unreadableFile: nobody waits for a file that cannot be read for a while; it
// is read again as soon as it can be.
func TestRefresher_unreadableFile(t *testing.T) {
	t.Parallel()
	s, dir := newStore(), t.TempDir()
	file, whole := filepath.Join(dir, "prices.yaml"), filepath.Join(dir, "whole.yaml")
	written(t, whole, priceFile("3"))
	if err := os.Symlink(whole, file); err != nil {
		t.Fatal(err)
	}
	r := open(t, s, file, nil)
	for target, price := range map[string]string{dir: "4", filepath.Join(whole, "below"): "5"} { // a folder, and what cannot even be looked at
		if err := errors.Join(os.Remove(file), os.Symlink(target, file)); err != nil {
			t.Fatal(err)
		}
		s.put(layer(t, catalogue.Operator, price))
		for range 2 {
			if err := r.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			if got := cost(t, r.Shelf()); got != price || r.Status().Refused == nil {
				t.Errorf("the price is %s, refused %v, want %s", got, r.Status().Refused, price)
			}
		}
	}
	if err := errors.Join(os.Remove(file), os.Symlink(whole, file)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Refresh(t.Context()), r.Status().Refused); err != nil {
		t.Errorf("it can be read again: %v", err)
	}
}

// TestRefresher_brokenFile: a file that is refused holds nobody else up: what is
// said by command and by catalogues takes effect above and below its last good
// content, and can be tried. What is broken in the database changes nothing.
func TestRefresher_brokenFile(t *testing.T) {
	t.Parallel()
	s, file := newStore(), filepath.Join(t.TempDir(), "prices.yaml")
	written(t, file, priceFile("3"))
	r := open(t, s, file, nil)
	look := func(price string, refused bool) {
		t.Helper()
		if err := r.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		if got := cost(t, r.Shelf()); got != price || (r.Status().Refused != nil) != refused {
			t.Errorf("the price is %s, refused %v; want %s, %t", got, r.Status().Refused, price, refused)
		}
	}
	written(t, file, "rates: [{")
	s.put(layer(t, catalogue.Synced, "2"))
	look("3", true)
	if !slices.ContainsFunc(r.Shelf().Book().Layers(), func(l *catalogue.Layer) bool { return l.Level == catalogue.Synced }) {
		t.Error("the catalogue waits for the file")
	}
	if b, err := r.Trial(t.Context(), layer(t, catalogue.Operator, "4")); err != nil || len(b.Layers()) != 4 {
		t.Errorf("a trial beside a broken file: %v, %v", b, err)
	}
	s.put(layer(t, catalogue.Operator, "4"))
	look("4", true)
	look("4", true)
	nothing, err := catalogue.NewLayer(catalogue.Account, catalogue.Rows{Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchExact, Pattern: "x", SKU: "y"}}})
	if err != nil {
		t.Fatal(err)
	}
	s.put(nothing)
	for range 2 {
		if err := r.Refresh(t.Context()); !errors.Is(err, metering.ErrInvalid) || r.Status().Refused == nil {
			t.Errorf("a layer that contradicts the book: %v, refused %v", err, r.Status().Refused)
		}
	}
	s.put(layer(t, catalogue.Account, "5"))
	look("5", true)
	written(t, file, priceFile("6"))
	look("5", false)
}

// TestOpen_refuses: nobody begins with prices that were not meant.
func TestOpen_refuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "prices.yaml")
	if _, err := refresh.Open(t.Context(), refresh.Options{File: file, Store: newStore()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without its file: %v", err)
	}
	written(t, file, "rates: [{provider: p}]")
	if _, err := refresh.Open(t.Context(), refresh.Options{File: file, Store: newStore()}); !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), file) {
		t.Errorf("with a broken file: %v", err)
	}
}

// TestRefresher_Trial: what another content would make of the book, or why it
// makes none.
func TestRefresher_Trial(t *testing.T) {
	t.Parallel()
	s := newStore()
	r := open(t, s, "", nil)
	b, err := r.Trial(t.Context(), layer(t, catalogue.Operator, "9"))
	if err != nil || b.Version() == r.Shelf().Book().Version() || len(b.Layers()) != 2 {
		t.Errorf("a trial is %v, %v", b, err)
	}
	if got := cost(t, r.Shelf()); got != "1" {
		t.Errorf("the trial has changed the price to %s", got)
	}
	bad, err := catalogue.NewLayer(catalogue.Operator, catalogue.Rows{Matches: []catalogue.Match{{Provider: "p", Type: catalogue.MatchExact, Pattern: "x", SKU: "y"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Trial(t.Context(), bad); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a content that contradicts the book: %v", err)
	}
}

// TestRefresher_Run covers T81 for the file of prices: it changes many times, now
// and then it is broken, and whoever prices meanwhile gets one of the prices that
// were meant.
func TestRefresher_Run(t *testing.T) {
	t.Parallel()
	s, file := newStore(), filepath.Join(t.TempDir(), "prices.yaml")
	written(t, file, priceFile("2"))
	r := open(t, s, file, nil)
	ctx, stop := context.WithCancel(t.Context())
	var running, pricing sync.WaitGroup
	running.Go(func() { r.Run(ctx, time.Millisecond) })
	pricing.Go(func() {
		for ctx.Err() == nil {
			if got := cost(t, r.Shelf()); len(got) != 1 || got < "2" || got > "5" {
				t.Errorf("a call was priced at %s", got)
				return
			}
		}
	})
	for i := range 60 {
		written(t, file, priceFile(fmt.Sprint(2+i%4)))
		if i%3 == 0 {
			written(t, file, "rates: [broken")
		}
	}
	written(t, file, priceFile("5"))
	deadline := time.Now().Add(20 * time.Second)
	for cost(t, r.Shelf()) != "5" && time.Now().Before(deadline) {
	}
	if got := cost(t, r.Shelf()); got != "5" {
		t.Errorf("at the end the price is %s", got)
	}
	stop()
	running.Wait()
	pricing.Wait()
}
