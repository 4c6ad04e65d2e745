package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/refresh"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// PriceStore keeps the layers of the price book, each content that they had,
// and which of them the books consist of that priced events.
type PriceStore interface {
	// KeepLayer makes l the content of its layer, behind the one with the number
	// expected; metering.ErrConflict says that it has another by now.
	KeepLayer(ctx context.Context, org string, l *catalogue.Layer, expected int64, at metering.Micros, note string) (catalogue.Kept, error)
	Layer(ctx context.Context, org string, ref catalogue.Ref) (*catalogue.Layer, error)
	// LatestLayer is the content in force and its number; nil and 0: none.
	LatestLayer(ctx context.Context, org string, level catalogue.Level) (*catalogue.Layer, int64, error)
	LayerHeads(ctx context.Context, org string) ([]catalogue.Kept, error)
	LayerHistory(ctx context.Context, org string, level catalogue.Level, before int64, limit int) ([]catalogue.Kept, error)
	UsedBooks(ctx context.Context, org string, after catalogue.UsedBook, limit int) ([]catalogue.UsedBook, error)

	// PriceFeeds are the catalogues on the network, and how the last look at each
	// went.
	PriceFeeds(ctx context.Context, org string) ([]pricesync.Feed, error)
	// HeldPage lists changes that wait for a person, or had one, behind one of the
	// list.
	HeldPage(ctx context.Context, org string, after pricesync.Held, limit int, states ...pricesync.State) ([]pricesync.Held, error)
	// DecidePrice approves or rejects; metering.ErrConflict says that there is
	// nothing left to decide.
	DecidePrice(ctx context.Context, org, id string, state pricesync.State, by string, at metering.Micros) (pricesync.Held, error)
}

// Books are the price books of this process.
type Books interface {
	// Shelf has the one that prices now.
	Shelf() *pricebook.Shelf
	// Trial is the book that the present layers and another content of one would
	// make.
	Trial(ctx context.Context, l *catalogue.Layer) (*pricebook.Book, error)
	// Refresh puts up the book that the layers come to, so that a change prices from
	// the answer on; other replicas follow by polling.
	Refresh(ctx context.Context) error
	// Status is how the last refresh went.
	Status() refresh.Status
}

// Prices are what the routes about the price book work with.
type Prices struct {
	// Org is the organisation whose book it is: no other can see or change it. Empty:
	// the default one.
	Org   string
	Store PriceStore
	Books Books
	// Rerate prices recorded events again; nil: nobody can ask for it.
	Rerate func(ctx context.Context, q rerate.Request) (rerate.Report, error)
	// Sync looks at the feeds now and takes what they say; dry only says what would
	// be taken. nil: there are none.
	Sync func(ctx context.Context, dry bool) (PriceSync, error)
}

func (p *Prices) validate() error {
	if p != nil && (p.Store == nil || p.Books == nil) {
		return errors.New("api: prices need a store and books")
	}
	return nil
}

func (p *Prices) book() *pricebook.Book { return p.Books.Shelf().Book() }

// withBook makes a handler of one that needs the price book.
func withBook(handle func(*Server, *call) (answer, error)) func(*Server, *call) (answer, error) {
	return func(s *Server, c *call) (answer, error) {
		switch p := s.opts.Prices; {
		case p == nil:
			return answer{}, problem(CodeAbsent, "this server has no price book that can be asked")
		case c.org != cmp.Or(p.Org, metering.DefaultOrg):
			return answer{}, problem(CodeAbsent, "the price book is another organisation's")
		}
		return handle(s, c)
	}
}

// maxRowsBody bounds a file of rows.
const maxRowsBody = 4 << 20

