package portal

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// cardPage is the card on file.
type cardPage struct {
	Method   *billing.PaymentMethod // nil: none
	Unpaid   []invoiceRow
	Provider string // the page of the provider's, where a link leads there
	Saved    bool   // a card was just put on file
	Fault    string
}

func (s *Server) showCard(w http.ResponseWriter, r *http.Request) error {
	return s.renderCard(w, r, http.StatusOK, cardPage{Saved: r.URL.Query().Get("saved") != ""})
}

func (s *Server) renderCard(w http.ResponseWriter, r *http.Request, status int, out cardPage) error {
	v := visitorOf(r)
	method, err := s.opts.Bills.Method(r.Context(), v.org, v.customer.ID)
	switch {
	case err == nil:
		out.Method = &method
	case !errors.Is(err, metering.ErrNotFound):
		return fmt.Errorf("card on file: %w", err)
	}
	unpaid, err := s.opts.Bills.Unpaid(r.Context(), v.org, v.customer.ID)
	if err != nil {
		return fmt.Errorf("unpaid invoices: %w", err)
	}
	out.Unpaid = invoiceRows(unpaid)
	s.site.Render(w, r, status, "card", out)
	return nil
}

// setupCard leads to the provider's page where a card is entered.
func (s *Server) setupCard(w http.ResponseWriter, r *http.Request) error {
	origin := s.origin(r)
	link, err := s.opts.Provider.SetupURL(r.Context(), visitorOf(r).customer.ID, origin+Base+"/card/return")
	if err != nil {
		return fmt.Errorf("ask the payment provider for its page: %w", err)
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return fmt.Errorf("the payment provider's page %.100q is no address", link)
	}
	// A form may lead no further than the policy of the page allows.
	if at := u.Scheme + "://" + u.Host; at == origin || slices.Contains(s.opts.CardPages, at) {
		http.Redirect(w, r, link, http.StatusSeeOther)
		return nil
	}
	return s.renderCard(w, r, http.StatusOK, cardPage{Provider: link})
}

// origin is where browsers reach the portal.
func (s *Server) origin(r *http.Request) string {
	if s.opts.URL != "" {
		return s.opts.URL
	}
	if r.TLS != nil || s.opts.Secure {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// saveCard is where the provider's page leads back to: it puts the card on file
// and charges what waited for one, P16. Loaded again, it finds the card on file
// and charges nothing.
func (s *Server) saveCard(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	setup := r.URL.Query().Get("setup")
	m, err := s.opts.Provider.Method(r.Context(), v.customer.ID, setup)
	if setup == "" || errors.Is(err, metering.ErrNotFound) || errors.Is(err, metering.ErrInvalid) {
		return s.renderCard(w, r, http.StatusUnprocessableEntity, cardPage{Fault: "No card was entered. The one on file stays."})
	}
	if err != nil {
		return fmt.Errorf("ask the payment provider for the card: %w", err)
	}
	m.Org, m.Customer, m.Provider, m.Created = v.org, v.customer.ID, s.opts.Provider.Name(), s.at()
	have, err := s.opts.Bills.Method(r.Context(), v.org, v.customer.ID)
	switch {
	case err == nil && have.Provider == m.Provider && have.Token == m.Token:
		http.Redirect(w, r, Base+"/card?saved=yes", http.StatusSeeOther)
		return nil
	case err != nil && !errors.Is(err, metering.ErrNotFound):
		return fmt.Errorf("card on file: %w", err)
	}
	if _, err := s.opts.Bills.SaveMethod(r.Context(), m); err != nil {
		return fmt.Errorf("save the card: %w", err)
	}
	s.payAll(r, v)
	http.Redirect(w, r, Base+"/card?saved=yes", http.StatusSeeOther)
	return nil
}

// payAll charges every invoice that waited for a card. The card is on file
// whatever comes of it: what could not be begun is unpaid still, the page says
// so, and the log why.
func (s *Server) payAll(r *http.Request, v visitor) {
	if s.opts.Pay == nil {
		return
	}
	unpaid, err := s.opts.Bills.Unpaid(r.Context(), v.org, v.customer.ID)
	if err != nil {
		s.opts.Logger.ErrorContext(r.Context(), "invoices that a new card pays", "customer", v.customer.ID, "error", err)
		return
	}
	for _, a := range unpaid {
		if !payable(a) {
			continue
		}
		if err := s.pay(r.Context(), v.org, a); err != nil && !errors.Is(err, metering.ErrConflict) {
			s.opts.Logger.ErrorContext(r.Context(), "charge a new card", "customer", v.customer.ID, "invoice", a.Invoice.Number, "error", err)
		}
	}
}
