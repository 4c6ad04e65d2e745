package api

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// maxPriceName bounds names of providers and models in a query.
const maxPriceName = 200

// priceQuery chooses rates of the book.
type priceQuery struct {
	provider, model string
	layer           *catalogue.Level
	at              metering.Micros
}

func (c *call) priceQuery() priceQuery {
	q := priceQuery{provider: c.query.text("provider", maxPriceName), model: c.query.text("model", maxPriceName), at: c.query.instant("at")}
	if name := c.query.text("layer", 20); name != "" {
		level, err := catalogue.ParseLevel(name)
		if err != nil {
			c.query.fault("layer", "must be embedded, sync, overlay, file, operator or account")
		}
		q.layer = &level
	}
	if q.at == 0 {
		q.at = c.at()
	}
	return q
}

// skus are those that the query is about, those of a provider in order.
func (q *priceQuery) skus(b *pricebook.Book) ([]catalogue.SKU, error) {
	providers := b.Providers()
	if q.provider != "" {
		if !slices.Contains(providers, q.provider) {
			return nil, notFound("provider", q.provider)
		}
		providers = []string{q.provider}
	}
	var out []catalogue.SKU
	for _, p := range providers {
		if q.model == "" {
			out = append(out, b.SKUs(p)...)
			continue
		}
		if s, _, reason := b.Find(p, q.model, q.at); reason == "" {
			out = append(out, s)
		}
	}
	if len(out) == 0 && q.model != "" {
		return nil, notFound("model", q.model)
	}
	return out, nil
}

// entries calls each for the rates of the query, until it returns false. The
// rates that a provider charges whatever the model come once, before those of its
// models.
func (q *priceQuery) entries(b *pricebook.Book, skus []catalogue.SKU, each func(pricebook.Entry) bool) {
	for len(skus) > 0 {
		n := 1
		for n < len(skus) && skus[n].Provider == skus[0].Provider {
			n++
		}
		var common, own []pricebook.Entry
		at := make(map[string]int)
		for _, s := range skus[:n] {
			for _, e := range b.Rates(s.Provider, s.SKU, q.at) {
				if q.layer != nil && e.Level != *q.layer {
					continue
				}
				if e.Rate.SKU != catalogue.Any {
					own = append(own, e)
					continue
				}
				i, there := at[e.Rate.ID]
				if !there {
					at[e.Rate.ID] = len(common)
					common = append(common, e)
					continue
				}
				common[i].InForce = common[i].InForce || e.InForce
			}
		}
		for _, e := range append(common, own...) {
			if !each(e) {
				return
			}
		}
		skus = skus[n:]
	}
}

