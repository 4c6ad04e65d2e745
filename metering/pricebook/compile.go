package pricebook

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
}

// Compile makes a book of layers, at most one of a level. Rows that contradict
// each other, or refer to what is not there, are ErrInvalid; the error names all
// of them, and there is no book.
func Compile(layers ...*catalogue.Layer) (*Book, error) {
	layers = slices.Clone(layers)
	slices.SortStableFunc(layers, func(a, b *catalogue.Layer) int { return cmp.Compare(a.Level, b.Level) })
	for i := 1; i < len(layers); i++ {
		if layers[i].Level == layers[i-1].Level {
			return nil, invalid("price book: two layers %s", layers[i].Level)
		}
	}
	c := &compiler{
		book: &Book{
			version: versionOf(layers), layers: layers, providers: make(map[string]*provider),
			rates: make(map[string]*rate), modifiers: make(map[string]*modifier), plans: make(map[string]string),
		},
		calendars:  make(map[string]*calendar),
		superseded: make(map[string]bool),
		replaced:   make(map[*sku]catalogue.Level),
		perSKU:     make(map[*sku][]*rate),
	}
	for i := range c.book.cellNames {
		c.book.cellNames[i] = metering.Cell(i).String()
	}
	c.run()
	if err := errors.Join(c.errs...); err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	return c.book, nil
}

// compiler is a book in the making.
type compiler struct {
	book       *Book
	calendars  map[string]*calendar
	superseded map[string]bool
	replaced   map[*sku]catalogue.Level // what lower layers say of it does not count
	perSKU     map[*sku][]*rate
	anyRates   []*rate
	mods       []*modifier
	errs       []error
}

func (c *compiler) fail(err error) {
	const most = 20
	if err != nil && len(c.errs) < most {
		c.errs = append(c.errs, err)
	}
}

// run reads the tables in the order in which they refer to each other.
func (c *compiler) run() {
	for _, l := range c.book.layers {
		for i := range l.Calendars { // of a higher layer: instead
			made, err := newCalendar(&l.Calendars[i])
			c.fail(err)
			c.calendars[l.Calendars[i].ID] = made
		}
		for i := range l.Rates {
			c.superseded[l.Rates[i].Supersedes] = true
		}
		for i := range l.Modifiers {
			c.superseded[l.Modifiers[i].Supersedes] = true
		}
		for _, plan := range l.Plans {
			c.book.plans[plan.Provider] = plan.Plan
		}
		for i := range l.SKUs {
			c.sku(&l.SKUs[i], l.Level)
		}
	}
	for _, l := range c.book.layers {
		for i := range l.Rates {
			c.rate(&l.Rates[i], l.Level)
		}
		for i := range l.Modifiers {
			c.modifier(&l.Modifiers[i], l.Level)
		}
	}
	for _, l := range c.book.layers {
		for i := range l.Matches {
			c.match(&l.Matches[i], l.Level)
		}
	}
	for _, p := range c.book.providers {
		c.finish(p)
	}
}

func (c *compiler) provider(name string) *provider {
	p := c.book.providers[name]
	if p == nil {
		p = &provider{skus: make(map[string]*sku), exact: make(map[string][]*match), dated: make(map[string][]*match)}
		c.book.providers[name] = p
	}
	return p
}

// sku notes an SKU; the row of the highest layer describes it.
func (c *compiler) sku(row *catalogue.SKU, level catalogue.Level) {
	p := c.provider(row.Provider)
	s := p.skus[row.SKU]
	if s == nil {
		s = &sku{named: make(map[string]*meter)}
		p.skus[row.SKU] = s
	} else if s.level == level && s.row != nil {
		c.fail(invalid("layer %s has two rows of %s/%s", level, row.Provider, row.SKU))
	}
	s.row, s.level = row, level
	if row.Replace {
		c.replaced[s] = level
	}
}

// of returns the SKU of a row; one that nobody described is made.
func (c *compiler) of(name, id string, level catalogue.Level) *sku {
	p := c.provider(name)
	if s := p.skus[id]; s != nil {
		return s
	}
	c.sku(&catalogue.SKU{Provider: name, SKU: id}, level)
	return p.skus[id]
}

