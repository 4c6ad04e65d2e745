package api

import (
	"context"
	"fmt"

	"github.com/weirhq/weir/billing"
)

// InvoiceCmd groups the commands about invoices.
type InvoiceCmd struct {
	List     InvoiceList     `cmd:"" help:"List invoices, newest first."`
	Show     InvoiceShow     `cmd:"" help:"Show an invoice: every line with its arithmetic, and the payments."`
	Pay      InvoicePay      `cmd:"" help:"Charge what is due to the card on file, now."`
	Audit    InvoiceAudit    `cmd:"" help:"Compute an invoice again from its events and prices; exit 1 on any difference."`
	Estimate InvoiceEstimate `cmd:"" help:"What a customer owes so far in its open periods."`
}

// InvoiceList lists invoices.
type InvoiceList struct {
	Common    `embed:""`
	PageFlags `embed:""`
	Customer  string `placeholder:"EXT" help:"Only those of this customer: id or external id."`
}

// Run runs the command.
func (c *InvoiceList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Invoice], error) { return cl.Invoices(ctx, c.Customer, c.options()) },
		func(p *printer, page Page[Invoice]) {
			printInvoices(p, page.Items)
			p.more(page.NextCursor)
		})
}

func printInvoices(p *printer, list []Invoice) {
	p.row("NUMBER", "CUSTOMER", "PERIOD", "TOTAL", "DUE", "STATE", "ID")
	for _, v := range list {
		p.row(v.Number, v.Customer.ExternalID, fmt.Sprintf("%s to %s", v.Start, v.End), v.Total+" "+string(v.Currency), v.Due, string(v.State), v.ID)
	}
}

// InvoiceShow shows an invoice.
type InvoiceShow struct {
	Common  `embed:""`
	Invoice string `arg:"" help:"Id or number."`
}

// Run runs the command.
func (c *InvoiceShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (InvoiceDetail, error) { return cl.Invoice(ctx, c.Invoice) }, func(p *printer, v InvoiceDetail) {
		p.row("invoice", v.Number)
		p.row("id", v.ID)
		p.row("state", string(v.State))
		p.row("issued", v.IssuedAt)
		printBill(p, v.Bill, v.Lines, v.Uses, v.Notes)
		p.row("paid", v.Paid)
		p.row("due", v.Due)
		for _, pay := range v.Payments {
			p.row("payment", pay.Amount+" "+string(pay.Currency), string(pay.State), pay.Card, pay.Reason, pay.ID)
		}
		p.row("sha256", v.SHA256)
	})
}

// printBill prints what an invoice and a draft have in common.
func printBill(p *printer, b Bill, lines []InvoiceLine, uses []billing.CreditUse, notes []string) {
	p.row("customer", b.Customer.ExternalID, b.Customer.Name)
	p.row("period", fmt.Sprintf("%s to %s, cut in %s", b.Start, b.End, b.Zone))
	p.row("subscription", b.SubscriptionID)
	for n, l := range lines {
		printLine(p, n+1, l, b.Currency)
	}
	p.row("subtotal", b.Subtotal)
	for _, u := range uses {
		p.row("credit", "-"+u.Amount.String(), u.Note, u.Grant)
	}
	p.row("total", b.Total+" "+string(b.Currency))
	for _, note := range notes {
		p.row("note", note)
	}
}

func printLine(p *printer, n int, l InvoiceLine, currency billing.Currency) {
	name := fmt.Sprintf("line %d", n)
	if l.Price == nil {
		p.row(name, string(l.Kind), "of "+l.Corrects, l.Amount+" "+string(currency))
		return
	}
	p.row(name, fmt.Sprintf("%s, %s of %s", l.Kind, l.Meter, l.Product), l.Amount+" "+string(currency))
	if l.Corrects != "" {
		p.row(" ", "corrects "+l.Corrects)
	}
	p.row(" ", fmt.Sprintf("%s to %s, %d events", l.Start, l.End, l.Events))
	p.row(" ", fmt.Sprintf("%s - %s included - %s by credit = %s", grouped(l.Quantity.String()), grouped(l.Included.String()),
		grouped(l.Covered.String()), grouped(l.Charged.String())))
	p.row(" ", fmt.Sprintf("at %s = %s, rounding %s, billed before %s", priced(*l.Price), l.Exact, l.Rounding, l.Billed))
	for _, u := range l.Uses {
		p.row(" ", fmt.Sprintf("credit %s: %s %s", u.Grant, u.Amount, u.Note))
	}
}

// InvoicePay charges an invoice.
type InvoicePay struct {
	Common  `embed:""`
	Invoice string `arg:"" help:"Id or number."`
}

// Run runs the command. A charge that was declined is ErrFailed.
func (c *InvoicePay) Run(ctx context.Context, env *Env) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	pay, err := client.PayInvoice(ctx, c.Invoice)
	if err != nil {
		return hint(err)
	}
	err = c.print(env, pay, func(p *printer) {
		p.row("payment", pay.ID)
		p.row("amount", pay.Amount+" "+string(pay.Currency))
		p.row("state", string(pay.State))
		p.optional("card", pay.Card)
		p.optional("reason", pay.Reason)
		p.optional("to be confirmed at", pay.ActionURL)
	})
	if err == nil && pay.State != billing.PaymentSucceeded {
		return ErrFailed
	}
	return err
}

// InvoiceAudit audits an invoice.
type InvoiceAudit struct {
	Common  `embed:""`
	Invoice string `arg:"" help:"Id or number."`
}

// Run runs the command. A difference is ErrFailed.
func (c *InvoiceAudit) Run(ctx context.Context, env *Env) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	a, err := client.AuditInvoice(ctx, c.Invoice)
	if err != nil {
		return hint(err)
	}
	if err := c.print(env, a, func(p *printer) { printAudit(p, a) }); err != nil {
		return err
	}
	if !a.OK {
		return ErrFailed
	}
	return nil
}

func printAudit(p *printer, a Audit) {
	p.row(" ", "FIGURE", "COMPUTED", "ON THE INVOICE")
	wrong := 0
	for _, check := range a.Checks {
		mark := "ok"
		if !check.OK {
			mark = "DIFFERS"
			wrong++
		}
		p.row(mark, check.Name, check.Want, check.Got)
	}
	p.line("invoice %s: %d figures from %d events, %d differ", a.Number, len(a.Checks), a.Events, wrong)
	if a.Late > 0 {
		p.line("%d events of its periods came after it was issued: they are on a later invoice", a.Late)
	}
}

// InvoiceEstimate tells what a customer owes so far.
type InvoiceEstimate struct {
	Common   `embed:""`
	Customer string `required:"" placeholder:"EXT" help:"Id or external id of the customer."`
	Sync     bool   `help:"First wait until every call answered before is in the figures."`
}

// Run runs the command.
func (c *InvoiceEstimate) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Estimate, error) { return cl.Estimate(ctx, c.Customer, c.Sync) }, func(p *printer, e Estimate) {
		p.row("estimate", "usage up to "+e.At.String())
		if len(e.Invoices) == 0 {
			p.line("There is no open period.")
		}
		for _, d := range e.Invoices {
			printBill(p, d.Bill, d.Lines, d.Uses, d.Notes)
		}
		for _, u := range e.Unbilled {
			p.row("unbilled", fmt.Sprintf("%s %s of %d events outside of every subscription, %s to %s",
				grouped(u.Quantity.String()), u.Meter, u.Events, u.Start, u.End))
		}
	})
}
