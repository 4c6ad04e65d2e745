package pricebook

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Book is what layers of prices come to. It does not change and is safe for
// concurrent use.
type Book struct {
	version   string
	layers    []*catalogue.Layer // low to high
	providers map[string]*provider
	rates     map[string]*rate
	modifiers map[string]*modifier
	plans     map[string]string // of the operator, by provider
	cellNames [metering.NumCells]string
}

// provider is everything that one provider sells.
type provider struct {
	skus    map[string]*sku
	exact   map[string][]*match // by the whole id
	dated   map[string][]*match // by the id without the date
	regions []*match
	regexes []*match
}

// Version identifies the contents of the book: books of equal layers, and only
// those, have equal versions.
func (b *Book) Version() string { return b.version }

// Layers are what the book was made of, low to high.
func (b *Book) Layers() []*catalogue.Layer { return b.layers }

// Rate returns the rate that an event names, and where it lies.
func (b *Book) Rate(id string) (catalogue.Rate, catalogue.Level, bool) {
	r := b.rates[id]
	if r == nil {
		return catalogue.Rate{}, 0, false
	}
	return *r.row, r.level, true
}

// Modifier returns the modifier that an event names, and where it lies.
func (b *Book) Modifier(id string) (catalogue.Modifier, catalogue.Level, bool) {
	m := b.modifiers[id]
	if m == nil {
		return catalogue.Modifier{}, 0, false
	}
	return *m.row, m.level, true
}

// versionOf names a stack of layers.
func versionOf(layers []*catalogue.Layer) string {
	sum := sha256.New()
	for _, l := range layers {
		sum.Write([]byte(l.Level.String() + ":" + l.Version + "\n"))
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

// inForce reports whether an instant lies in [from, to); a zero end is open.
func inForce(from, to catalogue.Instant, at metering.Micros) bool {
	return at >= from.Micros() && (to == 0 || at < to.Micros())
}
