package pricebook

import (
	"cmp"
	"time"

	"github.com/weirhq/weir/metering"
)

// bands charges a quantity at the rates of a slot: one for all of it, one for
// each part of it, or, where it is not known how much was used before, the
// dearest.
func (c *charge) bands(item string, n metering.Number, best *choice, f *facts) string {
	s := best.slot
	if n.Units < 0 || n.Units > maxQuantity {
		return "usage: " + item + " is out of range"
	}
	if len(s.bands) == 1 && s.bands[0].from == 0 {
		return c.at(item, n, best.first, best, f)
	}
	var before metering.Number
	if s.pool != nil {
		known, window := false, s.window(f.at)
		if c.pools != nil {
			c.pools(Use{Pool: s.pool.Pool, Window: window, Until: s.windowEnd(window), Units: best.first.charged(n)})
		}
		if c.used != nil {
			before, known = c.used(s.pool.Pool, window)
		}
		if !known {
			return c.dearest(item, n, best, f)
		}
	}
	end := before.Add(n)
	for i, b := range s.bands {
		from, to := maxNumber(before, metering.NumberOf(b.from)), end
		if i+1 < len(s.bands) {
			to = minNumber(end, metering.NumberOf(s.bands[i+1].from))
		}
		if i == 0 && before.Compare(from) < 0 {
			return "meter: " + item
		}
		if from.Compare(to) >= 0 {
			continue
		}
		r := b.pick(f.at)
		if r == nil || r.row.Price == nil {
			return "meter: " + item
		}
		if reason := c.at(item, to.Sub(from), r, best, f); reason != "" {
			return reason
		}
	}
	return ""
}

// maxQuantity bounds what one event can use of anything but tokens and of tokens
// alike; more is absurd.
const maxQuantity = 1_000_000_000_000_000

// dearest charges the band of a volume that costs most.
func (c *charge) dearest(item string, n metering.Number, best *choice, f *facts) string {
	var top *rate
	var most metering.Cost
	for _, b := range best.slot.bands {
		r := b.pick(f.at)
		if r == nil || r.row.Price == nil {
			return "meter: " + item
		}
		amount, ok := r.amount(n, best.mods)
		if !ok {
			return "usage: " + item + " is out of range"
		}
		if top == nil || amount.Micros > most.Micros || amount.Micros == most.Micros && amount.Picos > most.Picos {
			top, most = r, amount
		}
	}
	c.doubt = cmp.Or(c.doubt, "volume: how much of "+best.slot.pool.Pool+" was used before in its "+best.slot.pool.Window+" is not known yet")
	return c.at(item, n, top, best, f)
}

// at charges a quantity at one rate.
func (c *charge) at(item string, n metering.Number, r *rate, best *choice, f *facts) string {
	c.doubt = cmp.Or(c.doubt, r.doubt(f))
	if !c.add(item, r.charged(n), r, best.mods) {
		return "usage: " + item + " is out of range"
	}
	return ""
}

// window is the instant at which the pool's window that holds one began.
func (s *slot) window(at metering.Micros) metering.Micros {
	t := at.Time().In(s.zone)
	day := t.Day()
	if s.pool.Window == "month" {
		day = 1
	}
	return metering.MicrosOf(time.Date(t.Year(), t.Month(), day, 0, 0, 0, 0, s.zone))
}

// windowEnd is when a window that began at an instant ends.
func (s *slot) windowEnd(from metering.Micros) metering.Micros {
	t := from.Time().In(s.zone)
	if s.pool.Window == "month" {
		return metering.MicrosOf(t.AddDate(0, 1, 0))
	}
	return metering.MicrosOf(t.AddDate(0, 0, 1))
}

// Use is what one event took from a pool, such as a free allowance.
type Use struct {
	Pool   string
	Window metering.Micros // the instant at which its window began
	Until  metering.Micros // the instant at which it ends, exclusive
	Units  metering.Number
}

// Uses are the pools that the event took from. An event that took from none is
// priced alike at all positions.
func (b *Book) Uses(e *metering.Event) []Use {
	var out []Use
	c := charge{book: b, event: e, pools: func(u Use) { out = append(out, u) }}
	c.run(func(*step) {})
	return out
}

func maxNumber(a, b metering.Number) metering.Number {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

func minNumber(a, b metering.Number) metering.Number {
	if a.Compare(b) > 0 {
		return b
	}
	return a
}
