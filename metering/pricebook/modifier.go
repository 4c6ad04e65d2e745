package pricebook

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// modifier is a multiplier, made ready to be applied.
type modifier struct {
	row      *catalogue.Modifier
	level    catalogue.Level
	cond     *condition
	one      bool // it names SKUs
	cells    [metering.NumCells]bool
	names    []string // what is not a token
	every    bool     // whatever it is
	multiply metering.Number
}

// ladder is the modifiers of equal conditions, SKUs and meters, in the order in
// which they hold.
type ladder struct {
	mods []*modifier
}

func newModifier(row *catalogue.Modifier, level catalogue.Level, calendars map[string]*calendar) (*modifier, error) {
	m := &modifier{row: row, level: level, one: len(row.SKUs) > 0 && !slices.Contains(row.SKUs, catalogue.Any)}
	var err error
	if m.cond, err = newCondition(row.When, calendars); err != nil {
		return nil, fmt.Errorf("%s: %w", row.ID, err)
	}
	if m.multiply, err = metering.ParseNumber(row.Multiply); err != nil {
		return nil, fmt.Errorf("%s: %w", row.ID, err)
	}
	names := row.Meters
	if len(names) == 0 {
		names = []string{"tokens"}
	}
	for _, name := range names {
		cells := cellsOf(name)
		if name == "tokens" || name == catalogue.AllMeters {
			for i := range m.cells {
				m.cells[i] = true
			}
			m.every = m.every || name == catalogue.AllMeters
			continue
		}
		for _, c := range cells {
			m.cells[c] = true
		}
		if len(cells) == 0 {
			m.names = append(m.names, name)
		}
	}
	return m, nil
}

// touches reports whether a meter is among those of the modifier.
func (m *modifier) touches(of *meter) bool {
	if of.token {
		return m.cells[of.cell]
	}
	return m.every || slices.Contains(m.names, of.name)
}

// unsure reports whether nobody vouches for the product with a rate. That a price of a
// higher layer is not multiplied is what whoever has set it says.
func (m *modifier) unsure(r *rate) bool {
	return m.row.Status == catalogue.StatusProvisional && (m.level >= r.level || m.multiply != metering.NumberOf(1))
}

// key is the same for modifiers of which one follows or overrides the other.
func (m *modifier) key() string {
	skus, meters := slices.Sorted(slices.Values(m.row.SKUs)), slices.Sorted(slices.Values(m.row.Meters))
	return strings.Join(skus, ",") + "|" + strings.Join(meters, ",") + "|" + m.cond.key
}

// ladders sorts modifiers into ladders: those that name more facts come first,
// then those of higher layers, then those of single SKUs, then those of one region.
func ladders(mods []*modifier) []*ladder {
	byKey := make(map[string]*ladder)
	var out []*ladder
	for _, m := range mods {
		l := byKey[m.key()]
		if l == nil {
			l = &ladder{}
			byKey[m.key()] = l
			out = append(out, l)
		}
		l.mods = append(l.mods, m)
	}
	for _, l := range out {
		slices.SortStableFunc(l.mods, func(a, b *modifier) int {
			return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(b.row.From, a.row.From))
		})
	}
	slices.SortStableFunc(out, func(a, b *ladder) int {
		x, y := a.mods[0], b.mods[0]
		return cmp.Or(
			cmp.Compare(bits.OnesCount8(uint8(y.cond.dims)), bits.OnesCount8(uint8(x.cond.dims))),
			cmp.Compare(y.level, x.level),
			-compareBool(x.one, y.one),
			compareBool(x.cond.anywhere(), y.cond.anywhere()),
		)
	})
	return out
}

func (l *ladder) pick(at metering.Micros) *modifier {
	for _, m := range l.mods {
		if inForce(m.row.From, m.row.To, at) {
			return m
		}
	}
	return nil
}

// modify adds the modifiers that hold to a choice, and returns the facts that
// they stand for. One that names facts is for rates that do not.
func (s *sku) modify(c *choice, m *meter, f *facts, plan string) (covered dims, reason string) {
	if len(s.ladder) == 0 {
		return 0, ""
	}
	for _, l := range s.ladder {
		mod := l.pick(f.at)
		if mod == nil || !mod.touches(m) || mod.cond.dims&(c.slot.cond.dims|covered) != 0 || !mod.cond.passes(f) {
			continue
		}
		if mod.cond.dims != 0 && mod.cond.dims&^c.slot.cond.any == 0 {
			continue // to the rate it does not matter
		}
		ok, doubt := mod.cond.holds(f, plan)
		if !ok {
			continue
		}
		covered |= mod.cond.dims
		c.doubt = cmp.Or(c.doubt, doubt)
		if mod.unsure(c.first) {
			c.doubt = cmp.Or(c.doubt, "rate: "+mod.row.ID+" is not vouched for")
		}
		c.mods = append(c.mods, mod)
	}
	if len(c.mods) < 2 {
		return covered, ""
	}
	slices.SortStableFunc(c.mods, func(a, b *modifier) int { return cmp.Compare(a.row.Order, b.row.Order) })
	for _, mod := range c.mods {
		if mod.row.Alone {
			return 0, "condition: " + mod.row.ID + " cannot be combined with another modifier"
		}
	}
	return covered, ""
}