func (c *compiler) rate(row *catalogue.Rate, level catalogue.Level) {
	r, err := newRate(row, level, c.calendars)
	if err != nil {
		c.fail(err)
		return
	}
	if c.book.rates[row.ID] != nil {
		c.fail(invalid("two rates are called %s", row.ID))
		return
	}
	c.book.rates[row.ID] = r
	switch {
	case c.superseded[row.ID], row.Status == catalogue.StatusCancelled:
	case row.SKU == catalogue.Any:
		c.provider(row.Provider)
		c.anyRates = append(c.anyRates, r)
	default:
		if s := c.of(row.Provider, row.SKU, level); level >= c.replaced[s] {
			c.perSKU[s] = append(c.perSKU[s], r)
		}
	}
}

func (c *compiler) modifier(row *catalogue.Modifier, level catalogue.Level) {
	m, err := newModifier(row, level, c.calendars)
	if err != nil {
		c.fail(err)
		return
	}
	if c.book.modifiers[row.ID] != nil || c.book.rates[row.ID] != nil {
		c.fail(invalid("two modifiers are called %s", row.ID))
		return
	}
	c.book.modifiers[row.ID] = m
	if !c.superseded[row.ID] {
		c.mods = append(c.mods, m)
	}
}

func (c *compiler) match(row *catalogue.Match, level catalogue.Level) {
	p := c.provider(row.Provider)
	m := &match{row: row, level: level}
	if row.SKU != catalogue.Any {
		if m.sku = p.skus[row.SKU]; m.sku == nil {
			c.fail(invalid("%s %s of %s leads to %s, which is no SKU", row.Type, row.Pattern, row.Provider, row.SKU))
			return
		}
		if level < c.replaced[m.sku] {
			return
		}
	}
	switch row.Type {
	case catalogue.MatchExact:
		p.exact[row.Pattern] = append(p.exact[row.Pattern], m)
	case catalogue.MatchDateSuffix:
		p.dated[row.Pattern] = append(p.dated[row.Pattern], m)
	case catalogue.MatchRegionPrefix:
		p.regions = append(p.regions, m)
	case catalogue.MatchRegex:
		var err error
		if m.regex, err = regexp.Compile(`^(?:` + row.Pattern + `)$`); err != nil {
			c.fail(invalid("pattern %s of %s: %v", row.Pattern, row.Provider, err))
			return
		}
		p.regexes = append(p.regexes, m)
	}
}

// finish orders what was read of a provider.
func (c *compiler) finish(p *provider) {
	for id, s := range p.skus {
		// An SKU's own id yields to a match of the layer: the vendor may give it to
		// another model for a while.
		own := &match{row: &catalogue.Match{Provider: s.row.Provider, Type: catalogue.MatchExact, Pattern: id, SKU: id, Priority: math.MinInt}, level: s.level, sku: s}
		p.exact[id] = append(p.exact[id], own)
		c.meters(s)
		for _, m := range c.mods {
			if m.row.Provider == s.row.Provider && (!m.one || slices.Contains(m.row.SKUs, id)) && (m.level >= c.replaced[s] || !slices.Equal(m.row.SKUs, []string{id})) {
				s.ladder = append(s.ladder, &ladder{mods: []*modifier{m}})
			}
		}
		s.ladder = c.ladders(s.ladder)
	}
	for _, lists := range []map[string][]*match{p.exact, p.dated} {
		for pattern, list := range lists {
			slices.SortStableFunc(list, byRank)
			c.unambiguous(pattern, list)
		}
	}
	slices.SortStableFunc(p.regions, func(a, b *match) int {
		return cmp.Or(byRank(a, b), cmp.Compare(len(b.row.Pattern), len(a.row.Pattern)), cmp.Compare(a.row.Pattern, b.row.Pattern))
	})
	slices.SortStableFunc(p.regexes, byRank)
}

func (c *compiler) ladders(singles []*ladder) []*ladder {
	mods := make([]*modifier, len(singles))
	for i, l := range singles {
		mods[i] = l.mods[0]
	}
	out := ladders(mods)
	for _, l := range out {
		for i := 1; i < len(l.mods); i++ {
			if a, b := l.mods[i-1], l.mods[i]; a.level == b.level && a.row.From == b.row.From {
				c.fail(invalid("modifiers %s and %s hold at one time", a.row.ID, b.row.ID))
			}
		}
	}
	return out
}

func byRank(a, b *match) int {
	return cmp.Or(cmp.Compare(b.level, a.level), cmp.Compare(b.row.Priority, a.row.Priority))
}

