package billing

import (
	"slices"

	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// LineKind says why a line is on an invoice.
type LineKind string

// Line kinds.
const (
	LineUsage      LineKind = "usage"      // of the invoice's own period
	LineTrial      LineKind = "trial"      // usage that the product's trial rule makes free
	LineAdjustment LineKind = "adjustment" // usage of a closed period that was reported after it closed
	LineCarry      LineKind = "carry"      // an earlier invoice too small to be charged
)

// Line is one line of an invoice, with every figure that made it. Quantities
// and credit are those of the line's span so far, Billed is what earlier
// invoices charged for it, and Amount is what this one adds: so however often a
// span is corrected, its lines sum to the price of the whole, rounded once.
type Line struct {
	Kind         LineKind        `json:"kind"`
	Subscription string          `json:"subscription_id,omitempty"`
	Index        int             `json:"period_index"` // of the period that the usage is of
	Product      string          `json:"product,omitempty"`
	MeterName    string          `json:"meter,omitempty"`
	Price        *Price          `json:"price,omitempty"` // the version; nil for a carry
	Span         period.Span     `json:"span"`            // in which the usage was authorised
	Events       int64           `json:"events"`
	Quantity     metering.Number `json:"quantity"`
	Rounded      bool            `json:"quantity_rounded,omitempty"` // an average without an end as a decimal
	Free         metering.Number `json:"included"`                   // units of it that are included
	Covered      metering.Number `json:"covered"`                    // units of it that grants cover
	Uses         []CreditUse     `json:"uses,omitempty"`             // of grants, by this invoice
	Charged      metering.Number `json:"charged"`                    // units that cost something
	Exact        string          `json:"exact"`                      // currency units before rounding; a fraction where it has no end
	Rounding     string          `json:"rounding"`                   // what rounding added to Exact
	Billed       Money           `json:"billed"`                     // by earlier invoices
	Amount       Money           `json:"amount"`
	Corrects     string          `json:"corrects,omitempty"` // number of the invoice that an adjustment or carry is of
}

// Why says why a line is there; empty for the usage of the invoice's own period.
func (l Line) Why() string {
	switch l.Kind {
	case LineTrial:
		return "free trial"
	case LineAdjustment:
		return "adjustment of invoice " + l.Corrects + ": usage that was reported after its period had closed"
	case LineCarry:
		return "carried over from invoice " + l.Corrects + ", which was too small to be charged"
	default:
		return ""
	}
}

// InvoiceReason says what an invoice closes.
type InvoiceReason string

// InvoicePeriod is the invoice of a period of a subscription.
const InvoicePeriod InvoiceReason = "period"

// Invoice is a final document: it never changes. Corrections are lines of later
// ones. Subtotal is the sum of the lines, and Total is Subtotal - Credit.
type Invoice struct {
	Org          string          `json:"-"`
	ID           string          `json:"id"`
	Number       string          `json:"number"` // without gaps, per organisation; empty: an estimate
	Customer     Party           `json:"customer"`
	Subscription string          `json:"subscription_id"`
	Reason       InvoiceReason   `json:"reason"`
	Index        int             `json:"period_index"`
	Period       period.Span     `json:"period"`
	Zone         string          `json:"zone"` // in which the period was cut
	Currency     Currency        `json:"currency"`
	Lines        []Line          `json:"lines"`
	Subtotal     Money           `json:"subtotal"`
	Uses         []CreditUse     `json:"uses,omitempty"` // of money grants
	Credit       Money           `json:"credit"`
	Total        Money           `json:"total"`
	Issued       metering.Micros `json:"issued_at"`
	// Positions are the last facts of each journal that were on record when the
	// period closed, and Received when: what came later is an adjustment.
	Positions map[string]uint64 `json:"positions,omitempty"`
	Received  metering.Micros   `json:"received_until"`
	// Notes say what a reader should know, such as the rule of a trial.
	Notes []string `json:"notes,omitempty"`
}

// HasBilled reports whether a line adds to what earlier invoices billed.
func (v Invoice) HasBilled() bool {
	return slices.ContainsFunc(v.Lines, func(l Line) bool { return l.Billed.Minor != 0 })
}

// Party is a customer as it was when the invoice was issued.
type Party struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Name       string `json:"name"`
}

// InvoiceState is where the money of an invoice is.
type InvoiceState string

// Invoice states.
const (
	InvoiceOpen    InvoiceState = "open"    // to be paid
	InvoicePaid    InvoiceState = "paid"    // paid, or nothing to pay
	InvoiceUnknown InvoiceState = "unknown" // a charge was sent and its reply was lost
	InvoiceFailed  InvoiceState = "failed"  // the last charge was declined; a new card charges again
	InvoiceAction  InvoiceState = "action"  // the customer has to confirm the charge
	InvoiceCarried InvoiceState = "carried" // too small to be charged: a line of a later invoice
)

// Account is what became of an invoice since it was issued.
type Account struct {
	Invoice Invoice      `json:"invoice"`
	State   InvoiceState `json:"state"`
	Paid    Money        `json:"paid"`
	Due     Money        `json:"due"`    // Total - Paid - carried
	SHA256  string       `json:"sha256"` // of the stored document
}
