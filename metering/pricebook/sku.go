package pricebook

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// sku is everything that one SKU costs, at any time.
type sku struct {
	row    *catalogue.SKU
	level  catalogue.Level // of the row
	cells  [metering.NumCells]*meter
	named  map[string]*meter // what is not a token
	stars  *meter            // what keeps all meters from having a price; nil: nothing
	long   []*slot           // of tokens, those for contexts beyond a threshold
	ladder []*ladder         // of modifiers, in the order in which they get facts
}

// meter is the prices of one thing that is counted.
type meter struct {
	name  string
	token bool // it is a class of tokens: cell
	cell  metering.Cell
	slots []*slot
}

// slot is the prices under one combination of conditions.
type slot struct {
	cond *condition
	pool *catalogue.Volume // of volume bands; nil: none
	zone *time.Location    // of the windows of the pool
	// bands are in order of where they begin. Without a volume or a margin there is
	// one, from 0.
	bands []*band
}

// band is the prices of one slot for units beyond a number, in the order in which
// they hold.
type band struct {
	from  int64
	rates []*rate
}

// precedence orders rates of equal conditions: the higher layer, then one of
// this SKU, then one of this very meter, then the later.
func precedence(a, b *rate) int {
	return cmp.Or(
		cmp.Compare(b.level, a.level),
		-compareBool(a.one, b.one),
		compareBool(a.wide, b.wide),
		cmp.Compare(b.row.From, a.row.From),
	)
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// pick returns the rate in force; nil if there is none, or it has been taken out.
func (b *band) pick(at metering.Micros) *rate {
	for _, r := range b.rates {
		if !inForce(r.row.From, r.row.To, at) {
			continue
		}
		if r.row.Price == nil && r.row.Reason == "" {
			return nil
		}
		return r
	}
	return nil
}

// inForce returns a rate that holds in the slot; nil if none does.
func (s *slot) inForce(at metering.Micros) *rate {
	for _, b := range s.bands {
		if r := b.pick(at); r != nil {
			return r
		}
	}
	return nil
}

// removed reports whether a row takes out what would hold in the slot.
func (s *slot) removed(at metering.Micros) bool {
	return slices.ContainsFunc(s.bands, func(b *band) bool {
		return slices.ContainsFunc(b.rates, func(r *rate) bool { return inForce(r.row.From, r.row.To, at) })
	})
}

// meterOf returns the prices of a quantity; nil if there are none.
func (s *sku) meterOf(name string) *meter {
	if len(s.named) == 0 {
		return nil
	}
	return s.named[name]
}

// threshold is the longest context that any price of tokens is for and that the
// call exceeds: Anthropic, Google, OpenAI and xAI charge the whole call at the
// prices beyond it, and a class of tokens without such a price has none.
func (s *sku) threshold(f *facts) int64 {
	return threshold(s.long, f)
}

func (m *meter) threshold(f *facts) int64 {
	if m == nil {
		return 0
	}
	return threshold(m.slots, f)
}

func threshold(slots []*slot, f *facts) int64 {
	var above int64
	for _, s := range slots {
		if a := s.cond.when.Above; a > above && s.inForce(f.at) != nil && s.cond.passes(f) {
			above = a
		}
	}
	return above
}

// choice is the slot that holds for a call, and what multiplies its rates.
type choice struct {
	slot  *slot
	first *rate // one that is in force
	mods  []*modifier
	doubt string
}

// choose returns what holds for a meter, or why nothing does. Every unusual fact
// of the call has to be a condition of the slot or of a modifier; of several
// slots the one that names more of the call's facts holds.
func (s *sku) choose(m *meter, f *facts, above int64, plan string, t *trail) (choice, string) {
	var best choice
	var rival *rate
	need := f.unusual()
	for _, sl := range m.slots {
		r := sl.inForce(f.at)
		ok, doubt := sl.cond.holds(f, plan)
		if r == nil || !ok || sl.cond.when.Above != above {
			t.reject(sl, r, f, above, plan)
			continue
		}
		c := choice{slot: sl, first: r, doubt: doubt}
		covered, reason := s.modify(&c, m, f, plan)
		if reason != "" {
			return choice{}, reason
		}
		if left := need &^ (sl.cond.dims | sl.cond.any | covered); left != 0 {
			t.note(r, "says nothing of "+f.describe(left, 0))
			continue
		}
		switch order := c.compare(&best); {
		case best.slot == nil || order > 0:
			if best.slot != nil {
				t.note(best.first, "a rate for more of the call's conditions holds")
			}
			best, rival = c, nil
		case order == 0 && !samePrice(c.first, best.first):
			rival = c.first
		default:
			t.note(r, "a rate for more of the call's conditions holds")
		}
	}
	if rival != nil {
		return choice{}, "ambiguous: " + best.first.row.ID + " and " + rival.row.ID + " hold alike"
	}
	if reason := s.blocked(best.first, f, above, plan); reason != "" {
		return choice{}, reason
	}
	if best.slot == nil {
		return choice{}, s.lack(m, f, above, plan)
	}
	if best.first.row.Price == nil {
		return choice{}, best.first.row.Reason
	}
	return best, ""
}

// compare orders choices by how well they fit.
func (c *choice) compare(d *choice) int {
	if d.slot == nil {
		return 1
	}
	a, b := c.slot.cond, d.slot.cond
	return cmp.Or(
		cmp.Compare(bits.OnesCount8(uint8(a.dims)), bits.OnesCount8(uint8(b.dims))),
		-compareBool(a.anywhere(), b.anywhere()),
		cmp.Compare(a.detail, b.detail),
		cmp.Compare(c.first.level, d.first.level),
	)
}

func samePrice(a, b *rate) bool {
	return a.price == b.price && a.per == b.per && (a.row.Price == nil) == (b.row.Price == nil)
}

// blocked is the reason of a row that keeps all meters from having a price, where
// it lies no lower and is no older than the rate.
func (s *sku) blocked(r *rate, f *facts, above int64, plan string) string {
	if s.stars == nil {
		return ""
	}
	for _, sl := range s.stars.slots {
		star := sl.inForce(f.at)
		if star == nil || sl.cond.when.Above > 0 && sl.cond.when.Above != above {
			continue
		}
		if ok, _ := sl.cond.holds(f, plan); !ok {
			continue
		}
		if r == nil || star.level > r.level || star.level == r.level && star.row.From >= r.row.From {
			return star.row.Reason
		}
	}
	return ""
}

// lack says why no slot of a meter holds.
func (s *sku) lack(m *meter, f *facts, above int64, plan string) string {
	var inTime, atLength, other bool
	var missing string
	for _, sl := range m.slots {
		if sl.inForce(f.at) == nil {
			inTime = inTime || sl.removed(f.at)
			continue
		}
		inTime = true
		if sl.cond.when.Above != above {
			continue
		}
		atLength = true
		if sl.cond.dims&^f.unusual() == 0 {
			missing = cmp.Or(missing, sl.cond.missing(f, plan))
		}
	}
	if need := f.unusual(); atLength && need == 0 && missing != "" {
		return "condition: " + missing
	}
	for _, cell := range s.cells {
		other = other || cell != nil && slices.ContainsFunc(cell.slots, func(sl *slot) bool {
			ok, _ := sl.cond.holds(f, plan)
			return ok && sl.cond.when.Above == above && sl.cond.dims == f.unusual() && sl.inForce(f.at) != nil
		})
	}
	switch {
	case len(m.slots) > 0 && !inTime:
		return "condition: no price of " + m.name + " of " + s.row.SKU + " was in force at " + f.at.Time().Format("2006-01-02T15:04:05Z")
	case len(m.slots) == 0, other, !atLength && f.unusual() == 0 && above == 0:
		return "meter: " + m.name
	default:
		return "condition: " + f.describe(f.unusual(), above)
	}
}
