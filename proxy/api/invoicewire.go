package api

import (
	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// Bill is what an invoice and the draft of one have in common. Amounts are
// decimals of Currency; Total is Subtotal - Credit, and Subtotal the sum of the
// lines.
type Bill struct {
	Customer       Party                 `json:"customer"`
	SubscriptionID string                `json:"subscription_id"`
	Reason         billing.InvoiceReason `json:"reason"`
	PeriodIndex    int                   `json:"period_index"`
	Start          Instant               `json:"start"` // of the period
	End            Instant               `json:"end"`   // exclusive
	Zone           string                `json:"zone"`  // in which the period was cut
	Currency       billing.Currency      `json:"currency"`
	Subtotal       string                `json:"subtotal"`
	Credit         string                `json:"credit"` // money that credit paid
	Total          string                `json:"total"`
}

// Party is a customer as it was when the invoice was issued.
type Party struct {
	ID         string `json:"id"`
	ExternalID string `json:"external_id"`
	Name       string `json:"name"`
}

// Invoice is an invoice and where its money is. The document never changes;
// State, Paid and Due do.
type Invoice struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	Bill
	IssuedAt Instant              `json:"issued_at"`
	State    billing.InvoiceState `json:"state"`
	Paid     string               `json:"paid"`
	Due      string               `json:"due"`
	SHA256   string               `json:"sha256"` // of the stored document
}

// InvoiceDetail is an invoice with its lines and payments.
type InvoiceDetail struct {
	Invoice
	Lines []InvoiceLine       `json:"lines"`
	Uses  []billing.CreditUse `json:"uses"` // of money credit
	Notes []string            `json:"notes"`
	// ReceivedUntil and Positions say what was on record when the period closed;
	// what came later is an adjustment on another invoice.
	ReceivedUntil Instant           `json:"received_until"`
	Positions     map[string]uint64 `json:"positions"`
	Payments      []Payment         `json:"payments"` // oldest first
}

// Draft is the invoice of an open period as it would be if it closed now.
type Draft struct {
	Bill
	Lines []InvoiceLine       `json:"lines"`
	Uses  []billing.CreditUse `json:"uses"`
	Notes []string            `json:"notes"`
}

// InvoiceLine is one line with every figure that made it: quantity - included -
// covered = charged; charged at the price is exact; exact + rounding - billed =
// amount.
type InvoiceLine struct {
	Kind           billing.LineKind    `json:"kind"`
	SubscriptionID string              `json:"subscription_id,omitempty"`
	PeriodIndex    int                 `json:"period_index"`
	Product        string              `json:"product,omitempty"`
	Meter          string              `json:"meter,omitempty"`
	Price          *Price              `json:"price,omitempty"` // absent for a carry
	Start          Instant             `json:"start"`           // of the usage
	End            Instant             `json:"end"`             // exclusive
	Events         int64               `json:"events"`
	Quantity       metering.Number     `json:"quantity"`
	Rounded        bool                `json:"quantity_rounded,omitempty"`
	Included       metering.Number     `json:"included"`
	Covered        metering.Number     `json:"covered"`
	Uses           []billing.CreditUse `json:"uses,omitempty"`
	Charged        metering.Number     `json:"charged"`
	Exact          string              `json:"exact"` // currency units before rounding; a fraction where it has no end
	Rounding       string              `json:"rounding"`
	Billed         string              `json:"billed"` // by earlier invoices
	Amount         string              `json:"amount"`
	Corrects       string              `json:"corrects,omitempty"` // number of another invoice
}

// Payment is one attempt to charge an invoice.
type Payment struct {
	ID        string               `json:"id"`
	InvoiceID string               `json:"invoice_id"`
	Amount    string               `json:"amount"`
	Currency  billing.Currency     `json:"currency"`
	State     billing.PaymentState `json:"state"`
	Provider  string               `json:"provider"`
	Card      string               `json:"card,omitempty"`       // "Visa ending in 4242, 12/30"
	Reference string               `json:"reference,omitempty"`  // of the charge at the provider
	Reason    string               `json:"reason,omitempty"`     // of a decline, in the provider's words
	ActionURL string               `json:"action_url,omitempty"` // where the customer confirms
	CreatedAt Instant              `json:"created_at"`
	UpdatedAt Instant              `json:"updated_at"`
}

func showPayment(p billing.Payment) Payment {
	return Payment{
		ID: p.ID, InvoiceID: p.Invoice, Amount: p.Amount.Decimal(), Currency: p.Amount.Currency, State: p.State, Provider: p.Provider,
		Card: p.Method.Label, Reference: p.Reference, Reason: p.Reason, ActionURL: p.ActionURL,
		CreatedAt: Instant(p.Created), UpdatedAt: Instant(p.Updated),
	}
}

func showPayments(list []billing.Payment) []Payment {
	out := make([]Payment, 0, len(list))
	for _, p := range list {
		out = append(out, showPayment(p))
	}
	return out
}

func showBill(v billing.Invoice) Bill {
	in := func(m billing.Money) string { // what is nothing may be of no currency
		m.Currency = v.Currency
		return m.Decimal()
	}
	return Bill{
		Customer: Party(v.Customer), SubscriptionID: v.Subscription, Reason: v.Reason, PeriodIndex: v.Index,
		Start: Instant(v.Period.Start), End: Instant(v.Period.End), Zone: v.Zone, Currency: v.Currency,
		Subtotal: in(v.Subtotal), Credit: in(v.Credit), Total: in(v.Total),
	}
}

func showInvoice(a billing.Account) Invoice {
	return Invoice{
		ID: a.Invoice.ID, Number: a.Invoice.Number, Bill: showBill(a.Invoice), IssuedAt: Instant(a.Invoice.Issued),
		State: a.State, Paid: a.Paid.Decimal(), Due: a.Due.Decimal(), SHA256: a.SHA256,
	}
}

func (l *lookup) showLine(currency billing.Currency, v billing.Line) (InvoiceLine, error) {
	v.Billed.Currency, v.Amount.Currency = currency, currency
	out := InvoiceLine{
		Kind: v.Kind, SubscriptionID: v.Subscription, PeriodIndex: v.Index, Product: v.Product, Meter: v.MeterName,
		Start: Instant(v.Span.Start), End: Instant(v.Span.End), Events: v.Events, Quantity: v.Quantity, Rounded: v.Rounded,
		Included: v.Free, Covered: v.Covered, Uses: v.Uses, Charged: v.Charged, Exact: v.Exact, Rounding: v.Rounding,
		Billed: v.Billed.Decimal(), Amount: v.Amount.Decimal(), Corrects: v.Corrects,
	}
	if v.Price == nil {
		return out, nil
	}
	price, err := l.showPrice(*v.Price)
	out.Price = &price
	return out, err
}

func (l *lookup) showLines(v billing.Invoice) ([]InvoiceLine, error) {
	return each(v.Lines, func(line billing.Line) (InvoiceLine, error) { return l.showLine(v.Currency, line) })
}

func (l *lookup) showDraft(v billing.Invoice) (Draft, error) {
	lines, err := l.showLines(v)
	return Draft{Bill: showBill(v), Lines: lines, Uses: orEmpty(v.Uses), Notes: orEmpty(v.Notes)}, err
}
