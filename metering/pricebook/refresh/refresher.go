// Package refresh keeps the price book of a process up to date: with the layers
// in the database, which other replicas change too, and with the operator's file.
package refresh

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Store is where layers and books are kept.
type Store interface {
	// LayerHeads names the content of each layer that is in force, without reading it.
	LayerHeads(ctx context.Context, org string) ([]catalogue.Kept, error)
	// PriceLayers returns the content of those that are in the database alone.
	PriceLayers(ctx context.Context, org string) ([]*catalogue.Layer, error)
	// KeepPriceBook remembers what a book consists of, before it prices anything.
	KeepPriceBook(ctx context.Context, org, version string, layers []*catalogue.Layer, at metering.Micros) error
	// PriceBook returns what was kept; metering.ErrNotFound if nothing was.
	PriceBook(ctx context.Context, org, version string) ([]*catalogue.Layer, error)
}

// Options configure a refresher.
type Options struct {
	Org     string
	Shipped []*catalogue.Layer // what the program was built with
	File    string             // path of the operator's file; empty: there is none
	Store   Store
	// Changed is told of a book that has taken the place of another; nil: nobody is.
	Changed func(*pricebook.Book)
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default
}

// maxFile bounds the operator's file, in bytes.
const maxFile = 16 << 20

// Refresher makes books and puts them up. Its methods are safe for concurrent
// use.
type Refresher struct {
	o     Options
	shelf *pricebook.Shelf

	mu     sync.Mutex // one refresh at a time
	seen   state
	status Status

	good atomic.Pointer[catalogue.Layer] // of the file, in the book in force; nil: there is no file
}

// state is what a book was made of.
type state struct {
	heads []catalogue.Ref
	file  stamp
}

// stamp tells one content of a file from another.
type stamp struct {
	modified time.Time
	size     int64
}

// Status is how the last refresh went.
type Status struct {
	Version string // of the book in force
	Since   time.Time
	// Refused is why there is a newer content that makes no book, and is in none. A
	// file that is refused holds up nobody else: its last good content stays, and the
	// other layers are those of now. nil: everything is in force.
	Refused error
}

// Open makes the first book. What makes no book now is an error: a process does
// not begin with prices that its operator did not mean.
func Open(ctx context.Context, o Options) (*Refresher, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	r := &Refresher{o: o}
	seen, err := r.look(ctx)
	if err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	file, err := r.file()
	if err != nil {
		return nil, err
	}
	b, err := r.make(ctx, file)
	if err != nil {
		return nil, err
	}
	r.good.Store(file)
	r.seen, r.shelf = seen, pricebook.NewShelf(b, past{o.Store, o.Org})
	r.status = Status{Version: b.Version(), Since: o.Now()}
	return r, nil
}

// Shelf has the book in force.
func (r *Refresher) Shelf() *pricebook.Shelf { return r.shelf }

// Status is how the last refresh went.
func (r *Refresher) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

// Refresh looks whether anything has changed, and puts up the book that it makes.
// A file that makes none, or cannot be read, is refused as a whole: Status says why,
// and its last good content stays below the other layers as they are now. An error
// says that what is in the database is not in force: the book before is.
func (r *Refresher) Refresh(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen, err := r.look(ctx)
	if err != nil {
		return fmt.Errorf("look for new prices: %w", err)
	}
	if seen.file == r.seen.file && slices.Equal(seen.heads, r.seen.heads) {
		return r.unput()
	}
	b, file, refused, err := r.newest(ctx)
	if err != nil {
		if errors.Is(err, metering.ErrInvalid) {
			r.seen, r.status.Refused = seen, err
		}
		return err // the database cannot be read: at the next look again
	}
	before := r.shelf.Book().Version()
	r.seen, r.status.Refused = seen, refused
	if refused != nil && !errors.Is(refused, metering.ErrInvalid) {
		r.seen.file = stamp{} // it may be read without having changed: at the next look again
	}
	r.good.Store(file)
	if b.Version() == before {
		return nil
	}
	r.shelf.Swap(b)
	r.status.Version, r.status.Since = b.Version(), r.o.Now()
	r.o.Logger.Info("new price book", "version", b.Version(), "before", before)
	if r.o.Changed != nil {
		r.o.Changed(b)
	}
	return nil
}

// unput is why what is in the database is not in force; nil if it is.
func (r *Refresher) unput() error {
	if errors.Is(r.status.Refused, errFile) {
		return nil
	}
	return r.status.Refused
}

