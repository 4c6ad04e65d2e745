package console

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// customerBilling is what one customer has, owes and may use.
type customerBilling struct {
	Party         metering.Customer
	Estimate      invoicing.Estimate
	Base          string  // what all paths begin with
	Drafts        []draft // of the open periods so far
	Subscriptions []subscription
	Grants        []grantRow
	Method        *billing.PaymentMethod // nil: no card on file
	Unpaid        []billing.Account      // the oldest first
	Owing         []billing.Money        // by currency
	More          bool                   // there are invoices beyond those that were read
	Products      []billing.Product
	Meters        []metering.Meter
	Currencies    []billing.Currency
	Done          string
	Form          form
}

// draft is the invoice of an open period so far.
type draft struct {
	invoiceLines
	Product, Span string
}

// SpanText writes a span in UTC.
func (c *customerBilling) SpanText(s period.Span) string { return spanText(s, "UTC") }

// Zones are those that the form offers first; any other can be typed.
func (c *customerBilling) Zones() []string {
	return []string{"UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Los_Angeles", "Asia/Kolkata", "Asia/Tokyo", "Australia/Sydney"}
}

// Voidable are the grants with something left.
func (c *customerBilling) Voidable() []grantRow {
	var out []grantRow
	for _, g := range c.Grants {
		if g.Remaining().Compare(metering.Number{}) > 0 {
			out = append(out, g)
		}
	}
	return out
}

// UnpaidRows are the unpaid invoices as lists show them.
func (c *customerBilling) UnpaidRows() []invoiceRow {
	rows := make([]invoiceRow, 0, len(c.Unpaid))
	for _, a := range c.Unpaid {
		rows = append(rows, invoiceRow{Account: a, Kind: invoiceKind(a.State)})
	}
	return rows
}

// drafts names the product of each estimate.
func (c *customerBilling) drafts() {
	for _, v := range c.Estimate.Invoices {
		d := draft{invoiceLines: invoiceLines{Invoice: v, Base: c.Base, Estimate: true}, Span: spanText(v.Period, v.Zone)}
		for _, s := range c.Subscriptions {
			if s.ID == v.Subscription {
				d.Product = s.Current.Name
			}
		}
		c.Drafts = append(c.Drafts, d)
	}
}

// grantRow is credit as pages show it.
type grantRow struct {
	billing.Grant
	Order int    // in which it is used, from 1; 0: nothing is left
	Unit  string // currency, or name of the meter
	State string
	Kind  string // of the badge
}

// In writes an amount of the grant with the decimals of its currency.
func (g grantRow) In(n metering.Number) string {
	if decimals, err := g.Currency.Decimals(); err == nil {
		if minor, ok := billing.MinorOf(n, decimals); ok {
			return billing.Money{Minor: minor, Currency: g.Currency}.Decimal()
		}
	}
	return n.String()
}

// unpaidWithin is how many of the newest invoices of a customer are looked at
// for what is owed.
const unpaidWithin = 200

// customer reads what the billing of a customer is.
func (b *billingPages) customer(ctx context.Context, org string, c metering.Customer) (*customerBilling, error) {
	out := &customerBilling{Party: c, Base: b.base, Currencies: currencies()}
	var err error
	if out.Estimate, err = b.Biller.Estimate(ctx, org, c.ID, b.instant()); err != nil {
		return nil, fmt.Errorf("estimate: %w", err)
	}
	if err := b.ownSubscriptions(ctx, org, out); err != nil {
		return nil, err
	}
	out.drafts()
	var names map[string]string
	if out.Meters, names, err = b.meters(ctx, org); err != nil {
		return nil, err
	}
	grants, err := b.Store.Grants(ctx, org, c.ID)
	if err != nil {
		return nil, fmt.Errorf("credit: %w", err)
	}
	out.Grants = grantRows(grants, names, b.instant())
	method, err := b.Store.Method(ctx, org, c.ID)
	if err != nil && !errors.Is(err, metering.ErrNotFound) {
		return nil, fmt.Errorf("card on file: %w", err)
	}
	if err == nil {
		out.Method = &method
	}
	invoices, next, err := b.Store.Invoices(ctx, org, c.ID, unpaidWithin, "")
	if err != nil {
		return nil, fmt.Errorf("invoices: %w", err)
	}
	out.More = next != ""
	out.owing(invoices)
	return out, nil
}

func (b *billingPages) ownSubscriptions(ctx context.Context, org string, out *customerBilling) error {
	for cursor := ""; ; {
		list, next, err := b.Store.Subscriptions(ctx, org, out.Party.ID, 200, cursor)
		if err != nil {
			return fmt.Errorf("subscriptions: %w", err)
		}
		rows, err := b.subscriptionsOf(ctx, org, list)
		if err != nil {
			return err
		}
		out.Subscriptions = append(out.Subscriptions, rows...)
		if next == "" {
			return nil
		}
		cursor = next
	}
}

// owing picks what is not paid, the oldest first.
func (c *customerBilling) owing(newest []billing.Account) {
	var due purse
	for i := len(newest) - 1; i >= 0; i-- {
		if a := newest[i]; a.Due.Minor > 0 {
			c.Unpaid = append(c.Unpaid, a)
			due.add(a.Due)
		}
	}
	c.Owing = due.amounts()
}