// pick lists one page of what choose makes of the rates of a query. A cursor is
// how many came before it.
func pick[T any](c *call, b *pricebook.Book, choose func(pricebook.Entry) (T, bool)) (answer, error) {
	q, limit, cursor := c.priceQuery(), c.query.limit(), c.query.cursor()
	skip := 0
	if cursor != "" {
		n, err := strconv.Atoi(cursor)
		if err != nil || n < 0 {
			c.query.fault("cursor", "is none of ours")
		}
		skip = n
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	skus, err := q.skus(b)
	if err != nil {
		return answer{}, err
	}
	out := Page[T]{Items: []T{}}
	seen := 0
	q.entries(b, skus, func(e pricebook.Entry) bool {
		item, ok := choose(e)
		if !ok {
			return true
		}
		if seen++; seen <= skip {
			return true
		}
		if len(out.Items) == limit {
			next := strconv.Itoa(skip + limit)
			out.NextCursor = &next
			return false
		}
		out.Items = append(out.Items, item)
		return true
	})
	return ok(out)
}

// listPrices lists the rates in force.
func (s *Server) listPrices(c *call) (answer, error) {
	return pick(c, s.opts.Prices.book(), func(e pricebook.Entry) (PriceEntry, bool) { return showEntry(e), e.InForce })
}

// listDrift lists the rates that hold over others of lower layers.
func (s *Server) listDrift(c *call) (answer, error) {
	b := s.opts.Prices.book()
	return pick(c, b, func(e pricebook.Entry) (Drift, bool) {
		if e.Over == "" {
			return Drift{}, false
		}
		over, level, ok := b.Rate(e.Over)
		return Drift{e.Level, withPer(e.Rate), level, withPer(over)}, ok
	})
}

// showPrices shows all that the book has of a model.
func (s *Server) showPrices(c *call) (answer, error) {
	at := c.query.instant("at")
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if at == 0 {
		at = c.at()
	}
	b := s.opts.Prices.book()
	provider, model := c.PathValue("provider"), c.PathValue("model")
	sku, match, reason := b.Find(provider, model, at)
	if reason != "" {
		return answer{}, problem(CodeNotFound, reason)
	}
	out := ModelPrices{SKU: sku, FoundBy: showMatch(match), Matches: []PriceMatch{}, Rates: []PriceEntry{}, Book: b.Version()}
	for _, m := range b.Matches(provider, sku.SKU) {
		out.Matches = append(out.Matches, PriceMatch{m.Level, showMatch(m.Match)})
	}
	for _, e := range b.Rates(provider, sku.SKU, at) {
		out.Rates = append(out.Rates, showEntry(e))
	}
	out.Modifiers = orEmpty(b.Modifiers(provider, sku.SKU, at))
	return ok(out)
}

// listPriceLayers lists what this process prices with, low to high.
func (s *Server) listPriceLayers(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	heads, err := s.opts.Prices.Store.LayerHeads(c.Context(), c.org)
	if err != nil {
		return answer{}, err
	}
	b := s.opts.Prices.book()
	out := Page[LayerVersion]{Items: []LayerVersion{}}
	for _, l := range b.Layers() {
		i := slices.IndexFunc(heads, func(k catalogue.Kept) bool { return k.Level == l.Level && k.Version == l.Version })
		kept := catalogue.Kept{Level: l.Level, Version: l.Version, Counts: l.Counts()}
		if i >= 0 {
			kept = heads[i]
		}
		out.Items = append(out.Items, showKept(kept, b))
	}
	return ok(out)
}

// listLayerVersions lists what contents a layer had, latest first.
func (s *Server) listLayerVersions(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	var before int64
	if cursor != "" {
		var err error
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil || before < 1 {
			c.query.fault("cursor", "is none of ours")
		}
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	level, err := c.layer()
	if err != nil {
		return answer{}, err
	}
	found, err := s.opts.Prices.Store.LayerHistory(c.Context(), c.org, level, before, limit+1)
	if err != nil {
		return answer{}, err
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = strconv.FormatInt(found[limit-1].N, 10)
	}
	b := s.opts.Prices.book()
	return ok(page(found, next, func(k catalogue.Kept) LayerVersion { return showKept(k, b) }))
}

// showLayer shows the rows of a layer. "latest" is the version in force.
func (s *Server) showLayer(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	level, err := c.layer()
	if err != nil {
		return answer{}, err
	}
	version := c.PathValue("version")
	for _, l := range s.opts.Prices.book().Layers() {
		if l.Level == level && (l.Version == version || version == "latest") {
			return ok(LayerContent{l.Level, l.Version, l.Rows})
		}
	}
	l, err := s.opts.Prices.Store.Layer(c.Context(), c.org, catalogue.Ref{Level: level, Version: version})
	if errors.Is(err, metering.ErrNotFound) {
		return answer{}, notFound("version of layer "+level.String(), version)
	}
	if err != nil {
		return answer{}, err
	}
	return ok(LayerContent{l.Level, l.Version, l.Rows})
}

// listPriceBooks lists the books that priced events, latest first.
func (s *Server) listPriceBooks(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	var after catalogue.UsedBook
	if cursor != "" {
		at, version, _ := strings.Cut(cursor, ".")
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil || version == "" {
			c.query.fault("cursor", "is none of ours")
		}
		after = catalogue.UsedBook{Version: version, FirstUsed: metering.Micros(n)}
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	found, err := s.opts.Prices.Store.UsedBooks(c.Context(), c.org, after, limit+1)
	if err != nil {
		return answer{}, err
	}
	next := ""
	if len(found) > limit {
		found = found[:limit]
		next = fmt.Sprintf("%d.%s", found[limit-1].FirstUsed, found[limit-1].Version)
	}
	now := s.opts.Prices.book().Version()
	return ok(page(found, next, func(u catalogue.UsedBook) PriceBook {
		return PriceBook{u.Version, orEmpty(u.Layers), Instant(u.FirstUsed), u.Version == now}
	}))
}