// errFile says that it is the file which makes no book.
var errFile = errors.New("the file of prices is refused")

// newest makes the book of what there is now. Where the file makes none, it is the
// one with the file's last good content, and refused says why.
func (r *Refresher) newest(ctx context.Context) (b *pricebook.Book, file *catalogue.Layer, refused, err error) {
	file, err = r.file()
	unread := err != nil
	if !unread {
		if b, err = r.make(ctx, file); err == nil {
			return b, file, nil, nil
		}
	}
	good := r.good.Load()
	if good == nil || !unread && !errors.Is(err, metering.ErrInvalid) {
		return nil, nil, nil, err
	}
	b, without := r.make(ctx, good)
	if without != nil {
		return nil, nil, nil, err
	}
	return b, good, fmt.Errorf("%w: %w", errFile, err), nil
}

// Run refreshes until ctx ends.
func (r *Refresher) Run(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last string
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		text := ""
		if err := cmp.Or(r.Refresh(ctx), r.Status().Refused); err != nil && ctx.Err() == nil {
			text = err.Error()
		}
		if text != "" && text != last {
			r.o.Logger.Error("the price book stays as it is", "version", r.shelf.Book().Version(), "error", text)
		}
		last = text
	}
}

// Trial returns the book that the present layers and another content of one would
// make. It changes nothing.
func (r *Refresher) Trial(ctx context.Context, l *catalogue.Layer) (*pricebook.Book, error) {
	layers, err := r.layers(ctx, r.good.Load())
	if err != nil {
		return nil, err
	}
	layers = slices.DeleteFunc(layers, func(x *catalogue.Layer) bool { return x.Level == l.Level })
	return pricebook.Compile(append(layers, l)...)
}

// look says what a book would be made of now.
func (r *Refresher) look(ctx context.Context) (state, error) {
	var s state
	heads, err := r.o.Store.LayerHeads(ctx, r.o.Org)
	if err != nil {
		return s, err
	}
	for _, h := range heads {
		if h.Level == catalogue.Synced || h.Level == catalogue.Operator || h.Level == catalogue.Account {
			s.heads = append(s.heads, catalogue.Ref{Level: h.Level, Version: h.Version})
		}
	}
	if r.o.File == "" {
		return s, nil
	}
	info, err := os.Stat(r.o.File)
	if err != nil {
		return s, nil //nolint:nilerr // whoever reads it says so
	}
	s.file = stamp{info.ModTime(), info.Size()}
	return s, nil
}

// make compiles what there is and keeps the book.
func (r *Refresher) make(ctx context.Context, file *catalogue.Layer) (*pricebook.Book, error) {
	layers, err := r.layers(ctx, file)
	if err != nil {
		return nil, err
	}
	b, err := pricebook.Compile(layers...)
	if err != nil {
		return nil, err
	}
	if err := r.o.Store.KeepPriceBook(ctx, r.o.Org, b.Version(), b.Layers(), metering.MicrosOf(r.o.Now())); err != nil {
		return nil, fmt.Errorf("keep price book %s: %w", b.Version(), err)
	}
	return b, nil
}

func (r *Refresher) layers(ctx context.Context, file *catalogue.Layer) ([]*catalogue.Layer, error) {
	stored, err := r.o.Store.PriceLayers(ctx, r.o.Org)
	if err != nil {
		return nil, fmt.Errorf("read layers of prices: %w", err)
	}
	layers := slices.Concat(r.o.Shipped, stored)
	if file != nil {
		layers = append(layers, file)
	}
	return layers, nil
}

// file reads the operator's file; nil if none is configured.
func (r *Refresher) file() (*catalogue.Layer, error) {
	if r.o.File == "" {
		return nil, nil
	}
	return readFile(r.o.File)
}

// readFile reads the operator's file.
func readFile(path string) (*catalogue.Layer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("file of prices: %w", err)
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("file of prices %s is longer than %d bytes: %w", path, maxFile, metering.ErrInvalid)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("file of prices: %w", err)
	}
	rows, err := catalogue.DecodeYAML(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	l, err := catalogue.NewLayer(catalogue.File, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// past reads older books from the store.
type past struct {
	store Store
	org   string
}

func (p past) Layers(ctx context.Context, version string) ([]*catalogue.Layer, error) {
	return p.store.PriceBook(ctx, p.org, version)
}
