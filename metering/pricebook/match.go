package pricebook

import (
	"regexp"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// match is one way from ids to an SKU.
type match struct {
	row   *catalogue.Match
	level catalogue.Level
	sku   *sku           // nil: any, of a region prefix
	regex *regexp.Regexp // of a regex only
}

// find returns the SKU that an id means at an instant, and what found it. Types
// of match are tried in the order of prices: the id itself, a known id and a
// date, a region and a known id, a whole pattern. Nothing finds an id by its
// beginning. Without a result the reason says why; with one, it does not
// allocate.
func (p *provider) find(id string, at metering.Micros) (*sku, *match, string) {
	s, m, known := p.direct(id, at)
	if s != nil {
		return s, m, ""
	}
	for _, r := range p.regions {
		rest, ok := strings.CutPrefix(id, r.row.Pattern)
		if !ok || !inForce(r.row.From, r.row.To, at) {
			continue
		}
		if s, _, _ := p.direct(rest, at); s != nil && (r.sku == nil || r.sku == s) {
			return s, r, ""
		}
	}
	var found *match
	for _, r := range p.regexes {
		if !inForce(r.row.From, r.row.To, at) || !r.regex.MatchString(id) {
			continue
		}
		if found == nil {
			found = r
			continue
		}
		if found.level == r.level && found.row.Priority == r.row.Priority && found.sku != r.sku {
			return nil, nil, "ambiguous: the id " + short(id) + " fits " + found.row.Pattern + " and " + r.row.Pattern
		}
	}
	switch {
	case found != nil:
		return found.sku, found, ""
	case known:
		return nil, nil, "condition: " + short(id) + " meant nothing at " + at.Time().Format("2006-01-02T15:04:05Z")
	default:
		return nil, nil, "model: " + short(id)
	}
}

// direct finds an id that is listed, as such or without its date. known: it is
// listed, for another time.
func (p *provider) direct(id string, at metering.Micros) (s *sku, m *match, known bool) {
	list, listed := p.exact[id]
	if !listed {
		base, ok := cutDate(id)
		if !ok {
			return nil, nil, false
		}
		list = p.dated[base]
	}
	for _, m := range list {
		if inForce(m.row.From, m.row.To, at) {
			return m.sku, m, true
		}
	}
	return nil, nil, len(list) > 0
}

// resolve finds the prices of a call. The model that the answer names is the
// one that was billed; the one asked for stands in where the answer names none,
// or only a dated version of it that the book does not list.
func (b *Book) resolve(name, reported, requested string, at metering.Micros) (*sku, *match, string) {
	p := b.providers[name]
	if p == nil {
		return nil, nil, "provider: " + short(name)
	}
	if reported == "" {
		if requested == "" {
			return nil, nil, "model: none was named"
		}
		return p.find(requested, at)
	}
	s, m, reason := p.find(reported, at)
	if s == nil && strings.HasPrefix(reason, "model: ") && isVersion(reported, requested) {
		if s, m, _ := p.find(requested, at); s != nil {
			return s, m, ""
		}
	}
	return s, m, reason
}

// Find returns the SKU that an id of a provider means at an instant, and the
// match that found it. Without one, ok is false and reason says why. It does not
// allocate when there is one.
func (b *Book) Find(provider, id string, at metering.Micros) (s catalogue.SKU, m catalogue.Match, reason string) {
	sku, found, reason := b.resolve(provider, id, "", at)
	if sku == nil {
		return catalogue.SKU{}, catalogue.Match{}, reason
	}
	return *sku.row, *found.row, ""
}
