package api

import (
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Credit is prepaid credit of a customer: units of a meter, or money of a
// currency. Issued = used + expired + voided + remaining.
type Credit struct {
	ID         string           `json:"id"`
	CustomerID string           `json:"customer_id"`
	MeterID    string           `json:"meter_id,omitempty"`
	Meter      string           `json:"meter,omitempty"`
	Currency   billing.Currency `json:"currency,omitempty"`
	Issued     metering.Number  `json:"issued"`
	Used       metering.Number  `json:"used"`
	Expired    metering.Number  `json:"expired"`
	Voided     metering.Number  `json:"voided"`
	Remaining  metering.Number  `json:"remaining"`
	Priority   int              `json:"priority"` // lower is used first
	Note       string           `json:"note"`
	ExpiresAt  Instant          `json:"expires_at"`
	CreatedAt  Instant          `json:"created_at"`
}

// Credits are the credits of a customer in the order in which they are used;
// there are too few for pages.
type Credits struct {
	Items []Credit `json:"items"`
}

// maxPriority bounds the priority of credit in either direction.
const maxPriority = 1000

func (l *lookup) showCredit(g billing.Grant) (Credit, error) {
	meter, err := l.meter(g.Meter)
	return Credit{
		ID: g.ID, CustomerID: g.Customer, MeterID: g.Meter, Meter: meter, Currency: g.Currency,
		Issued: g.Issued, Used: g.Used, Expired: g.Expired, Voided: g.Voided, Remaining: g.Remaining(),
		Priority: g.Priority, Note: g.Note, ExpiresAt: Instant(g.Expires), CreatedAt: Instant(g.Created),
	}, err
}

func (s *Server) listCredits(c *call) (answer, error) {
	ref := c.query.text("customer", 512)
	if ref == "" {
		c.query.fault("customer", "is required")
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, ref)
	if err != nil {
		return answer{}, err
	}
	grants, err := s.opts.Billing.Store.Grants(c.Context(), c.org, owner.ID)
	if err != nil {
		return answer{}, fmt.Errorf("list credits: %w", err)
	}
	items, err := each(grants, s.lookup(c).showCredit)
	return answered(Credits{items}, err)
}

func (s *Server) createCredit(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	ref := o.label("customer", 1, 512)
	g := billing.Grant{
		Org: c.org, Priority: int(o.integer("priority", 0, -maxPriority, maxPriority)), Note: o.label("note", 0, 100),
		Expires: o.instant("expires_at"), Created: c.at(),
	}
	if g.Expires != 0 && g.Expires <= c.at() {
		o.fault("expires_at", "is not in the future")
	}
	readIssued(o, &g)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, ref)
	if err != nil {
		return answer{}, err
	}
	g.Customer = owner.ID
	if g.Meter != "" {
		if g.Meter, err = s.meterID(c, g.Meter); err != nil {
			return answer{}, err
		}
	}
	made, err := s.opts.Billing.Store.CreateGrant(c.Context(), g)
	if err != nil {
		return answer{}, fmt.Errorf("create credit: %w", err)
	}
	shown, err := s.lookup(c).showCredit(made)
	if err != nil {
		return answer{}, err
	}
	return created(shown)
}

// readIssued reads what is given: units of a meter, or an amount of a currency.
func readIssued(o *object, g *billing.Grant) {
	units, amount := o.has("units") || o.has("meter"), o.has("amount") || o.has("currency")
	if units == amount {
		o.fault("units", "credit is either units of a meter (units, meter) or money (amount, currency)")
		for _, name := range []string{"units", "meter", "amount", "currency"} {
			o.take(name)
		}
		return
	}
	name, given := "units", false
	if units {
		g.Meter = o.label("meter", 1, 512)
	} else {
		name, g.Currency = "amount", o.currency("currency")
	}
	if g.Issued, given = o.decimal(name); !given || g.Issued.IsZero() {
		o.fault(name, "must be more than nothing")
		return
	}
	decimals, err := g.Currency.Decimals()
	if err != nil {
		return // units; or the currency is at fault already
	}
	if _, whole := billing.MinorOf(g.Issued, decimals); !whole {
		o.fault(name, "must be whole minor units of %s: at most %d decimals", g.Currency, decimals)
	}
}

func (s *Server) voidCredit(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	id := c.PathValue("credit")
	g, err := s.opts.Billing.Store.VoidGrant(c.Context(), c.org, id, c.at())
	if err := found(err, "credit", id); err != nil {
		return answer{}, err
	}
	return answered(s.lookup(c).showCredit(g))
}
