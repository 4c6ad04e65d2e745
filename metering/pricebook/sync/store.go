package sync

import (
	"context"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Store is where the layer, the feeds and the held changes are kept between
// one look and the next.
type Store interface {
	// LatestLayer returns the content of a layer that is in force, and its number;
	// nil and 0 if it has none.
	LatestLayer(ctx context.Context, org string, level catalogue.Level) (*catalogue.Layer, int64, error)
	// PriceFeeds returns what is known of the feeds, by URL.
	PriceFeeds(ctx context.Context, org string) ([]Feed, error)
	// KeepPriceFeed replaces what is known of the feed with that URL.
	KeepPriceFeed(ctx context.Context, org string, f Feed) error
	// HeldPrices returns the held changes in the given states, all states if none
	// is given, oldest first and by id.
	HeldPrices(ctx context.Context, org string, states ...State) ([]Held, error)
	// KeepSync keeps the result of one document, all of it or nothing. If it has a
	// layer, that becomes the content of Synced as if by KeepLayer: it follows
	// content number Expected, and is ErrConflict if another was first, with nothing
	// changed. Then the held changes follow [Settle], and the feed is replaced.
	// The same result kept twice changes nothing more.
	KeepSync(ctx context.Context, org string, r Result) error
}

// Feed is what is known of one document on the network.
type Feed struct {
	URL    string // its identity, at most 2,000 bytes
	Shape  Shape
	ETag   string // of the document last read; empty: its server sent none
	Digest string // SHA-256 of that document in hexadecimal; empty: none was read
	Models int    // that it lists
	Bytes  int64  // of its text
	// Asked is the last look, Read the last that found a good document, a 304
	// included, Confirmed the last that told the prices of the layer again. Zero:
	// never.
	Asked, Read, Confirmed metering.Micros
	Failure                string // why the last look failed, at most 1,000 bytes; empty: it did not
	Failures               int    // looks that failed since the last that did not
	// Listing is which models the document listed, for [Compare] alone: deflated, at
	// most 4 MiB. nil: none was read.
	Listing []byte
}

// Result is what one document led to.
type Result struct {
	Layer    *catalogue.Layer // nil: the present one stays
	Expected int64            // number of the content that Layer follows
	Note     string           // what changed, for the layer's history
	At       metering.Micros
	Held     []Held   // every change that waits for a person, State open
	Applied  []string // ids of approved changes that the layer now has
	Feed     Feed
}

// Held is a change that a feed asks for and that waits for a person, or has had
// one. Provider, SKU and Meter are empty where it concerns the whole document.
type Held struct {
	// ID is made of what would change and into what, so that it is the same for
	// as long as the feed says the same.
	ID       string
	Feed     string // URL
	Provider string
	SKU      string
	Meter    string // as in rates
	When     catalogue.When
	Old, New *string // prices for Per units; nil: there is none
	Per      int64   // 1,000,000 for tokens
	Reason   string  // why it does not apply itself, for people, at most 1,000 bytes
	State    State
	// FirstSeen and LastSeen are looks at which the feed said so.
	FirstSeen, LastSeen metering.Micros
	Decided             metering.Micros // zero: nobody has
	By                  string          // who decided
}

// State is what has become of a held change.
type State string

// States of held changes.
const (
	// StateOpen: it waits.
	StateOpen State = "open"
	// StateApproved: it is applied at the next look at which the feed still says so.
	StateApproved State = "approved"
	// StateRejected: it is not applied and not asked again.
	StateRejected State = "rejected"
	// StateApplied: the layer has it.
	StateApplied State = "applied"
	// StateWithdrawn: the feed says something else before anybody decided.
	StateWithdrawn State = "withdrawn"
)

// Settle returns the held changes that a result alters: have are all that the
// organisation has. A new one is added; one that is open is seen again
// or, if the feed asks for it no more, withdrawn; one that was withdrawn or
// applied before and is asked for again is open again; an approved one that the
// layer now has is applied. What somebody decided meanwhile is not touched.
func Settle(have []Held, r *Result) []Held {
	asked := make(map[string]*Held, len(r.Held))
	for i := range r.Held {
		asked[r.Held[i].ID] = &r.Held[i]
	}
	applied := make(map[string]bool, len(r.Applied))
	for _, id := range r.Applied {
		applied[id] = true
	}
	var out []Held
	for _, h := range have {
		now := asked[h.ID]
		delete(asked, h.ID)
		switch {
		case applied[h.ID] && h.State == StateApproved:
			h.State = StateApplied
		case now != nil && (h.State == StateWithdrawn || h.State == StateApplied):
			h = *now
		case now != nil && h.State == StateOpen:
			h.Reason, h.LastSeen, h.Old = now.Reason, now.LastSeen, now.Old
		case now == nil && h.State == StateOpen:
			h.State = StateWithdrawn
		default:
			continue
		}
		out = append(out, h)
	}
	for i := range r.Held {
		if _, fresh := asked[r.Held[i].ID]; fresh {
			delete(asked, r.Held[i].ID)
			out = append(out, r.Held[i])
		}
	}
	return out
}