// unambiguous holds that at no time a pattern means two SKUs.
func (c *compiler) unambiguous(pattern string, list []*match) {
	for i, a := range list {
		for _, b := range list[i+1:] {
			if byRank(a, b) != 0 || a.sku == b.sku {
				continue
			}
			if (a.row.To == 0 || a.row.To > b.row.From) && (b.row.To == 0 || b.row.To > a.row.From) {
				c.fail(invalid("%s of %s means %s and %s at one time", pattern, a.row.Provider, a.row.SKU, b.row.SKU))
			}
		}
	}
}

// meters sorts the rates of an SKU by what they count and under which conditions.
func (c *compiler) meters(s *sku) {
	rates := c.perSKU[s]
	for _, r := range c.anyRates {
		if r.row.Provider == s.row.Provider {
			rates = append(rates, r)
		}
	}
	for _, r := range rates {
		cells := cellsOf(r.row.Meter)
		for _, cell := range cells {
			if s.cells[cell] == nil {
				s.cells[cell] = &meter{name: c.book.cellNames[cell], token: true, cell: cell}
			}
			c.slot(s.cells[cell], r)
		}
		switch {
		case r.row.Meter == catalogue.AllMeters:
			if s.stars == nil {
				s.stars = &meter{name: catalogue.AllMeters}
			}
			c.slot(s.stars, r)
		case len(cells) == 0:
			if s.named[r.row.Meter] == nil {
				s.named[r.row.Meter] = &meter{name: r.row.Meter}
			}
			c.slot(s.named[r.row.Meter], r)
		}
	}
	for _, m := range append(s.cells[:], s.stars) {
		if m == nil {
			continue
		}
		for _, sl := range m.slots {
			if sl.cond.when.Above > 0 && !slices.Contains(s.long, sl) {
				s.long = append(s.long, sl)
			}
		}
	}
	for _, m := range s.cells {
		c.order(m)
	}
	for _, m := range s.named {
		c.order(m)
	}
	c.order(s.stars)
}

// slot files a rate under its conditions.
func (c *compiler) slot(m *meter, r *rate) {
	i := slices.IndexFunc(m.slots, func(s *slot) bool { return s.cond.key == r.cond.key })
	if i < 0 {
		i = len(m.slots)
		m.slots = append(m.slots, &slot{cond: r.cond})
	}
	s := m.slots[i]
	if v := r.row.When.Volume; v != nil {
		if s.pool != nil && (s.pool.Pool != v.Pool || s.pool.Window != v.Window || s.pool.Zone != v.Zone) {
			c.fail(invalid("%s and %s have different pools", r.row.ID, s.bands[0].rates[0].row.ID))
		}
		s.pool, s.zone = v, r.zone
	}
	j := slices.IndexFunc(s.bands, func(b *band) bool { return b.from == r.bandFrom })
	if j < 0 {
		j = len(s.bands)
		s.bands = append(s.bands, &band{from: r.bandFrom})
	}
	s.bands[j].rates = append(s.bands[j].rates, r)
}

// order sorts bands and rates, and refuses two rates at once.
func (c *compiler) order(m *meter) {
	if m == nil {
		return
	}
	slices.SortFunc(m.slots, func(a, b *slot) int { return strings.Compare(a.cond.key, b.cond.key) })
	for _, s := range m.slots {
		slices.SortFunc(s.bands, func(a, b *band) int { return cmp.Compare(a.from, b.from) })
		for _, b := range s.bands {
			slices.SortStableFunc(b.rates, precedence)
			for i := 1; i < len(b.rates); i++ {
				if x, y := b.rates[i-1], b.rates[i]; precedence(x, y) == 0 && !samePrice(x, y) {
					c.fail(invalid("rates %s and %s hold at one time", x.row.ID, y.row.ID))
				}
			}
		}
	}
}

// cellsOf are the classes of tokens that the meter of a rate stands for; none if
// it counts something else.
func cellsOf(name string) []metering.Cell {
	base, wide := strings.CutSuffix(name, ".*")
	cell, err := metering.ParseCell(base)
	if err != nil {
		return nil
	}
	if !wide {
		return []metering.Cell{cell}
	}
	var cells []metering.Cell
	for _, m := range []metering.Modality{metering.Text, metering.Audio, metering.Image, metering.Video, metering.Document} {
		cells = append(cells, metering.Cell(int(cell)+int(m)))
	}
	return cells
}
