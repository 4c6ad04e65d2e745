package api

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Card is the card on file of a customer, as the provider describes it.
type Card struct {
	ID         string  `json:"id"`
	CustomerID string  `json:"customer_id"`
	Provider   string  `json:"provider"`
	Label      string  `json:"label"` // "Visa ending in 4242, 12/30"
	CreatedAt  Instant `json:"created_at"`
}

// CardSetup is the provider's page where a customer enters a card. It sends the
// customer back with ?setup=ID appended.
type CardSetup struct {
	URL string `json:"url"`
}

func showCard(m billing.PaymentMethod) Card {
	return Card{m.ID, m.Customer, m.Provider, m.Label, Instant(m.Created)}
}

func noProvider() error {
	return problem(CodeAbsent, "no payment provider is configured, so nothing is charged here")
}

func noCard(external string) error {
	return problem(CodeNoCard, fmt.Sprintf("customer %q has no card on file: `weir customer card %s --new` prints the page where one is entered", external, external))
}

func (s *Server) showCard(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	m, err := s.opts.Billing.Store.Method(c.Context(), c.org, owner.ID)
	if errors.Is(err, metering.ErrNotFound) {
		return answer{}, noCard(owner.ExternalID)
	}
	if err != nil {
		return answer{}, fmt.Errorf("card on file: %w", err)
	}
	return ok(showCard(m))
}

// saveCard puts on file what the customer has set up with the provider, and
// charges what was waiting for a card.
func (s *Server) saveCard(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	setup := o.label("setup", 1, 500)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	if s.opts.Billing.Payments == nil {
		return answer{}, noProvider()
	}
	m, err := s.opts.Billing.Payments.Method(c.Context(), owner.ID, setup)
	if err := found(err, "setup of this customer", setup); err != nil {
		return answer{}, err
	}
	m.Org, m.Customer, m.Provider, m.Created = c.org, owner.ID, s.opts.Billing.Payments.Name(), c.at()
	saved, err := s.opts.Billing.Store.SaveMethod(c.Context(), m)
	if err != nil {
		return answer{}, fmt.Errorf("save card: %w", err)
	}
	// Made again after an error, the request finds the card on file and goes on
	// here.
	if err := s.opts.Billing.Worker.PayAll(c.Context(), c.org, owner.ID); err != nil {
		return answer{}, fmt.Errorf("charge a new card: %w", err)
	}
	return ok(showCard(saved))
}

func (s *Server) setupCard(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	back := o.page("return_url")
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	if s.opts.Billing.Payments == nil {
		return answer{}, noProvider()
	}
	page, err := s.opts.Billing.Payments.SetupURL(c.Context(), owner.ID, back)
	if err != nil {
		return answer{}, fmt.Errorf("ask the payment provider for its page: %w", err)
	}
	return ok(CardSetup{page})
}
