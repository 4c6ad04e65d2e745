package pricebook

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Past keeps the layers of every book that priced an event.
type Past interface {
	// Layers are those that the book of a version was made of; metering.ErrNotFound
	// if nobody has kept it.
	Layers(ctx context.Context, version string) ([]*catalogue.Layer, error)
}

// Shelf has the book that prices now, and finds those that priced before. It is
// safe for concurrent use: a call is priced by one book or another, never by a
// part of each.
type Shelf struct {
	now  atomic.Pointer[Book]
	past Past

	mu    sync.Mutex
	older map[string]*Book
}

// keptBooks is how many older books stay in memory.
const keptBooks = 8

// NewShelf puts up a book. Without a past, events of other books cannot be
// explained.
func NewShelf(b *Book, past Past) *Shelf {
	s := &Shelf{past: past, older: make(map[string]*Book)}
	s.now.Store(b)
	return s
}

// Book is the one that prices now.
func (s *Shelf) Book() *Book { return s.now.Load() }

// Swap puts up another book. It has to be kept in the past before, so that what
// it prices can always be explained.
func (s *Shelf) Swap(b *Book) { s.now.Store(b) }

// Price prices an event with the present book.
func (s *Shelf) Price(e *metering.Event) { s.Book().Price(e) }

// At returns the book of a version.
func (s *Shelf) At(ctx context.Context, version string) (*Book, error) {
	if b := s.Book(); b.version == version {
		return b, nil
	}
	s.mu.Lock()
	b := s.older[version]
	s.mu.Unlock()
	if b != nil {
		return b, nil
	}
	if s.past == nil {
		return nil, fmt.Errorf("price book %.40q: %w", version, metering.ErrNotFound)
	}
	layers, err := s.past.Layers(ctx, version)
	if err != nil {
		return nil, fmt.Errorf("price book %.40q: %w", version, err)
	}
	if b, err = Compile(layers...); err != nil {
		return nil, err
	}
	if b.version != version {
		return nil, fmt.Errorf("price book %.40q is on record as %s: %w", version, b.version, metering.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.older) >= keptBooks {
		clear(s.older)
	}
	s.older[version] = b
	return b, nil
}

// ExplainNow breaks down what an event costs after its corrections, with the book
// of the one that decided and, for what was taken from pools, with how they stood.
// It returns nothing for a cost that no book made.
func (s *Shelf) ExplainNow(ctx context.Context, e *metering.Event, corrections []*metering.Event) ([]Line, error) {
	now := metering.Corrected(e, corrections)
	if now.Book == "" {
		return nil, nil
	}
	b, err := s.At(ctx, now.Book)
	if err != nil {
		return nil, err
	}
	return b.ExplainIn(now, positions(now.Pools)), nil
}

// positions are those of the uses.
func positions(uses []metering.PoolUse) Positions {
	return func(pool string, window metering.Micros) (metering.Number, bool) {
		for _, u := range uses {
			if u.Pool == pool && u.Since == window {
				return u.Before, true
			}
		}
		return metering.Number{}, false
	}
}

// Explain breaks the cost of an event down with the book that made it.
func (s *Shelf) Explain(ctx context.Context, e *metering.Event) ([]Line, error) {
	if e.Book == "" {
		return nil, nil
	}
	b, err := s.At(ctx, e.Book)
	if err != nil {
		return nil, err
	}
	return b.Explain(e), nil
}
