package reconcile

import (
	"math/big"
	"slices"

	"github.com/weirhq/weir/metering"
)

// side is what one side says of a row.
type side struct {
	there  bool // it says anything
	counts Counts
	known  Mask
	tiers  map[string]int64 // tokens by service tier
	cost   metering.Cost
	priced bool // the cost is comparable

	// Of ours.
	calls, unpriced         int64
	billed                  metering.Cost // of the days whose bill is known
	estimated, broken, test Share
	// Of theirs.
	items  map[Item]*Cost
	credit metering.Cost // negative amounts
	keys   map[string]int64
	terms  map[string]int64
}

// node is a row in the making.
type node struct {
	level                  Level
	model, key, credential string
	day                    Day
	ours, theirs           side
	edges                  map[Day]*edge // of our calls near midnight
	days                   map[Day]bool  // that it is about
	children               map[string]*node
	bad                    bool // it differs
}

// edge is what lies near the two ends of a day.
type edge struct{ first, last Share }

func newNode(level Level) *node {
	n := &node{level: level, edges: make(map[Day]*edge), days: make(map[Day]bool), children: make(map[string]*node)}
	n.ours.tiers, n.theirs.tiers, n.theirs.items = make(map[string]int64), make(map[string]int64), make(map[Item]*Cost)
	n.theirs.keys, n.theirs.terms = make(map[string]int64), make(map[string]int64)
	return n
}

// child is the row beneath of that name, made on demand.
func (n *node) child(name string, level Level) *node {
	c := n.children[name]
	if c == nil {
		c = newNode(level)
		c.model, c.day = n.model, n.day
		n.children[name] = c
	}
	return c
}

// edgeOf is what lies near the ends of a day.
func (n *node) edgeOf(d Day) *edge {
	e := n.edges[d]
	if e == nil {
		e = new(edge)
		n.edges[d] = e
	}
	return e
}

// record adds what was recorded. billed says that the bill of the day is known.
func (n *node) record(r *Recorded, billed bool) {
	o := &n.ours
	o.there = true
	o.counts.Add(&r.Counts)
	o.cost = o.cost.Add(r.Cost)
	if billed {
		o.billed = o.billed.Add(r.Cost)
	}
	o.tiers[r.Tier] += r.Counts.Tokens()
	o.calls += r.Counts[Requests]
	o.unpriced += r.Unpriced
	o.estimated.add(r.Estimated)
	o.broken.add(r.Broken)
	o.test.add(r.Test)
	n.days[r.Day] = true
}

// near adds what lies near the ends of a day, which need not be compared.
func (n *node) near(r *Recorded) {
	e := n.edgeOf(r.Day)
	e.first.add(r.First)
	e.last.add(r.Last)
}

// use adds what the provider says was used.
func (n *node) use(u *Usage) {
	t := &n.theirs
	t.there = true
	t.counts.Add(&u.Counts)
	t.known |= u.Known
	t.tiers[u.Tier] += u.Counts.Tokens()
	if u.Key != "" {
		t.keys[u.Key] += u.Counts.Tokens()
	}
	for term, tokens := range u.Terms {
		t.terms[term] += tokens
	}
	n.days[u.Day] = true
}

// charge adds what the provider charges. Items of several days are one.
func (n *node) charge(c *Cost) {
	t := &n.theirs
	t.there = true
	t.cost = t.cost.Add(c.Amount)
	if c.Amount.Normal().Micros < 0 {
		t.credit = t.credit.Add(c.Amount)
	}
	item := Item{Group: Group{Model: c.Model, Tier: c.Tier}, Name: c.Name, Class: c.Class}
	have := t.items[item]
	if have == nil {
		have = &Cost{Item: item, Unit: c.Unit}
		t.items[item] = have
	}
	have.Amount, have.Quantity = have.Amount.Add(c.Amount), have.Quantity.Add(c.Quantity)
	if have.Unit != c.Unit {
		have.Unit, have.Quantity = "", metering.Number{}
	}
	n.days[c.Day] = true
}

// shown is our cost as it is set against theirs.
func (n *node) shown() metering.Cost {
	if n.theirs.priced {
		return n.ours.billed
	}
	return n.ours.cost
}

// maxItems bounds the items of a row.
const maxItems = 40

// charges are the items of the provider's bill, the dearest first.
func (s *side) charges() []Charge {
	var out []Charge
	items := gather(s.items, Item.compare)
	slices.SortStableFunc(items, func(a, b Cost) int { return picos(b.Amount).CmpAbs(picos(a.Amount)) })
	for _, c := range items[:min(len(items), maxItems)] {
		charge := Charge{Item: c.Name, Class: c.Class, Tier: c.Tier, Amount: c.Amount, Unit: c.Unit}
		if q := ratOf(c.Quantity); q.Sign() > 0 {
			charge.Quantity = c.Quantity.String()
			price := new(big.Rat).SetInt(picos(c.Amount))
			charge.PerMillion = trimmed(price.Quo(price, q.Mul(q, picosPerDollar())), 1_000_000, 6)
		}
		out = append(out, charge)
	}
	return out
}

// picosPerDollar is how many pico-dollars a dollar has.
func picosPerDollar() *big.Rat {
	return new(big.Rat).SetInt64(metering.PicosPerMicro * metering.MicrosPerDollar)
}

// ratOf is the value of a number.
func ratOf(n metering.Number) *big.Rat {
	r := big.NewRat(n.Picos, metering.PicosPerUnit)
	return r.Add(r, new(big.Rat).SetInt64(n.Units))
}
