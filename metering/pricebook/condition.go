package pricebook

import (
	"slices"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// condition is when a rate or modifier holds, made ready to be asked.
type condition struct {
	when     catalogue.When
	key      string // of what is not a band
	dims     dims   // the facts that it names
	any      dims   // the facts that do not matter
	detail   int    // how many other things it names: the more, the better it fits
	counts   []metering.Cell
	calendar *calendar // nil: any time
}

func newCondition(w catalogue.When, calendars map[string]*calendar) (*condition, error) {
	bare := w
	bare.Volume = nil
	if bare.Marginal {
		bare.Marginal, bare.Above, bare.Counts = false, 0, nil
	}
	c := &condition{when: bare, key: bare.Key(), detail: len(w.Attributes)}
	for _, x := range []struct {
		value string
		dim   dims
	}{{w.Tier, dimTier}, {w.Region, dimRegion}, {w.Endpoint, dimEndpoint}, {w.Speed, dimSpeed}} {
		if x.value != "" {
			c.dims |= x.dim
		}
	}
	for _, fact := range w.Any {
		c.any |= map[string]dims{"tier": dimTier, "region": dimRegion, "endpoint": dimEndpoint, "speed": dimSpeed}[fact]
	}
	if w.Plan != "" {
		c.detail++
	}
	if w.Calendar != "" {
		if c.calendar = calendars[w.Calendar]; c.calendar == nil {
			return nil, invalid("there is no calendar %q", w.Calendar)
		}
		c.detail++
	}
	c.counts = contextCells(w.Counts)
	return c, nil
}

// contextCells are the classes that a context is made of; none named is all input.
func contextCells(names []string) []metering.Cell {
	if len(names) == 0 {
		names = []string{"input"}
	}
	var cells []metering.Cell
	for i := range metering.NumCells {
		c := metering.Cell(i)
		direction := "output"
		if c.IsInput() {
			direction = "input"
		}
		if slices.Contains(names, direction) || slices.Contains(names, c.String()) {
			cells = append(cells, c)
		}
	}
	return cells
}

// passes reports whether the context is longer than the threshold; true where
// there is none.
func (c *condition) passes(f *facts) bool {
	if c.when.Above == 0 {
		return true
	}
	var n int64
	for _, cell := range c.counts {
		n += f.tokens[cell]
	}
	return n > c.when.Above
}

// holds reports whether everything but the length of the context is met. doubt
// is why that is not certain.
func (c *condition) holds(f *facts, plan string) (ok bool, doubt string) {
	w := &c.when
	if w.Tier != "" && w.Tier != f.tier || !c.inRegion(f.region) ||
		w.Endpoint != "" && w.Endpoint != f.endpoint || w.Speed != "" && w.Speed != f.speed || w.Plan != "" && w.Plan != plan {
		return false, ""
	}
	for i := range w.Attributes {
		a := &w.Attributes[i]
		if !slices.Contains(a.Values, f.attribute(a.Name)) {
			return false, ""
		}
	}
	if c.calendar != nil {
		return c.calendar.open(f)
	}
	return true, ""
}

// inRegion reports whether a region is the one that is named, or any is.
func (c *condition) inRegion(region string) bool {
	return c.when.Region == "" || c.when.Region == region || c.anywhere() && region != ""
}

// anywhere reports whether every region but the global one is meant.
func (c *condition) anywhere() bool { return c.when.Region == catalogue.Any }

// missing says which condition that is named is not met, for a reason.
func (c *condition) missing(f *facts, plan string) string {
	w := &c.when
	for i := range w.Attributes {
		a := &w.Attributes[i]
		have := f.attribute(a.Name)
		switch {
		case have == "":
			return a.Name + " is not said"
		case !slices.Contains(a.Values, have):
			return a.Name + " " + short(have)
		}
	}
	switch {
	case w.Plan != "" && w.Plan != plan:
		return "plan " + w.Plan
	case w.Calendar != "":
		return "hours outside " + w.Calendar
	}
	return ""
}
