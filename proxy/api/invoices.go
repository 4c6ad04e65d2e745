package api

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
)

func (s *Server) listInvoices(c *call) (answer, error) {
	ref, limit, cursor := c.query.text("customer", 512), c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	customer, err := s.customerID(c, ref)
	if err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Billing.Store.Invoices(c.Context(), c.org, customer, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showInvoice))
}

// invoice finds the invoice that the path names by id or number.
func (s *Server) invoice(c *call) (billing.Account, error) {
	ref := c.PathValue("invoice")
	a, err := s.opts.Billing.Store.Invoice(c.Context(), c.org, ref)
	return a, found(err, "invoice", ref)
}

func (s *Server) showInvoice(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	a, err := s.invoice(c)
	if err != nil {
		return answer{}, err
	}
	lines, err := s.lookup(c).showLines(a.Invoice)
	if err != nil {
		return answer{}, err
	}
	payments, err := s.opts.Billing.Store.Payments(c.Context(), c.org, a.Invoice.ID)
	if err != nil {
		return answer{}, fmt.Errorf("payments of an invoice: %w", err)
	}
	positions := a.Invoice.Positions
	if positions == nil {
		positions = map[string]uint64{}
	}
	return ok(InvoiceDetail{
		Invoice: showInvoice(a), Lines: lines, Uses: orEmpty(a.Invoice.Uses), Notes: orEmpty(a.Invoice.Notes),
		ReceivedUntil: Instant(a.Invoice.Received), Positions: positions, Payments: showPayments(payments),
	})
}

func (s *Server) payInvoice(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	if s.opts.Billing.Payments == nil {
		return answer{}, noProvider()
	}
	a, err := s.invoice(c)
	if err != nil {
		return answer{}, err
	}
	p, err := s.opts.Billing.Worker.Pay(c.Context(), c.org, a.Invoice.ID)
	switch {
	case errors.Is(err, metering.ErrNotFound):
		return answer{}, noCard(a.Invoice.Customer.ExternalID)
	case errors.Is(err, metering.ErrConflict):
		return answer{}, problem(CodeState, fmt.Sprintf("invoice %s: there is nothing due that could be charged, or a charge whose end is not known", a.Invoice.Number))
	case err != nil:
		return answer{}, fmt.Errorf("pay invoice: %w", err)
	}
	return ok(showPayment(p))
}

// Audit compares an invoice with what its events and prices come to.
type Audit struct {
	InvoiceID string       `json:"invoice_id"`
	Number    string       `json:"number"`
	OK        bool         `json:"ok"`
	Checks    []AuditCheck `json:"checks"`
	Events    int64        `json:"events"` // that were read one by one
	Late      int64        `json:"late"`   // received since the period closed: on a later invoice
}

// AuditCheck is one figure, as it was computed again and as the invoice has it.
type AuditCheck struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

func (s *Server) auditInvoice(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	a, err := s.invoice(c)
	if err != nil {
		return answer{}, err
	}
	r, err := s.opts.Billing.Biller.Audit(c.Context(), c.org, a.Invoice.ID)
	if err != nil {
		return answer{}, fmt.Errorf("audit invoice: %w", err)
	}
	out := Audit{InvoiceID: r.Invoice, Number: r.Number, OK: r.OK, Checks: make([]AuditCheck, 0, len(r.Checks)), Events: r.Events, Late: r.Late}
	for _, check := range r.Checks {
		out.Checks = append(out.Checks, AuditCheck(check))
	}
	return ok(out)
}

// Estimate is what a customer owes so far.
type Estimate struct {
	At       Instant         `json:"at"`       // usage up to here
	Invoices []Draft         `json:"invoices"` // one for each open period
	Unbilled []UnbilledUsage `json:"unbilled"` // usage that no subscription has
}

// UnbilledUsage is usage outside of every subscription.
type UnbilledUsage struct {
	MeterID  string          `json:"meter_id"`
	Meter    string          `json:"meter"`
	Start    Instant         `json:"start"` // null: from the beginning
	End      Instant         `json:"end"`   // null: it goes on
	Quantity metering.Number `json:"quantity"`
	Events   int64           `json:"events"`
}

func showUnbilled(u invoicing.Unbilled) (UnbilledUsage, error) {
	return UnbilledUsage{u.Meter, u.MeterName, Instant(u.Span.Start), Instant(u.Span.End), u.Quantity, u.Events}, nil
}

func (s *Server) estimateInvoice(c *call) (answer, error) {
	sync := c.query.boolean("sync")
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, c.PathValue("customer"))
	if err != nil {
		return answer{}, err
	}
	if sync {
		if err := s.sync(c.Context()); err != nil {
			return answer{}, err
		}
	}
	e, err := s.opts.Billing.Biller.Estimate(c.Context(), c.org, owner.ID, c.at())
	if err != nil {
		return answer{}, fmt.Errorf("estimate: %w", err)
	}
	out := Estimate{At: Instant(e.At)}
	if out.Invoices, err = each(e.Invoices, s.lookup(c).showDraft); err != nil {
		return answer{}, err
	}
	out.Unbilled, err = each(e.Unbilled, showUnbilled)
	return answered(out, err)
}
