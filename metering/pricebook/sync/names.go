package sync

import (
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// reading is what the book takes an id of a catalogue for.
type reading uint8

const (
	unknown   reading = iota // nothing: it is a new model
	own                      // the SKU of that name
	alias                    // another name of an SKU, or a dated version of it
	elsewhere                // a region of an SKU, or one of a pattern: the book's rules price it
)

// names reads ids as the book does that is in force.
type names struct {
	book    *pricebook.Book
	at      metering.Micros
	regions map[string][]string // prefixes by provider
	listed  map[string]bool     // "provider id" of the document
}

func newNames(book *pricebook.Book, doc *Document, at metering.Micros) *names {
	n := &names{book: book, at: at, regions: make(map[string][]string), listed: make(map[string]bool)}
	for _, l := range book.Layers() {
		for _, m := range l.Matches {
			if m.Type == catalogue.MatchRegionPrefix && m.SKU == catalogue.Any {
				n.regions[m.Provider] = append(n.regions[m.Provider], m.Pattern)
			}
		}
	}
	for _, s := range doc.Rows.SKUs {
		n.listed[s.Provider+" "+s.SKU] = true
	}
	return n
}

// read returns the SKU that an id means, and how. A regional id of a model that
// is new in the same document is regional too.
func (n *names) read(provider, id string) (sku string, how reading) {
	s, m, _ := n.book.Find(provider, id, n.at)
	switch {
	case s.SKU == "":
	case s.SKU == id:
		return id, own
	case m.Type == catalogue.MatchExact || m.Type == catalogue.MatchDateSuffix:
		return s.SKU, alias
	default:
		return s.SKU, elsewhere
	}
	for _, prefix := range n.regions[provider] {
		if rest, ok := strings.CutPrefix(id, prefix); ok && n.listed[provider+" "+rest] {
			return rest, elsewhere
		}
	}
	return id, unknown
}
