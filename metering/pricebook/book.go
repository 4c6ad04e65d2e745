package pricebook

import (
	_ "embed"
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

//go:embed prices.csv
var embeddedPrices string

//go:embed fees.csv
var embeddedFees string

// Book is a set of prices. It does not change and is safe for concurrent use.
type Book struct {
	version   string
	providers map[string]map[string][]*SKU // by the name that finds them, each list in order of time
}

// Embedded returns the prices that this program was built with.
func Embedded() (*Book, error) {
	b, err := Read(strings.NewReader(embeddedPrices), strings.NewReader(embeddedFees))
	if err != nil {
		return nil, fmt.Errorf("read the embedded prices: %w", err)
	}
	return b, nil
}

// Version identifies the contents of the book: books with equal prices, and
// only those, have equal versions.
func (b *Book) Version() string { return b.version }

// Lookup finds what a model costs at an instant, by its exact id, by an alias
// that the book lists, or by its id with a date behind it where the book says
// that all dates of that model cost the same. There is no other way to find a
// model: in particular none by the beginning of its name. Without a result the
// reason says why; it does not allocate when there is one.
func (b *Book) Lookup(provider, model string, at metering.Micros) (sku *SKU, reason string) {
	models, ok := b.providers[provider]
	if !ok {
		return nil, "provider: " + provider
	}
	skus, base := models[model], ""
	if skus == nil {
		if base, ok = cutDate(model); ok {
			skus = models[base]
		}
	}
	known := false
	for _, s := range skus {
		if base != "" && (!s.dated || s.Model != base) {
			continue
		}
		known = true
		if !s.inForce(at) {
			continue
		}
		if s.unpriced != "" {
			return nil, s.unpriced
		}
		return s, ""
	}
	if !known {
		return nil, "model: " + model
	}
	return nil, fmt.Sprintf("time: no price of %s at %s", model, at.Time().Format("2006-01-02T15:04:05Z"))
}

// resolve finds the prices of a call. The model that the answer names is the
// one that was billed; the one asked for stands in where the answer names none,
// or only a dated version of it that the book does not list.
func (b *Book) resolve(provider, reported, requested string, at metering.Micros) (*SKU, string) {
	if reported == "" {
		if requested == "" {
			return nil, "model: none was named"
		}
		return b.Lookup(provider, requested, at)
	}
	sku, reason := b.Lookup(provider, reported, at)
	if sku == nil && strings.HasPrefix(reason, "model: ") && versionOf(reported, requested) {
		if sku, _ := b.Lookup(provider, requested, at); sku != nil {
			return sku, ""
		}
	}
	return sku, reason
}
