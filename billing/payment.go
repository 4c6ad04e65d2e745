package billing

import (
	"context"
	"errors"

	"github.com/weirhq/weir/metering"
)

// PaymentState is where an attempt to charge is.
type PaymentState string

// Payment states.
const (
	PaymentPending   PaymentState = "pending"   // on record, the provider may or may not have been called
	PaymentUnknown   PaymentState = "unknown"   // the provider was called and its reply was lost
	PaymentAction    PaymentState = "action"    // the customer has to confirm it with the provider
	PaymentSucceeded PaymentState = "succeeded" //
	PaymentDeclined  PaymentState = "declined"  //
)

// Payment is one attempt to charge an invoice. An invoice has at most one
// attempt that is not settled.
type Payment struct {
	Org       string          `json:"-"`
	ID        string          `json:"id"` // and the idempotency key of the attempt with the provider
	Invoice   string          `json:"invoice_id"`
	Customer  string          `json:"customer_id"`
	Amount    Money           `json:"amount"`
	State     PaymentState    `json:"state"`
	Provider  string          `json:"provider"`
	Method    PaymentMethod   `json:"method"`
	Reference string          `json:"reference"` // of the charge at the provider
	Reason    string          `json:"reason"`    // of a decline, in the provider's words
	ActionURL string          `json:"action_url"`
	Created   metering.Micros `json:"created_at"`
	Updated   metering.Micros `json:"updated_at"`
}

// PaymentMethod is a card on file with a provider.
type PaymentMethod struct {
	Org      string          `json:"-"`
	ID       string          `json:"id"`
	Customer string          `json:"customer_id"`
	Provider string          `json:"provider"`
	Token    string          `json:"-"`     // the provider's name of the method
	Label    string          `json:"label"` // for people: "Visa ending in 4242, 12/30"
	Created  metering.Micros `json:"created_at"`
}

// Charge is what a provider is asked to take.
type Charge struct {
	Key         string // idempotency key: the same key is the same charge, for ever
	Customer    string // our id, as given when the method was set up
	Method      string // the provider's name of the method
	Amount      Money
	Description string // shown to the customer, such as the number of the invoice
}

// ChargeResult is what became of a charge.
type ChargeResult struct {
	State     PaymentState // succeeded, declined or action
	Reference string       // of the charge at the provider
	Reason    string       // of a decline
	ActionURL string       // where the customer confirms
}

// ErrChargeUnknown says that a charge may or may not have been taken: the reply
// was lost. Whoever gets it looks the charge up by its key, and sends it again
// under the same key if the provider has never heard of it.
var ErrChargeUnknown = errors.New("the payment provider did not answer")

// Provider takes payments. Every error of a method other than a refusal of its
// input (metering.ErrInvalid) leaves open what happened.
type Provider interface {
	// Name is stored with methods and payments.
	Name() string
	// Minimum is the smallest amount that can be charged in the currency, in
	// minor units.
	Minimum(c Currency) int64
	// SetupURL is a page of the provider's where the customer enters a card. It
	// sends the customer back to returnURL with ?setup=ID appended.
	SetupURL(ctx context.Context, customer, returnURL string) (string, error)
	// Method returns what the customer has set up under the id that came back.
	// metering.ErrNotFound: nothing, or not this customer.
	Method(ctx context.Context, customer, setup string) (PaymentMethod, error)
	// Charge takes an amount, once per key.
	Charge(ctx context.Context, c Charge) (ChargeResult, error)
	// Find returns what became of the charge of a key. metering.ErrNotFound: the
	// provider has never had it and, from now on, will only have it if it is sent.
	Find(ctx context.Context, key string) (ChargeResult, error)
}
