package api

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

// Billed is what one event costs the customer by one meter: from its quantity
// over the price to the line of the invoice and its payments.
type Billed struct {
	MeterID        string          `json:"meter_id"`
	Meter          string          `json:"meter"`
	Quantity       metering.Number `json:"quantity"`
	Product        string          `json:"product,omitempty"`
	SubscriptionID string          `json:"subscription_id,omitempty"`
	Price          *Price          `json:"price,omitempty"`
	// Share is the event's own amount at the price, in currency units, before
	// included units and credit; absent where an aggregation has no shares.
	Share      string    `json:"share,omitempty"`
	Arithmetic string    `json:"arithmetic,omitempty"` // "1,204 / 1000 x 0.01 USD = 0.01204"
	State      string    `json:"state"`                // of the invoice, or why there is none
	InvoiceID  string    `json:"invoice_id,omitempty"`
	Number     string    `json:"invoice,omitempty"`
	Line       int       `json:"line,omitempty"` // of the invoice, from 1
	Payments   []Payment `json:"payments,omitempty"`
}

// billedEvent follows an event to what it costs its customer. An event whose
// customer is not known yet costs nobody anything.
func (s *Server) billedEvent(c *call, e *metering.Event) ([]Billed, error) {
	if s.opts.Billing == nil || e.Customer == "" {
		return nil, nil
	}
	list, err := s.opts.Billing.Biller.Explain(c.Context(), c.org, e)
	if err != nil {
		return nil, fmt.Errorf("what an event is billed: %w", err)
	}
	return each(list, s.lookup(c).showBilled)
}

func (l *lookup) showBilled(x invoicing.Explanation) (Billed, error) {
	out := Billed{
		MeterID: x.Meter, Meter: x.MeterName, Quantity: x.Quantity, Product: x.Product, SubscriptionID: x.Subscription,
		Share: x.Share, State: x.State, InvoiceID: x.Invoice, Number: x.Number, Line: x.Line,
	}
	if len(x.Payments) > 0 {
		out.Payments = showPayments(x.Payments)
	}
	if x.Price == nil {
		return out, nil
	}
	price, err := l.showPrice(*x.Price)
	out.Price = &price
	out.Arithmetic = arithmetic(x.Quantity, *x.Price, x.Share)
	return out, err
}

// arithmetic writes how a share comes out of its quantity.
func arithmetic(quantity metering.Number, p billing.Price, share string) string {
	if share == "" {
		return ""
	}
	return fmt.Sprintf("%s / %d x %s %s = %s", grouped(quantity.String()), p.Per, p.Amount, p.Currency, share)
}

// grouped puts commas between the thousands of a decimal.
func grouped(s string) string {
	whole, rest, point := strings.Cut(s, ".")
	sign := ""
	if digits, negative := strings.CutPrefix(whole, "-"); negative {
		sign, whole = "-", digits
	}
	for at := len(whole) - 3; at > 0; at -= 3 {
		whole = whole[:at] + "," + whole[at:]
	}
	if point {
		rest = "." + rest
	}
	return sign + whole + rest
}
