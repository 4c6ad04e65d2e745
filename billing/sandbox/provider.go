package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Options are what a [Provider] works with. Path and BaseURL are required.
type Options struct {
	Path    string           // of the file that it remembers in
	BaseURL string           // of the server that Handler is mounted on, without a slash at its end
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: nothing is logged
}

// Provider is the payment provider. Its methods are safe for concurrent use.
type Provider struct {
	opts Options

	mu     sync.Mutex
	memory *memory
}

var _ billing.Provider = (*Provider)(nil)

// New opens the provider with what it remembers.
func New(o Options) (*Provider, error) {
	if o.Path == "" || o.BaseURL == "" {
		return nil, errors.New("the sandbox's payment provider needs a file and a base URL")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	m, err := openMemory(o.Path)
	if err != nil {
		return nil, err
	}
	return &Provider{opts: o, memory: m}, nil
}

// Close gives the file back.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.memory.file.Close(); err != nil {
		return fmt.Errorf("close the memory of the payment provider: %w", err)
	}
	return nil
}

// Name is "sandbox".
func (p *Provider) Name() string { return "sandbox" }

// Minimum is half a unit of the currency, and fifty of one without decimals: as
// much as card schemes usually ask for.
func (p *Provider) Minimum(c billing.Currency) int64 {
	decimals, err := c.Decimals()
	if err != nil || decimals == 0 {
		return 50
	}
	minimum := int64(5)
	for range decimals - 1 {
		minimum *= 10
	}
	return minimum
}

// SetupURL is the page where the customer enters a card. returnURL is a path, or
// an address of the server that the page is on.
func (p *Provider) SetupURL(_ context.Context, customer, returnURL string) (string, error) {
	if err := p.sameOrigin(returnURL); err != nil {
		return "", err
	}
	s := &setup{ID: rand.Text(), Customer: customer, Return: returnURL, Secret: rand.Text()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.memory.keep(record{Setup: s}); err != nil {
		return "", err
	}
	return p.opts.BaseURL + Prefix + "setup/" + s.ID, nil
}

// sameOrigin refuses to send a customer anywhere else.
func (p *Provider) sameOrigin(address string) error {
	u, err := url.Parse(address)
	base, err2 := url.Parse(p.opts.BaseURL)
	switch {
	case err != nil || err2 != nil || strings.Contains(address, `\`) || strings.HasPrefix(address, "//"):
		return fmt.Errorf("return URL %.200q cannot be read: %w", address, metering.ErrInvalid)
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return nil
	case u.Scheme == base.Scheme && u.Host == base.Host && u.User == nil:
		return nil
	default:
		return fmt.Errorf("return URL %.200q is not on %s: %w", address, p.opts.BaseURL, metering.ErrInvalid)
	}
}

// Method returns the card that a customer has entered.
func (p *Provider) Method(_ context.Context, customer, id string) (billing.PaymentMethod, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.memory.setups[id]
	if s == nil || s.Customer != customer || s.Card == nil {
		return billing.PaymentMethod{}, fmt.Errorf("card setup: %w", metering.ErrNotFound)
	}
	return p.method(*s.Card), nil
}

func (p *Provider) method(c card) billing.PaymentMethod {
	return billing.PaymentMethod{Customer: c.Customer, Provider: p.Name(), Token: c.Token, Label: c.label(), Created: metering.MicrosOf(p.opts.Now())}
}

// SetupDirect enters a card of the list without a browser; it is good for three
// years.
func (p *Provider) SetupDirect(customer, number string) (billing.PaymentMethod, error) {
	expires := p.opts.Now().AddDate(3, 0, 0).Format("01/06")
	s := &setup{ID: rand.Text(), Customer: customer, Secret: rand.Text()}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(s, number, expires, "123"); err != nil {
		return billing.PaymentMethod{}, err
	}
	return p.method(*p.memory.setups[s.ID].Card), nil
}

// enter keeps a card.
func (p *Provider) enter(s *setup, number, expires, code string) error {
	number, b, err := readNumber(number)
	if err != nil {
		return err
	}
	if expires, err = readExpiry(expires, p.opts.Now()); err != nil {
		return err
	}
	if err := readCode(code); err != nil {
		return err
	}
	with := *s
	with.Card = &card{Token: "card_" + rand.Text(), Customer: s.Customer, Last4: number[len(number)-4:], Expires: expires, Behaviour: b}
	return p.memory.keep(record{Setup: &with})
}

// Charge takes an amount, once per key.
func (p *Provider) Charge(_ context.Context, c billing.Charge) (billing.ChargeResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.Key == "" {
		return billing.ChargeResult{}, fmt.Errorf("a charge without an idempotency key: %w", metering.ErrInvalid)
	}
	if have := p.memory.charges[c.Key]; have != nil {
		if have.Charge != c {
			return billing.ChargeResult{}, fmt.Errorf("another charge was made under this key: %w", metering.ErrInvalid)
		}
		return p.result(have), nil
	}
	on, ok := p.memory.cards[c.Method]
	if !ok || on.Customer != c.Customer {
		return billing.ChargeResult{}, fmt.Errorf("the customer has no such card: %w", metering.ErrInvalid)
	}
	if c.Amount.Minor < p.Minimum(c.Amount.Currency) {
		return billing.ChargeResult{}, fmt.Errorf("%s is less than can be charged: %w", c.Amount, metering.ErrInvalid)
	}
	if on.Behaviour == lost && !p.memory.lost[c.Key] {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, p.memory.keep(record{Lost: c.Key}))
	}
	made := &charge{Charge: c, Reference: "ch_" + rand.Text(), State: billing.PaymentSucceeded, At: metering.MicrosOf(p.opts.Now())}
	switch on.Behaviour {
	case declined:
		made.State, made.Reason = billing.PaymentDeclined, "the card was declined"
	case poor:
		made.State, made.Reason = billing.PaymentDeclined, "insufficient funds"
	case confirmed:
		made.State = billing.PaymentAction
	case succeeds, replyLost, lost:
	}
	if err := p.memory.keep(record{Charge: made}); err != nil {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, err)
	}
	p.opts.Logger.Info("charged", "key", c.Key, "amount", c.Amount.String(), "state", made.State)
	if on.Behaviour == replyLost {
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	return p.result(made), nil
}

// Find returns what became of the charge of a key.
func (p *Provider) Find(_ context.Context, key string) (billing.ChargeResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.memory.charges[key]
	if c == nil {
		return billing.ChargeResult{}, fmt.Errorf("charge: %w", metering.ErrNotFound)
	}
	return p.result(c), nil
}

func (p *Provider) result(c *charge) billing.ChargeResult {
	r := billing.ChargeResult{State: c.State, Reference: c.Reference, Reason: c.Reason}
	if c.State == billing.PaymentAction {
		r.ActionURL = p.opts.BaseURL + Prefix + "confirm/" + c.Reference
	}
	return r
}

// settle ends a charge that waits for its customer. One that has ended stays.
func (p *Provider) settle(reference string, accept bool) (*charge, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.memory.charges {
		if c.Reference != reference {
			continue
		}
		if c.State != billing.PaymentAction {
			return c, nil
		}
		ended := *c
		ended.State = billing.PaymentSucceeded
		if !accept {
			ended.State, ended.Reason = billing.PaymentDeclined, "the customer refused it"
		}
		if err := p.memory.keep(record{Charge: &ended}); err != nil {
			return c, err
		}
		return &ended, nil
	}
	return nil, fmt.Errorf("charge: %w", metering.ErrNotFound)
}
