package console

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// billingPages are the pages of what is sold and what is owed.
type billingPages struct {
	Billing
	metering billingMetering
	site     *page.Site
	base     string // what all paths begin with
	org      func(*http.Request) string
	who      func(*http.Request) string // who is signed in, for the log
	now      func() time.Time
	log      *slog.Logger
	once     *onceForms
}

// billingMetering is what the billing pages read of the metering store.
type billingMetering interface {
	Customer(ctx context.Context, org, ref string) (metering.Customer, error)
	Key(ctx context.Context, org, id string) (metering.Key, error)
	Meters(ctx context.Context, org string, limit int, cursor string) ([]metering.Meter, string, error)
	Journals(ctx context.Context) ([]metering.JournalInfo, error)
	StatedCosts(ctx context.Context, q metering.StatedQuery) ([]metering.StatedRow, error)
}

// listed is how many rows a list of the billing pages has.
const listed = 50

// billingNav are the entries of the navigation.
func billingNav(base string) []page.NavItem {
	return []page.NavItem{
		{Path: base + "/products", Label: "Products"},
		{Path: base + "/subscriptions", Label: "Subscriptions"},
		{Path: base + "/invoices", Label: "Invoices"},
		{Path: base + "/margin", Label: "Cost & margin"},
	}
}

// routes are the handlers by pattern, each for who is signed in alone.
func (b *billingPages) routes() map[string]http.HandlerFunc {
	at := func(method, path string) string { return method + " " + b.base + path }
	return map[string]http.HandlerFunc{
		at("GET", "/products"):                                b.showProducts,
		at("POST", "/products"):                               b.createProduct,
		at("GET", "/products/{product}"):                      b.showProduct,
		at("POST", "/products/{product}/prices"):              b.addPrice,
		at("POST", "/products/{product}/rename"):              b.renameProduct,
		at("POST", "/products/{product}/archive"):             b.archiveProduct,
		at("GET", "/subscriptions"):                           b.showSubscriptions,
		at("GET", "/subscriptions/{subscription}"):            b.showSubscription,
		at("POST", "/subscriptions/{subscription}/switch"):    b.switchProduct,
		at("POST", "/subscriptions/{subscription}/end"):       b.endSubscription,
		at("GET", "/customers/{customer}/billing"):            b.showCustomer,
		at("POST", "/customers/{customer}/subscriptions"):     b.subscribe,
		at("POST", "/customers/{customer}/credits"):           b.grant,
		at("POST", "/customers/{customer}/credits/{id}/void"): b.voidGrant,
		at("GET", "/invoices"):                                b.showInvoices,
		at("GET", "/invoices.csv"):                            b.exportInvoices,
		at("POST", "/invoices/settle"):                        b.settle,
		at("GET", "/invoices/{invoice}"):                      b.showInvoice,
		at("GET", "/invoices/{invoice}/lines.csv"):            b.exportLines,
		at("GET", "/invoices/{invoice}/pdf"):                  b.printInvoice,
		at("POST", "/invoices/{invoice}/pay"):                 b.payInvoice,
		at("GET", "/margin"):                                  b.showMargin,
		at("GET", "/margin.csv"):                              b.exportMargin,
	}
}

// form is a form as it comes back: what was typed, and why it was refused.
type form struct {
	Name   string // which of the forms of the page
	Values url.Values
	Fault  string
	Once   string // lets it be sent once
}

// Get is what was typed into a field.
func (f form) Get(name string) string { return f.Values.Get(name) }

// Has reports whether the field was among what was sent with that value.
func (f form) Has(name, value string) bool {
	for _, v := range f.Values[name] {
		if v == value {
			return true
		}
	}
	return false
}