// priceRoutes are the routes about what providers charge.
func priceRoutes() []Route {
	return []Route{
		{http.MethodGet, "/api/v1/pricebook", "pricebook:read", "listPrices", 0, withBook((*Server).listPrices)},
		{http.MethodGet, "/api/v1/pricebook/models/{provider}/{model}", "pricebook:read", "showPrices", 0, withBook((*Server).showPrices)},
		{http.MethodGet, "/api/v1/pricebook/drift", "pricebook:read", "listDrift", 0, withBook((*Server).listDrift)},
		{http.MethodPost, "/api/v1/pricebook", "pricebook:write", "addPrices", maxRowsBody, withBook((*Server).addPrices)},
		{http.MethodPost, "/api/v1/pricebook/remove", "pricebook:write", "removePrice", 0, withBook((*Server).removePrice)},
		{http.MethodGet, "/api/v1/pricebook/layers", "pricebook:read", "listPriceLayers", 0, withBook((*Server).listPriceLayers)},
		{http.MethodGet, "/api/v1/pricebook/layers/{layer}/versions", "pricebook:read", "listLayerVersions", 0, withBook((*Server).listLayerVersions)},
		{http.MethodGet, "/api/v1/pricebook/layers/{layer}/versions/{version}", "pricebook:read", "showLayer", 0, withBook((*Server).showLayer)},
		{http.MethodGet, "/api/v1/pricebook/books", "pricebook:read", "listPriceBooks", 0, withBook((*Server).listPriceBooks)},
		{http.MethodGet, "/api/v1/pricebook/feeds", "pricebook:read", "listPriceFeeds", 0, withBook((*Server).listPriceFeeds)},
		{http.MethodPost, "/api/v1/pricebook/sync", "pricebook:write", "syncPrices", 0, withBook((*Server).syncPrices)},
		{http.MethodGet, "/api/v1/pricebook/held", "pricebook:read", "listHeldPrices", 0, withBook((*Server).listHeldPrices)},
		{http.MethodPost, "/api/v1/pricebook/held/{held}/approve", "pricebook:write", "approvePrice", 0, withBook((*Server).approvePrice)},
		{http.MethodPost, "/api/v1/pricebook/held/{held}/reject", "pricebook:write", "rejectPrice", 0, withBook((*Server).rejectPrice)},
		{http.MethodPost, "/api/v1/pricebook/test", "pricebook:read", "testPrices", 0, withBook((*Server).testPrices)},
		{http.MethodPost, "/api/v1/pricebook/rerate", "pricebook:write", "rerateEvents", 0, withBook((*Server).rerate)},
	}
}

// layer reads the layer that a path names.
func (c *call) layer() (catalogue.Level, error) {
	level, err := catalogue.ParseLevel(c.PathValue("layer"))
	if err != nil {
		return level, notFound("layer", c.PathValue("layer"))
	}
	return level, nil
}

// refusedPrices is the problem of rows that do not make a book: everything that
// is wrong with them, each for itself.
func refusedPrices(err error) *Problem {
	p := problem(CodePrices, "nothing was changed")
	for _, e := range parts(err) {
		if len(p.Errors) < 50 {
			p.Errors = append(p.Errors, FieldError{Path: "rows", Message: e.Error()})
		}
	}
	return p
}

// parts are the errors that an error was joined from.
func parts(err error) []error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		joined, ok := e.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		var out []error
		for _, part := range joined.Unwrap() {
			if errors.Is(metering.ErrInvalid, part) {
				return []error{err} // one error that wraps two
			}
			out = append(out, parts(part)...)
		}
		return out
	}
	return []error{err}
}

// change is a change of one layer that was made.
type change struct {
	kept catalogue.Kept
	made catalogue.Amendment
	book *pricebook.Book
}

// amend adds rows to a layer, unless the book that all layers then come to is
// broken. Who adds at the same time is waited for.
func (s *Server) amend(c *call, level catalogue.Level, rows func(*catalogue.Layer) (catalogue.Rows, error), note string) (change, error) {
	const tries = 5
	var err error
	for range tries {
		var done change
		done, err = s.tryAmend(c, level, rows, note)
		if !errors.Is(err, metering.ErrConflict) {
			return done, err
		}
	}
	return change{}, fmt.Errorf("others change layer %s at the same time; try again: %w", level, err)
}

func (s *Server) tryAmend(c *call, level catalogue.Level, rows func(*catalogue.Layer) (catalogue.Rows, error), note string) (change, error) {
	p := s.opts.Prices
	base, n, err := p.Store.LatestLayer(c.Context(), c.org, level)
	if err != nil {
		return change{}, fmt.Errorf("read layer %s: %w", level, err)
	}
	add, err := rows(base)
	if err != nil {
		return change{}, err
	}
	next, made, err := catalogue.Amend(level, base, add)
	if err != nil {
		return change{}, refusedPrices(err)
	}
	done := change{made: made}
	if made.Empty() {
		if base == nil {
			return change{}, invalid(FieldError{"rows", "there are none"})
		}
		done.kept = catalogue.Kept{Level: level, N: n, Version: base.Version}
	} else {
		if _, err := p.Books.Trial(c.Context(), next); errors.Is(err, metering.ErrInvalid) {
			return change{}, refusedPrices(err)
		} else if err != nil {
			return change{}, fmt.Errorf("try layer %s: %w", level, err)
		}
		if done.kept, err = p.Store.KeepLayer(c.Context(), c.org, next, n, c.at(), note); err != nil {
			return change{}, fmt.Errorf("keep layer %s: %w", level, err)
		}
	}
	// Also where nothing was added: an earlier request may have died here.
	if err := p.Books.Refresh(c.Context()); err != nil {
		return change{}, fmt.Errorf("put up the book with layer %s: %w", level, err)
	}
	done.book = p.book()
	return done, nil
}
