package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// PriceFeed is a catalogue on the network that prices are read from.
type PriceFeed struct {
	URL       string          `json:"url"`
	Shape     pricesync.Shape `json:"shape"`
	Models    int             `json:"models"`
	Asked     Instant         `json:"asked_at"`     // the last look
	Read      Instant         `json:"read_at"`      // the last that went well
	Confirmed Instant         `json:"confirmed_at"` // the last that told the prices in force again
	Failure   string          `json:"failure"`      // why the last look failed
	Failures  int             `json:"failures"`     // in a row
}

// HeldPrice is a change that a feed asks for and that waits for a person, or had
// one.
type HeldPrice struct {
	ID       string          `json:"id"`
	Feed     string          `json:"feed"`
	Provider string          `json:"provider"` // empty, like model and meter: the whole document
	SKU      string          `json:"sku"`
	Meter    string          `json:"meter"`
	When     catalogue.When  `json:"when"`
	Old      *string         `json:"old"` // null: there is none
	New      *string         `json:"new"`
	Per      int64           `json:"per"`
	Reason   string          `json:"reason"`
	State    pricesync.State `json:"state"`

	FirstSeen Instant `json:"first_seen"`
	LastSeen  Instant `json:"last_seen"`
	Decided   Instant `json:"decided_at"`
	By        string  `json:"decided_by"`
}

func showHeld(h pricesync.Held) HeldPrice {
	return HeldPrice{
		h.ID, h.Feed, h.Provider, h.SKU, h.Meter, h.When, h.Old, h.New, h.Per, h.Reason, h.State,
		Instant(h.FirstSeen), Instant(h.LastSeen), Instant(h.Decided), h.By,
	}
}

// PriceSync is what a look at the feeds led to.
type PriceSync struct {
	DryRun  bool        `json:"dry_run"` // nothing was changed
	Feeds   []FeedLook  `json:"feeds"`
	Changes []PriceDiff `json:"changes"`
	More    int         `json:"more"` // changes beyond those listed
	Book    string      `json:"book"` // that prices from now on
}

// FeedLook is a look at one feed.
type FeedLook struct {
	URL     string `json:"url"`
	Changed bool   `json:"changed"` // it has another content than at the last look
	Models  int    `json:"models"`
	Held    int    `json:"held"`    // changes that wait for a person
	Failure string `json:"failure"` // empty: it went well
}

// PriceDiff is one price that a feed says otherwise.
type PriceDiff struct {
	Provider string         `json:"provider"`
	SKU      string         `json:"sku"`
	Meter    string         `json:"meter"`
	When     catalogue.When `json:"when"`
	Old      *string        `json:"old"` // null: there is none
	New      *string        `json:"new"`
	Per      int64          `json:"per"`
	Held     string         `json:"held"` // why it waits for a person; empty: it is taken
}

func (s *Server) listPriceFeeds(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	feeds, err := s.opts.Prices.Store.PriceFeeds(c.Context(), c.org)
	if err != nil {
		return answer{}, err
	}
	return ok(page(feeds, "", func(f pricesync.Feed) PriceFeed {
		return PriceFeed{f.URL, f.Shape, f.Models, Instant(f.Asked), Instant(f.Read), Instant(f.Confirmed), f.Failure, f.Failures}
	}))
}

// syncPrices looks at the feeds.
func (s *Server) syncPrices(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	dry := o.boolean("dry_run")
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	p := s.opts.Prices
	if p.Sync == nil {
		return answer{}, problem(CodeAbsent, "no feed of prices is configured")
	}
	out, err := p.Sync(c.Context(), dry)
	if err != nil {
		return answer{}, fmt.Errorf("look at the feeds of prices: %w", err)
	}
	if !dry {
		if err := p.Books.Refresh(c.Context()); err != nil {
			return answer{}, fmt.Errorf("put up the book of the feeds: %w", err)
		}
	}
	out.DryRun, out.Book = dry, p.book().Version()
	out.Feeds, out.Changes = orEmpty(out.Feeds), orEmpty(out.Changes)
	return ok(out)
}

// heldStates are what a held change can be.
func heldStates() []pricesync.State {
	return []pricesync.State{pricesync.StateOpen, pricesync.StateApproved, pricesync.StateRejected, pricesync.StateApplied, pricesync.StateWithdrawn}
}

// listHeldPrices lists what waits, or what is in the states that are asked for.
func (s *Server) listHeldPrices(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	states := []pricesync.State{pricesync.StateOpen}
	switch text := c.query.text("state", 100); text {
	case "":
	case "all":
		states = nil
	default:
		states = nil
		for name := range strings.SplitSeq(text, ",") {
			if !slices.Contains(heldStates(), pricesync.State(name)) {
				c.query.fault("state", "must be all, or some of %v with commas between them", heldStates())
				break
			}
			states = append(states, pricesync.State(name))
		}
	}
	var after pricesync.Held
	if cursor != "" {
		at, id, _ := strings.Cut(cursor, ".")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil || id == "" {
			c.query.fault("cursor", "is none of ours")
		}
		after = pricesync.Held{ID: id, FirstSeen: metering.Micros(n)}
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	found, err := s.opts.Prices.Store.HeldPage(c.Context(), c.org, after, limit+1, states...)
	if err != nil {
		return answer{}, err
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = fmt.Sprintf("%d.%s", found[limit-1].FirstSeen, found[limit-1].ID)
	}
	return ok(page(found, next, showHeld))
}

func (s *Server) approvePrice(c *call) (answer, error) {
	return s.decidePrice(c, pricesync.StateApproved)
}

func (s *Server) rejectPrice(c *call) (answer, error) {
	return s.decidePrice(c, pricesync.StateRejected)
}

// decidePrice approves or rejects a held change, in the name of the token.
func (s *Server) decidePrice(c *call, state pricesync.State) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	id := c.PathValue("held")
	h, err := s.opts.Prices.Store.DecidePrice(c.Context(), c.org, id, state, "token "+c.token.ID, c.at())
	switch {
	case errors.Is(err, metering.ErrNotFound):
		return answer{}, notFound("held change", id)
	case errors.Is(err, metering.ErrConflict):
		return answer{}, problem(CodeState, err.Error())
	case err != nil:
		return answer{}, err
	}
	return ok(showHeld(h))
}
