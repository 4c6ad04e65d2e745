package sync

import (
	"cmp"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// cancel ends what this feed announced and announces no more. It has not begun,
// so no event has its price.
func (c *comparison) cancel() {
	if c.q.Document.Shape != GenAIPrices {
		return // the others announce nothing
	}
	for i := range c.rows.Rates {
		r := &c.rows.Rates[i]
		if r.ID == "" || r.Status != catalogue.StatusScheduled || r.From <= c.now || !slices.Contains(r.Sources, string(GenAIPrices)) {
			continue
		}
		if !c.listed[r.Provider+" "+r.SKU] || slices.Contains(c.said[slotOf(r)], r.From) {
			continue
		}
		r.Status = catalogue.StatusCancelled
		c.out.Changes = append(c.out.Changes, Change{
			Provider: r.Provider, SKU: r.SKU, Meter: r.Meter, When: r.When, Old: r.Price, Per: perOf(r), From: r.From,
			Verdict: Apply, Reason: "it is announced no more",
		})
	}
}

// bound ends rows where a layer below says that something else begins, or the
// feed that they end. Only ends that lie ahead are ever moved.
func (c *comparison) bound() {
	for i := range c.rows.Rates {
		r := &c.rows.Rates[i]
		if r.To != 0 && r.To <= c.now || r.Status == catalogue.StatusCancelled {
			continue
		}
		k := slotOf(r)
		at := max(c.now, r.From)
		end := c.lower.end(k, at)
		if said, ok := c.ends[k]; ok && said > at && (end == 0 || said < end) {
			end = said
		}
		r.To = end
	}
}

// describe adds SKUs that have a rate now, other ids of them, and what the feed
// says anew of those it described before.
func (c *comparison) describe() {
	have := make(map[string]int, len(c.rows.SKUs))
	for i := range c.rows.SKUs {
		have[c.rows.SKUs[i].Provider+" "+c.rows.SKUs[i].SKU] = i
	}
	for _, s := range c.q.Document.Rows.SKUs {
		if i, ok := have[s.Provider+" "+s.SKU]; ok {
			s.Base = c.rows.SKUs[i].Base
			c.rows.SKUs[i] = s
		}
	}
	for _, key := range sortedKeys(c.fresh) {
		if _, ok := have[key]; !ok {
			have[key] = len(c.rows.SKUs)
			c.rows.SKUs = append(c.rows.SKUs, c.fresh[key])
		}
	}
	for _, m := range c.q.Document.Rows.Matches {
		sku, how := c.names.read(m.Provider, m.SKU)
		_, fresh := have[m.Provider+" "+sku]
		if _, taken := c.names.read(m.Provider, m.Pattern); taken != unknown || how != own && !fresh || c.matched(m) {
			continue
		}
		m.SKU = sku
		c.rows.Matches = append(c.rows.Matches, m)
	}
	slices.SortStableFunc(c.rows.SKUs, func(a, b catalogue.SKU) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.SKU, b.SKU))
	})
}

// matched reports whether the layer has a match of that id, or an SKU of that
// name.
func (c *comparison) matched(m catalogue.Match) bool {
	return slices.ContainsFunc(c.rows.Matches, func(x catalogue.Match) bool { return x.Provider == m.Provider && x.Pattern == m.Pattern }) ||
		c.fresh[m.Provider+" "+m.Pattern].SKU != ""
}
