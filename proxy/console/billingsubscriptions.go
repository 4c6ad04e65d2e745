package console

import (
	"fmt"
	"net/http"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// subscriptionsPage lists subscriptions.
type subscriptionsPage struct {
	Subscriptions []subscription
	Pager         page.Pager
}

func (b *billingPages) showSubscriptions(w http.ResponseWriter, r *http.Request) {
	list, next, err := b.Store.Subscriptions(r.Context(), b.org(r), "", listed, r.URL.Query().Get("cursor"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	var data subscriptionsPage
	if data.Subscriptions, err = b.subscriptionsOf(r.Context(), b.org(r), list); err == nil {
		data.Pager, err = b.pager(r, next)
	}
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	b.site.Render(w, r, http.StatusOK, "billing-subscriptions", data)
}

// subscriptionPage is one subscription and what can be done with it.
type subscriptionPage struct {
	subscription
	Products []billing.Product // that it can be switched to
	Numbers  map[string]string // of invoices, by id
	Done     string
	Form     form
}

func (b *billingPages) showSubscription(w http.ResponseWriter, r *http.Request) {
	b.renderSubscription(w, r, form{}, http.StatusOK)
}

func (b *billingPages) renderSubscription(w http.ResponseWriter, r *http.Request, f form, status int) {
	data, err := b.subscriptionPage(r)
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	data.Form = f
	b.site.Render(w, r, status, "billing-subscription", data)
}

func (b *billingPages) subscriptionPage(r *http.Request) (subscriptionPage, error) {
	ctx, org := r.Context(), b.org(r)
	data := subscriptionPage{Done: doneText(r), Numbers: make(map[string]string)}
	s, err := b.Store.Subscription(ctx, org, r.PathValue("subscription"))
	if err != nil {
		return data, err
	}
	list, err := b.subscriptionsOf(ctx, org, []billing.Subscription{s})
	if err != nil {
		return data, err
	}
	data.subscription = list[0]
	for _, p := range data.Periods[:min(len(data.Periods), listed)] {
		if p.Invoice == "" {
			continue
		}
		acc, err := b.Store.Invoice(ctx, org, p.Invoice)
		if err != nil {
			return data, fmt.Errorf("invoice of period %d: %w", p.Index, err)
		}
		data.Numbers[p.Invoice] = acc.Invoice.Number
	}
	products, err := b.offered(r)
	for _, p := range products {
		if p.ID != data.Current.ID && p.Months == s.Anchor.Months {
			data.Products = append(data.Products, p)
		}
	}
	return data, err
}

// offered are the products that can be subscribed to.
func (b *billingPages) offered(r *http.Request) ([]billing.Product, error) {
	var out []billing.Product
	for cursor := ""; ; {
		list, next, err := b.Store.Products(r.Context(), b.org(r), 200, cursor)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			if p.Archived == 0 && len(p.Prices) > 0 {
				out = append(out, p)
			}
		}
		if next == "" {
			return out, nil
		}
		cursor = next
	}
}

// changeSubscription does something with the subscription of the path and leads
// back to its page.
func (b *billingPages) changeSubscription(w http.ResponseWriter, r *http.Request, name, done string, do func(billing.Subscription) error) {
	s, err := b.Store.Subscription(r.Context(), b.org(r), r.PathValue("subscription"))
	if err != nil {
		b.site.Fail(w, r, err)
		return
	}
	if err := do(s); err != nil {
		b.refused(w, r, name, err, func(f form, status int) { b.renderSubscription(w, r, f, status) })
		return
	}
	b.done(w, r, "/subscriptions/"+s.ID, done)
}

func (b *billingPages) switchProduct(w http.ResponseWriter, r *http.Request) {
	b.changeSubscription(w, r, "switch", "switched", func(s billing.Subscription) error {
		p, err := b.Store.Product(r.Context(), b.org(r), r.PostFormValue("product"))
		if err != nil {
			return err
		}
		at, err := b.when(r, s)
		if err != nil {
			return err
		}
		_, err = b.Store.SwitchProduct(r.Context(), b.org(r), s.ID, billing.Phase{From: at, Product: p.ID}, b.instant())
		return err
	})
}

func (b *billingPages) endSubscription(w http.ResponseWriter, r *http.Request) {
	b.changeSubscription(w, r, "end", "ended", func(s billing.Subscription) error {
		if err := confirmed(r); err != nil {
			return err
		}
		at, err := b.when(r, s)
		if err != nil {
			return err
		}
		_, err = b.Store.EndSubscription(r.Context(), b.org(r), s.ID, at, b.instant())
		return err
	})
}

// when reads from when on a change holds: zero is at once.
func (b *billingPages) when(r *http.Request, s billing.Subscription) (metering.Micros, error) {
	switch r.PostFormValue("when") {
	case "now":
		return 0, nil
	case "period":
		periods, err := b.Store.Periods(r.Context(), b.org(r), s.ID)
		if err != nil {
			return 0, err
		}
		now := b.instant()
		for _, p := range periods {
			if p.State == billing.PeriodOpen && p.End > now {
				return p.End, nil
			}
		}
		return 0, invalid("the subscription has no open period that ends later")
	case "date":
		at, err := instantField(r, "at", s.Anchor.Zone)
		if err == nil && at == 0 {
			err = invalid("choose the date")
		}
		return at, err
	default:
		return 0, invalid("choose when")
	}
}
