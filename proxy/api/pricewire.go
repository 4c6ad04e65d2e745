package api

import (
	"math"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// PriceEntry is a rate as lists show it.
type PriceEntry struct {
	Layer catalogue.Level `json:"layer"`
	Rate  catalogue.Rate  `json:"rate"` // per is always there
	// InForce: it holds at the instant that was asked for.
	InForce bool `json:"in_force"`
	// Over is the id of a rate of a lower layer with another price for the same.
	Over string `json:"over,omitempty"`
}

func showEntry(e pricebook.Entry) PriceEntry {
	return PriceEntry{Layer: e.Level, Rate: withPer(e.Rate), InForce: e.InForce, Over: e.Over}
}

// withPer says for how many units the price is.
func withPer(r catalogue.Rate) catalogue.Rate {
	if r.Per == 0 {
		r.Per = 1
		if isToken(r.Meter) {
			r.Per = 1_000_000
		}
	}
	return r
}

func isToken(meter string) bool {
	_, err := metering.ParseCell(strings.TrimSuffix(meter, ".*"))
	return err == nil || meter == catalogue.AllMeters
}

// showMatch shows a match. An SKU's own id, which nobody wrote down as a match,
// has the least priority there is.
func showMatch(m catalogue.Match) catalogue.Match {
	if m.Priority == math.MinInt {
		m.Priority = 0
	}
	return m
}

// ModelPrices is everything that the book has of a model.
type ModelPrices struct {
	SKU       catalogue.SKU        `json:"sku"`
	FoundBy   catalogue.Match      `json:"found_by"` // what led from the id that was asked for to the SKU
	Matches   []PriceMatch         `json:"matches"`
	Rates     []PriceEntry         `json:"rates"` // past and scheduled ones too
	Modifiers []catalogue.Modifier `json:"modifiers"`
	Book      string               `json:"book"`
}

// PriceMatch leads from an id to a model.
type PriceMatch struct {
	Layer catalogue.Level `json:"layer"`
	Match catalogue.Match `json:"match"`
}

// Drift is a price that holds over another one of a lower layer.
type Drift struct {
	Layer     catalogue.Level `json:"layer"`
	Rate      catalogue.Rate  `json:"rate"`
	OverLayer catalogue.Level `json:"over_layer"`
	Over      catalogue.Rate  `json:"over"`
}

// LayerVersion is one content that a layer of the price book had.
type LayerVersion struct {
	Layer   catalogue.Level  `json:"layer"`
	N       int64            `json:"n"` // counts up within the layer; 0: it is not in the database yet
	Version string           `json:"version"`
	At      Instant          `json:"at"`
	Note    string           `json:"note"`
	Size    int64            `json:"size"` // bytes
	Rows    catalogue.Counts `json:"rows"`
	// InUse: this process prices with it.
	InUse bool `json:"in_use"`
}

func showKept(k catalogue.Kept, book *pricebook.Book) LayerVersion {
	v := LayerVersion{k.Level, k.N, k.Version, Instant(k.At), k.Note, k.Size, k.Counts, false}
	for _, l := range book.Layers() {
		v.InUse = v.InUse || l.Ref() == catalogue.Ref{Level: k.Level, Version: k.Version}
	}
	return v
}

// LayerContent is the rows of a layer, as a file of them is.
type LayerContent struct {
	Layer   catalogue.Level `json:"layer"`
	Version string          `json:"version"`
	Rows    catalogue.Rows  `json:"rows"`
}

// PriceBook is a book that priced events.
type PriceBook struct {
	Version   string          `json:"version"`
	Layers    []catalogue.Ref `json:"layers"` // low to high
	FirstUsed Instant         `json:"first_used"`
	InUse     bool            `json:"in_use"`
}

// NewPrices are rows to be added to a layer.
type NewPrices struct {
	Layer catalogue.Level `json:"layer"` // operator or account
	Rows  catalogue.Rows  `json:"rows"`
	Note  string          `json:"note,omitempty"`
}

// PriceRemoval takes a rate out.
type PriceRemoval struct {
	Rate  string          `json:"rate"`  // its id
	Layer catalogue.Level `json:"layer"` // operator or account: where that is written down
	// From is when it ends; nil: it never held.
	From *Instant `json:"from,omitempty"`
	// Restore lets what lower layers say hold again; only for a rate of the layer.
	Restore bool   `json:"restore,omitempty"`
	Note    string `json:"note,omitempty"`
}

// PriceChange is what became of a change.
type PriceChange struct {
	Layer      catalogue.Level `json:"layer"`
	N          int64           `json:"n"` // of the layer's content
	Version    string          `json:"version"`
	Book       string          `json:"book"`       // that prices from now on
	Added      []string        `json:"added"`      // ids of rates and modifiers; empty: all was there already
	Superseded []string        `json:"superseded"` // ids of those that hold no more
	Described  int             `json:"described"`  // SKUs, matches, calendars and plans that changed
}

func showChange(d change) PriceChange {
	return PriceChange{
		Layer: d.kept.Level, N: d.kept.N, Version: d.kept.Version, Book: d.book.Version(),
		Added: orEmpty(d.made.Added), Superseded: orEmpty(d.made.Superseded), Described: d.made.Described,
	}
}