// grantRows says where each grant is in its life.
func grantRows(grants []billing.Grant, names map[string]string, now metering.Micros) []grantRow {
	out, order := make([]grantRow, 0, len(grants)), 0
	for _, g := range grants {
		row := grantRow{Grant: g, Unit: string(g.Currency), State: "usable", Kind: "ok"}
		if g.Meter != "" {
			row.Unit = names[g.Meter]
		}
		none := metering.Number{}
		switch left := g.Remaining().Compare(none) > 0; {
		case left && g.Expires != 0 && g.Expires <= now:
			row.State, row.Kind = "expired, covers usage from before", "warn"
		case left:
			order++
			row.Order = order
		case g.Voided.Compare(none) > 0:
			row.State, row.Kind = "voided", "plain"
		case g.Expired.Compare(none) > 0:
			row.State, row.Kind = "expired", "plain"
		default:
			row.State, row.Kind = "used up", "plain"
		}
		out = append(out, row)
	}
	return out
}

// party is the customer of the path.
func (b *billingPages) party(r *http.Request) (metering.Customer, error) {
	return b.metering.Customer(r.Context(), b.org(r), r.PathValue("customer"))
}

func (b *billingPages) showCustomer(w http.ResponseWriter, r *http.Request) {
	b.renderCustomer(w, r, form{}, http.StatusOK)
}

func (b *billingPages) renderCustomer(w http.ResponseWriter, r *http.Request, f form, status int) {
	c, err := b.party(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data, err := b.customer(r.Context(), b.org(r), c)
	if err == nil {
		data.Products, err = b.offered(r)
	}
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data.Done, data.Form = doneText(r), f
	data.Form.Once = b.once.mint()
	b.site.Render(w, r, status, "billing-customer", data)
}

// changeCustomer does something for the customer of the path and leads back to
// the billing of it.
func (b *billingPages) changeCustomer(w http.ResponseWriter, r *http.Request, name, done string, do func(metering.Customer) error) {
	c, err := b.party(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	if err := do(c); err != nil {
		b.refused(w, r, name, err, func(f form, status int) { b.renderCustomer(w, r, f, status) })
		return
	}
	b.done(w, r, "/customers/"+c.ID+"/billing", done)
}

func (b *billingPages) subscribe(w http.ResponseWriter, r *http.Request) {
	b.changeCustomer(w, r, "subscribe", "subscribed", func(c metering.Customer) error {
		s, err := b.subscriptionForm(r, c)
		if err != nil {
			return err
		}
		_, err = b.Store.CreateSubscription(r.Context(), s)
		return err
	})
}

func (b *billingPages) grant(w http.ResponseWriter, r *http.Request) {
	b.changeCustomer(w, r, "grant", "granted", func(c metering.Customer) error {
		g, err := b.grantForm(r, c)
		if err != nil {
			return err
		}
		name := r.PostFormValue("once")
		if !b.once.claim(name) {
			return nil // the same form again: the credit was given
		}
		if g, err = b.Store.CreateGrant(r.Context(), g); err != nil {
			b.once.release(name)
			return err
		}
		b.log.InfoContext(r.Context(), "credit granted", "grant", g.ID, "customer", c.ID, "by", b.who(r), "reason", g.Note)
		return nil
	})
}

// maxReason is how long a reason may be.
const maxReason = 500

// reasonField reads why credit is given or taken.
func reasonField(r *http.Request, name string) (string, error) {
	text := strings.Join(strings.Fields(r.PostFormValue(name)), " ")
	switch {
	case text == "":
		return "", invalid("say why: whoever reads the balance later wants to know")
	case len(text) > maxReason:
		return "", invalid("the reason is longer than %d bytes", maxReason)
	}
	return text, nil
}

// grantForm reads credit: money of a currency, or units of a meter.
func (b *billingPages) grantForm(r *http.Request, c metering.Customer) (billing.Grant, error) {
	g := billing.Grant{Org: b.org(r), Customer: c.ID, Created: b.instant()}
	var err error
	if g.Issued, err = numberField(r, "amount"); err != nil {
		return g, err
	}
	kind, unit, ok := strings.Cut(r.PostFormValue("unit"), ":")
	switch {
	case ok && kind == "money":
		g.Currency = billing.Currency(unit)
	case ok && kind == "meter":
		g.Meter = unit
	default:
		return g, invalid("choose what the credit is in")
	}
	if g.Note, err = reasonField(r, "note"); err != nil {
		return g, err
	}
	priority, err := wholeField(r, "priority", 0)
	if err != nil {
		return g, err
	}
	if priority < 0 || priority > 1_000_000 {
		return g, invalid("a priority is 0 to 1,000,000")
	}
	g.Priority = int(priority)
	zone, err := zoneOf("")
	if err != nil {
		return g, err
	}
	g.Expires, err = instantField(r, "expires", zone)
	return g, err
}

func (b *billingPages) voidGrant(w http.ResponseWriter, r *http.Request) {
	b.changeCustomer(w, r, "void", "voided", func(c metering.Customer) error {
		if err := confirmed(r); err != nil {
			return err
		}
		reason, err := reasonField(r, "reason")
		if err != nil {
			return err
		}
		id, err := b.ownGrant(r, c)
		if err != nil {
			return err
		}
		if _, err := b.Store.VoidGrant(r.Context(), b.org(r), id, b.instant()); err != nil {
			return err
		}
		b.log.InfoContext(r.Context(), "credit voided", "grant", id, "customer", c.ID, "by", b.who(r), "reason", reason)
		return nil
	})
}

// ownGrant is the id of a grant that is this customer's.
func (b *billingPages) ownGrant(r *http.Request, c metering.Customer) (string, error) {
	grants, err := b.Store.Grants(r.Context(), b.org(r), c.ID)
	if err != nil {
		return "", err
	}
	for _, g := range grants {
		if g.ID == r.PathValue("id") {
			return g.ID, nil
		}
	}
	return "", fmt.Errorf("credit %.60q of this customer: %w", r.PathValue("id"), metering.ErrNotFound)
}
