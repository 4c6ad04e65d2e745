package sandbox

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

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
	m, cut, err := openMemory(o.Path)
	if err != nil {
		return nil, err
	}
	if cut > 0 {
		o.Logger.Warn("the last line of the payment provider's memory was unfinished and has been cut off", "path", o.Path, "bytes", cut)
	}
	return &Provider{opts: o, memory: m}, nil
}

// Close gives the file back. What is asked of the provider from then on is
// answered with an error.
func (p *Provider) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.memory.close(); err != nil {
		return fmt.Errorf("close the memory of the payment provider: %w", err)
	}
	return nil
}

// Name is "sandbox".
func (p *Provider) Name() string { return "sandbox" }

// SetupURL is the page where the customer enters a card. returnURL is a path, or
// an address of the server that the page is on.
func (p *Provider) SetupURL(_ context.Context, customer, returnURL string) (string, error) {
	if err := checkTexts(customer); err != nil {
		return "", fmt.Errorf("set up a card: %w", err)
	}
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

// sameOrigin refuses to send a customer anywhere else. The names of this machine
// are one server where the port is the same: which of them a person has typed is
// chance.
func (p *Provider) sameOrigin(address string) error {
	u, err := url.Parse(address)
	base, err2 := url.Parse(p.opts.BaseURL)
	switch {
	case err != nil || err2 != nil || strings.Contains(address, `\`) || strings.HasPrefix(address, "//") || len(address) > maxReturn:
		return fmt.Errorf("return URL %.200q cannot be read: %w", address, metering.ErrInvalid)
	case u.Scheme == "" && u.Host == "" && strings.HasPrefix(u.Path, "/"):
		return nil
	case u.Scheme == base.Scheme && u.User == nil && u.Opaque == "" && server(u) == server(base):
		return nil
	default:
		return fmt.Errorf("return URL %.200q is not on %s: %w", address, p.opts.BaseURL, metering.ErrInvalid)
	}
}

// server is host and port, with one name for this machine.
func server(u *url.URL) string {
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		host = "localhost"
	}
	if port == "" && u.Scheme == "https" {
		port = "443"
	} else if port == "" {
		port = "80"
	}
	return net.JoinHostPort(host, port)
}

const (
	maxReturn = 2000 // bytes of a return URL
	maxText   = 500  // bytes of anything else that is kept
)

// checkTexts refuses what the file could not give back as it was given: JSON has
// no bytes that are no text.
func checkTexts(texts ...string) error {
	for _, s := range texts {
		if s == "" || len(s) > maxText || !utf8.ValidString(s) {
			return fmt.Errorf("%.40q is not 1 to %d bytes of text: %w", s, maxText, metering.ErrInvalid)
		}
	}
	return nil
}

// Method returns the card that a customer has entered.
func (p *Provider) Method(_ context.Context, customer, id string) (billing.PaymentMethod, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.memory.err != nil {
		return billing.PaymentMethod{}, fmt.Errorf("card setup: %w", p.memory.err)
	}
	s := p.memory.setups[id]
	if s == nil || s.Customer != customer || s.Card == nil {
		return billing.PaymentMethod{}, fmt.Errorf("card setup: %w", metering.ErrNotFound)
	}
	return p.method(*s.Card), nil
}

func (p *Provider) method(c card) billing.PaymentMethod {
	return billing.PaymentMethod{Customer: c.Customer, Provider: p.Name(), Token: c.Token, Label: c.label(), Created: c.At}
}

// SetupDirect enters a card of the list without a browser; it is good for three
// years.
func (p *Provider) SetupDirect(customer, number string) (billing.PaymentMethod, error) {
	if err := checkTexts(customer); err != nil {
		return billing.PaymentMethod{}, fmt.Errorf("set up a card: %w", err)
	}
	entered, faults := readCard(number, p.opts.Now().AddDate(3, 0, 0).Format("01/06"), "123", p.opts.Now())
	if len(faults) > 0 {
		return billing.PaymentMethod{}, fmt.Errorf("set up a card: %s: %w", faults[fieldNumber], metering.ErrInvalid)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &setup{ID: rand.Text(), Customer: customer, Secret: rand.Text()}
	if err := p.enter(s, entered); err != nil {
		return billing.PaymentMethod{}, err
	}
	return p.method(*p.memory.setups[s.ID].Card), nil
}

// enter keeps a card. The first that is entered for a setup stays. The caller
// holds mu.
func (p *Provider) enter(s *setup, c card) error {
	if have := p.memory.setups[s.ID]; have != nil && have.Card != nil {
		return nil
	}
	with := *s
	c.Token, c.Customer, c.At = "card_"+rand.Text(), s.Customer, metering.MicrosOf(p.opts.Now())
	with.Card = &c
	return p.memory.keep(record{Setup: &with})
}

// Charge takes an amount, once per key. What is refused leaves no trace.
func (p *Provider) Charge(ctx context.Context, c billing.Charge) (billing.ChargeResult, error) {
	if err := checkCharge(c); err != nil {
		return billing.ChargeResult{}, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.memory.err != nil {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, p.memory.err)
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
	if err := ctx.Err(); err != nil {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, err)
	}
	if on.Behaviour == lost && !p.memory.lost[c.Key] {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, p.memory.keep(record{Lost: c.Key}))
	}
	made := p.charge(c, on.Behaviour)
	if err := p.memory.keep(record{Charge: made}); err != nil {
		return billing.ChargeResult{}, errors.Join(billing.ErrChargeUnknown, err)
	}
	p.opts.Logger.Info("charged", "key", c.Key, "amount", c.Amount.String(), "state", made.State)
	if on.Behaviour == replyLost {
		return billing.ChargeResult{}, billing.ErrChargeUnknown
	}
	return p.result(made), nil
}

func checkCharge(c billing.Charge) error {
	if c.Key == "" {
		return fmt.Errorf("a charge without an idempotency key: %w", metering.ErrInvalid)
	}
	if _, err := c.Amount.Currency.Decimals(); err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	// Of all texts only the description may be missing.
	if err := checkTexts(c.Key, c.Customer, c.Method, cmp.Or(c.Description, "none")); err != nil {
		return fmt.Errorf("charge: %w", err)
	}
	return nil
}

// charge decides what becomes of a charge.
func (p *Provider) charge(c billing.Charge, b behaviour) *charge {
	made := &charge{Charge: c, Reference: "ch_" + rand.Text(), State: billing.PaymentSucceeded, At: metering.MicrosOf(p.opts.Now())}
	switch b {
	case declined:
		made.State, made.Reason = billing.PaymentDeclined, "the card was declined"
	case poor:
		made.State, made.Reason = billing.PaymentDeclined, "insufficient funds"
	case confirmed:
		made.State, made.Secret = billing.PaymentAction, rand.Text()
	case succeeds, replyLost, lost:
	}
	return made
}

// Find returns what became of the charge of a key. After a write that failed it
// knows nothing until the file is read again: the charge may be in it.
func (p *Provider) Find(_ context.Context, key string) (billing.ChargeResult, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.memory.err != nil {
		return billing.ChargeResult{}, fmt.Errorf("charge: %w", p.memory.err)
	}
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
func (p *Provider) settle(key string, accept bool) (*charge, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.memory.charges[key]
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
