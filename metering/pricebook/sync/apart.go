package sync

import (
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// apart decides about an id that the book takes for an SKU and that the feed
// gives prices of its own: "gpt-4o-2024-05-13" costs 5/15 where gpt-4o costs
// 2.5/10. If they are what the SKU costs now, there is nothing to do. If not, the
// id becomes an SKU, with all of its prices or none.
func (c *comparison) apart(t *target, e *entry) {
	if c.follows(t, e) {
		return
	}
	groups := c.groups(t.provider, t.sku, e.rates)
	var changes []Change
	proceed := true
	for _, r := range e.rates {
		if r.From > c.now || r.To != 0 && r.To <= c.now {
			continue
		}
		k := slotOf(&r).of(t.sku)
		now, synced := c.inForce(k)
		change := Change{Provider: r.Provider, SKU: r.SKU, Meter: r.Meter, When: r.When, New: r.Price, Per: perOf(&r), Old: scaledPrice(now, perOf(&r))}
		change.identify(r.From)
		cl := claim{
			rate: &r, now: now, meter: k.meter, group: groups[groupKey(&r, c.now)],
			agree: c.others.agree(&r, e.sku.SKU, e.sku.SKU), other: c.others.against(&r, e.sku.SKU, e.sku.SKU), void: c.void(k, now, synced),
		}
		switch {
		case samePrice(now, &r):
			change.Verdict, change.Reason = Apply, "it keeps what "+t.sku+" cost before"
		case unit(now) == nil && cl.unvouched():
			continue
		default:
			change.Verdict, change.Reason = cl.judge()
		}
		c.decide(&change)
		proceed = proceed && change.Verdict == Apply
		changes = append(changes, change)
	}
	for i := range changes {
		if !proceed && changes[i].Verdict == Apply {
			changes[i].Verdict, changes[i].Reason = Hold, "with the other prices of this id, which would no longer mean "+t.sku
			if approved := c.q.Decided[changes[i].ID] == StateApproved; !approved {
				continue
			}
			c.out.Applied = remove(c.out.Applied, changes[i].ID) // it waits for the others
		}
	}
	if proceed {
		c.split(t, e, changes)
	}
	c.out.Changes = append(c.out.Changes, changes...)
}

func remove(list []string, s string) []string {
	var out []string
	for _, x := range list {
		if x != s {
			out = append(out, x)
		}
	}
	return out
}

// follows reports whether every price of the id is that of the SKU now, changes
// included. What the SKU has no price for does not make another model of it.
func (c *comparison) follows(t *target, e *entry) bool {
	for _, r := range e.rates {
		if r.From > c.now || r.To != 0 && r.To <= c.now {
			continue
		}
		k := slotOf(&r).of(t.sku)
		now := c.applied[k]
		if now == nil {
			now, _ = c.inForce(k)
		}
		if unit(now) != nil && !samePrice(now, &r) {
			return false
		}
	}
	return true
}

// split makes an SKU of the id.
func (c *comparison) split(t *target, e *entry, changes []Change) {
	e.sku.Base = t.sku
	taken := make(map[slot]int)
	for i := range changes {
		taken[slot{changes[i].Provider, changes[i].SKU, "", changes[i].When.Key() + changes[i].Meter}] = i
	}
	for _, r := range e.rates {
		i, ok := taken[slot{r.Provider, r.SKU, "", r.When.Key() + r.Meter}]
		if !ok || r.From > c.now || r.To != 0 && r.To <= c.now {
			continue
		}
		before := catalogue.Rate{Meter: r.Meter, From: c.now} // it was another SKU up to now
		row := c.emit(&r, &before, e.sku, c.others.agree(&r, e.sku.SKU, e.sku.SKU))
		if now, _ := c.inForce(slotOf(&r).of(t.sku)); samePrice(now, &r) {
			row.Status = now.Status
		}
		changes[i].From = row.From
	}
	c.listed[e.sku.Provider+" "+e.sku.SKU] = true
}
