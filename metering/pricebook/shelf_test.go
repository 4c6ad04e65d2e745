package pricebook_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// past is what a database keeps of books.
type past map[string][]*catalogue.Layer

func (p past) Layers(_ context.Context, version string) ([]*catalogue.Layer, error) {
	if p[version] == nil {
		return nil, metering.ErrNotFound
	}
	return p[version], nil
}

// TestShelf covers T43: an event names the book and rates that made its cost, and
// they explain it after any number of later books.
func TestShelf(t *testing.T) {
	t.Parallel()
	kept := past{}
	first := book(t, "rate p m input=1")
	kept[first.Version()] = first.Layers()
	s := pricebook.NewShelf(first, kept)
	e := call(t, "p", "m", map[string]int64{"input": 1_000_000})
	s.Price(e)
	for i := 2; i < 20; i++ {
		next := book(t, fmt.Sprintf("rate p m input=%d", i))
		kept[next.Version()] = next.Layers()
		s.Swap(next)
		later := call(t, "p", "m", map[string]int64{"input": 1_000_000})
		if s.Price(later); later.Cost.String() != fmt.Sprint(i) {
			t.Fatalf("book %d prices %s", i, later.Cost)
		}
		for _, e := range []*metering.Event{e, later} {
			lines, err := s.Explain(t.Context(), e)
			if err != nil || len(lines) != 1 || lines[0].Amount != e.Cost {
				t.Fatalf("after book %d, %s is explained by %v (%v)", i, e.Cost, lines, err)
			}
		}
	}
	e.Book = "0123456789ab"
	if _, err := s.Explain(t.Context(), e); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("a book that nobody kept: %v", err)
	}
	kept["0123456789ab"] = first.Layers()
	if _, err := s.Explain(t.Context(), e); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a book kept under the wrong version: %v", err)
	}
	if lines, err := s.Explain(t.Context(), &metering.Event{}); lines != nil || err != nil {
		t.Errorf("an event that nobody priced: %v, %v", lines, err)
	}
}

// TestShelf_swap covers T81 for prices: while books change all the time, each
// event is priced by one of them, never by parts of two.
func TestShelf_swap(t *testing.T) {
	t.Parallel()
	books := map[string]*pricebook.Book{}
	var list []*pricebook.Book
	for i := 1; i <= 5; i++ {
		b := book(t, fmt.Sprintf("rate p m input=%d output=%d", i, i*100))
		books[b.Version()] = b
		list = append(list, b)
	}
	s := pricebook.NewShelf(list[0], nil)
	done := make(chan struct{})
	var readers, writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				return
			default:
				s.Swap(list[i%len(list)])
			}
		}
	})
	for range 4 {
		readers.Go(func() {
			for range 2000 {
				e := call(t, "p", "m", map[string]int64{"input": 1_000_000, "output": 1_000_000})
				s.Price(e)
				again := call(t, "p", "m", map[string]int64{"input": 1_000_000, "output": 1_000_000})
				books[e.Book].Price(again)
				if diff := cmp.Diff(again, e); diff != "" {
					t.Errorf("priced by parts of several books:\n%s", diff)
					return
				}
			}
		})
	}
	readers.Wait()
	close(done)
	writer.Wait()
}

// large is a book of a thousand models with ten rates each.
func large(tb testing.TB) *pricebook.Book {
	tb.Helper()
	var text strings.Builder
	for i := range 1000 {
		name := fmt.Sprintf("model-%d", i)
		fmt.Fprintf(&text, "rate p %s input.*=1 cache_read=0.1 output=5 reasoning=6 web_search=10\n", name)
		fmt.Fprintf(&text, "rate p %s input=0.5 output=2.5 tier:batch\nrate p %s input=2 cache_read=0.2 output=10 above:200000\n", name, name)
		fmt.Fprintf(&text, "match p date_suffix %s %s\nmatch p exact alias-%d %s\n", name, name, i, name)
	}
	b := book(tb, text.String())
	if n := len(b.Layers()[0].Rates); n != 10_000 {
		tb.Fatalf("the book has %d rates", n)
	}
	return b
}

// TestBook_Find_large: with ten thousand rates of a thousand models, finding one
// leaves no garbage.
func TestBook_Find_large(t *testing.T) {
	b, now := large(t), at(t, "2026-11-25")
	for _, id := range []string{"model-999", "alias-500", "model-1-20260101"} {
		if n := testing.AllocsPerRun(100, func() {
			if sku, _, reason := b.Find("p", id, now); sku.SKU == "" {
				t.Fatal(reason)
			}
		}); n != 0 {
			t.Errorf("%s is found with %v allocations", id, n)
		}
	}
}

func BenchmarkBook_large(b *testing.B) {
	book, now := large(b), at(b, "2026-11-25")
	b.Run("find", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if sku, _, reason := book.Find("p", "model-777-20260101", now); sku.SKU == "" {
				b.Fatal(reason)
			}
		}
	})
	b.Run("price", func(b *testing.B) {
		e := call(b, "p", "model-777", map[string]int64{"input": 400, "cache_read": 600, "output": 100})
		b.ReportAllocs()
		for b.Loop() {
			if book.Price(e); e.CostState != metering.CostExact {
				b.Fatal(e.CostReason)
			}
		}
	})
	b.Run("compile", func(b *testing.B) {
		layers := book.Layers()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pricebook.Compile(layers...); err != nil {
				b.Fatal(err)
			}
		}
	})
}