// refused shows a page again with what is wrong with a form of it, where that
// can be mended, and else the page of the error.
func (b *billingPages) refused(w http.ResponseWriter, r *http.Request, name string, err error, show func(form, int)) {
	status := http.StatusConflict
	switch {
	case errors.Is(err, metering.ErrInvalid), errors.Is(err, metering.ErrNotFound):
		status = http.StatusUnprocessableEntity
	case errors.Is(err, metering.ErrConflict):
	default:
		b.site.Fail(w, r, err)
		return
	}
	show(form{Name: name, Values: r.PostForm, Fault: plain(err)}, status)
}

// plain is the text of an error for whoever typed what caused it.
func plain(err error) string {
	text := err.Error()
	doing, rest, _ := strings.Cut(text, ": ")
	verb, _, _ := strings.Cut(doing, " ")
	if rest != "" && slices.Contains([]string{"create", "add", "rename", "archive", "switch", "end", "void", "start", "pay"}, verb) {
		text = rest // whoever sent the form knows what it was for
	}
	for _, sentinel := range []error{metering.ErrInvalid, metering.ErrConflict, metering.ErrNotFound} {
		text = strings.ReplaceAll(text, ": "+sentinel.Error(), "")
	}
	if errors.Is(err, metering.ErrNotFound) {
		text += ": there is none"
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// done leads back to a page after what was asked for has happened; the page
// says what.
func (b *billingPages) done(w http.ResponseWriter, r *http.Request, path, what string) {
	http.Redirect(w, r, b.base+path+"?done="+url.QueryEscape(what), http.StatusSeeOther)
}

// doneText says what has happened.
func doneText(r *http.Request) string {
	return map[string]string{
		"product":    "The product was made.",
		"price":      "The price version was added. What was authorised before it keeps the price that it had.",
		"renamed":    "The product was renamed.",
		"archived":   "The product was archived. Subscriptions to it go on.",
		"subscribed": "The subscription was made and its first period is open.",
		"switched":   "The switch was made. Usage until then keeps its price.",
		"ended":      "The end was set. The last period closes then and is billed.",
		"granted":    "The credit was granted.",
		"voided":     "What was left of the credit was taken back.",
		"succeeded":  "The payment succeeded.",
		"declined":   "The payment was declined. The list of payments says why.",
		"action":     "The customer has to confirm the payment with the provider.",
		"unknown":    "The provider did not answer. Whether the card was charged is being found out; nobody is charged twice.",
		"pending":    "The payment is on record and will be sent.",
		"settled":    "Everything that could be closed or charged now was.",
	}[r.URL.Query().Get("done")]
}

// confirmed wants the box ticked without which what cannot be undone is not
// done.
func confirmed(r *http.Request) error {
	if r.PostFormValue("confirm") != "yes" {
		return invalid("tick the box to confirm: this cannot be undone")
	}
	return nil
}

// parties reads customers, each once.
type parties struct {
	b    *billingPages
	org  string
	have map[string]metering.Customer
}

func (b *billingPages) parties(org string) *parties {
	return &parties{b: b, org: org, have: make(map[string]metering.Customer)}
}

// customer is the customer of an id.
func (p *parties) customer(ctx context.Context, id string) (metering.Customer, error) {
	if c, ok := p.have[id]; ok {
		return c, nil
	}
	c, err := p.b.metering.Customer(ctx, p.org, id)
	if err == nil {
		p.have[id] = c
	}
	return c, err
}

// meters lists the meters that are in use and those that once were, the names
// by id among them.
func (b *billingPages) meters(ctx context.Context, org string) ([]metering.Meter, map[string]string, error) {
	var out []metering.Meter
	names := make(map[string]string)
	for cursor := ""; ; {
		list, next, err := b.metering.Meters(ctx, org, 200, cursor)
		if err != nil {
			return nil, nil, err
		}
		for _, m := range list {
			names[m.ID] = m.Name
			if m.Archived == 0 {
				out = append(out, m)
			}
		}
		if next == "" {
			return out, names, nil
		}
		cursor = next
	}
}

// instant is now, as the store keeps it.
func (b *billingPages) instant() metering.Micros { return metering.MicrosOf(b.now()) }
