package sync

import (
	"cmp"
	"math/big"
	"slices"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// confirmEvery is how often confirmed_at of a rate moves at most, in µs. Core
// takes a price for confirmed for 48 hours.
const confirmEvery = 24 * 60 * 60 * 1_000_000

// inForce returns the rate of a slot that holds now, and whether it is of the
// layer Synced.
func (c *comparison) inForce(k slot) (r *catalogue.Rate, synced bool) {
	if r := c.present.at(k, c.now); r != nil {
		return r, true
	}
	return c.lower.at(k, c.now), false
}

// model decides about the rates of one SKU, each on its own; of a new model with
// an implausible price, about all at once.
func (c *comparison) model(t *target, e *entry) {
	groups := c.groups(t.provider, t.sku, e.rates)
	fault := ""
	if t.how == unknown {
		for _, key := range sortedKeys(groups) {
			for _, meter := range sortedKeys(groups[key].fault) {
				fault = cmp.Or(fault, groups[key].fault[meter])
			}
		}
	}
	for _, r := range e.rates {
		if r.To != 0 && r.To <= c.now {
			continue
		}
		r.SKU = t.sku
		k := slotOf(&r)
		if r.From > c.now {
			c.said[k] = append(c.said[k], r.From)
		} else {
			c.ends[k] = r.To
		}
		g := groups[groupKey(&r, c.now)]
		if fault != "" && g.fault[k.meter] == "" {
			g.fault[k.meter] = "a new model of which " + fault
		}
		c.rate(&r, e.sku, g)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// groupKey is the same for rates that hold together.
func groupKey(r *catalogue.Rate, now catalogue.Instant) string {
	if r.From > now {
		return r.When.Key() + "@" + r.From.String()
	}
	return r.When.Key()
}

// groups puts the rates that hold, or will, beside those that do.
func (c *comparison) groups(provider, sku string, rates []catalogue.Rate) map[string]*group {
	feed, now := make(map[string]map[string]*big.Rat), make(map[string]map[string]*big.Rat)
	for i := range rates {
		r := &rates[i]
		if r.To != 0 && r.To <= c.now {
			continue
		}
		key := groupKey(r, c.now)
		if feed[key] == nil {
			feed[key], now[key] = make(map[string]*big.Rat), make(map[string]*big.Rat)
		}
		k := slotOf(r).of(sku)
		feed[key][k.meter] = unit(r)
		if have, _ := c.inForce(k); unit(have) != nil {
			now[key][k.meter] = unit(have)
		}
	}
	out := make(map[string]*group, len(feed))
	for key := range feed {
		out[key] = newGroup(feed[key], now[key])
	}
	return out
}

// rate decides about one rate of the feed. listed is the entry that it is from.
func (c *comparison) rate(r *catalogue.Rate, listed catalogue.SKU, g *group) {
	k := slotOf(r)
	agree := c.others.agree(r, listed.SKU, k.sku)
	now, synced := c.inForce(k)
	if r.From > c.now {
		announced, ours := c.present.from(k, r.From), true
		if announced == nil {
			announced, ours = c.lower.from(k, r.From), false
		}
		if samePrice(announced, r) {
			c.confirm(announced, ours, agree)
			return
		}
	} else if samePrice(now, r) {
		c.confirm(now, synced, agree)
		return
	}
	cl := claim{
		rate: r, now: now, meter: k.meter, group: g, agree: agree, other: c.others.against(r, listed.SKU, k.sku), void: c.void(k, now, synced),
	}
	if unit(now) == nil && cl.unvouched() {
		c.doubtful(r, now, listed)
		return
	}
	change := Change{Provider: r.Provider, SKU: r.SKU, Meter: r.Meter, When: r.When, New: r.Price, Per: perOf(r)}
	if now != nil {
		change.Meter = now.Meter
		change.Old = scaledPrice(now, change.Per)
	}
	change.identify(r.From)
	change.Verdict, change.Reason = cl.judge()
	held := change.Verdict == Hold
	c.decide(&change)
	if change.Verdict == Apply {
		row := c.emit(r, now, listed, agree)
		if held || unit(now) != nil && now.Status != catalogue.StatusProvisional {
			if row.Status == catalogue.StatusProvisional {
				row.Status = catalogue.StatusConfirmed // somebody vouches for it, or it moved by little
			}
		}
		if now != nil && now.Status == catalogue.StatusRegional && row.Status != catalogue.StatusProvisional && row.Status != catalogue.StatusScheduled {
			row.Status = catalogue.StatusRegional // feeds do not say where a price holds
		}
		change.From = row.From
	} else if r.From > c.now {
		change.From = r.From
	}
	c.out.Changes = append(c.out.Changes, change)
}

// scaledPrice is a rate's price for per units; nil if there is none.
func scaledPrice(r *catalogue.Rate, per int64) *string {
	v := unit(r)
	if v == nil {
		return nil
	}
	v.Mul(v, new(big.Rat).SetInt64(per))
	s := v.FloatString(places)
	s = plainDecimal(trimPoint(s))
	return &s
}

// trimPoint splits a decimal into its digits and the power of ten behind them.
func trimPoint(s string) (digits string, exponent int) {
	for i := range len(s) {
		if s[i] == '.' {
			return s[:i] + s[i+1:], i + 1 - len(s)
		}
	}
	return s, 0
}

// void is why a layer below deliberately has no price for a slot; empty if it
// does not say.
func (c *comparison) void(k slot, now *catalogue.Rate, synced bool) string {
	if synced {
		return ""
	}
	if now != nil && now.Price == nil {
		return now.Reason
	}
	for _, when := range []string{k.when, ""} {
		if star := c.lower.at(slot{k.provider, k.sku, catalogue.AllMeters, when}, c.now); star != nil {
			return star.Reason
		}
	}
	return ""
}

// confirm notes that the feed still says a rate. One of a layer below gets a row
// where that matters: it was announced, promised up to an instant, or nobody
// vouched for it and now another source has it.
func (c *comparison) confirm(r *catalogue.Rate, synced bool, agree []string) {
	c.out.Confirmed++
	vouched := r.Status == catalogue.StatusProvisional && corroborated(r, c.q.Document.Shape, agree)
	if synced {
		row := &c.rows.Rates[c.index[r.ID]]
		if vouched {
			row.Status, row.Sources = catalogue.StatusConfirmed, union(row.Sources, agree)
		}
		if vouched || c.now-row.Confirmed >= confirmEvery {
			row.Confirmed = c.now
		}
		return
	}
	if !vouched && r.Status != catalogue.StatusScheduled && r.Guaranteed == 0 {
		return
	}
	row := *r
	row.ID, row.Supersedes, row.Confirmed = "", "", c.now
	row.Sources = union(row.Sources, append([]string{string(c.q.Document.Shape)}, agree...))
	if vouched {
		row.Status = catalogue.StatusConfirmed
	}
	c.rows.Rates = append(c.rows.Rates, row)
}

func union(a, b []string) []string {
	out := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// emit adds a rate of the feed to the layer. Beside it the rates before stay:
// the later one holds.
func (c *comparison) emit(r, now *catalogue.Rate, listed catalogue.SKU, agree []string) *catalogue.Rate {
	row := *r
	row.ID, row.To, row.Confirmed = "", 0, c.now
	row.Sources = union([]string{string(c.q.Document.Shape)}, agree)
	if len(agree) == 0 {
		row.Status = catalogue.StatusProvisional
	}
	if now != nil {
		row.Meter = now.Meter
	}
	switch {
	case r.From > c.now:
		row.Status = catalogue.StatusScheduled
	case r.From == 0 || now != nil && r.From <= now.From:
		row.From, row.Observed = c.now, true
	}
	c.rows.Rates = append(c.rows.Rates, row)
	added := &c.rows.Rates[len(c.rows.Rates)-1]
	if row.From <= c.now {
		kept := row
		c.applied[slotOf(r)] = &kept
	}
	if key := row.Provider + " " + row.SKU; !c.described(row.Provider, row.SKU) {
		listed.SKU = row.SKU
		c.fresh[key] = listed
	}
	return added
}

// described reports whether the book has the SKU.
func (c *comparison) described(provider, sku string) bool {
	_, how := c.names.read(provider, sku)
	return how == own
}

// doubtful adds that a feed alone says that something is free: it may be, and it
// may be that the feed does not know the price.
func (c *comparison) doubtful(r, now *catalogue.Rate, listed catalogue.SKU) {
	reason := "ambiguous: only " + string(c.q.Document.Shape) + " says that it is free"
	if now != nil && now.Reason == reason {
		return
	}
	if now != nil || c.void(slotOf(r), now, false) != "" {
		return // the layer below has no price either, and says why
	}
	row := *r
	row.Price, row.Reason = nil, reason
	c.emit(&row, now, listed, nil).Status = ""
}
