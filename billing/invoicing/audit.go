package invoicing

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/big"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// AuditReport compares an invoice with what its events and prices come to.
type AuditReport struct {
	Invoice string  `json:"invoice_id"`
	Number  string  `json:"number"`
	OK      bool    `json:"ok"`
	Checks  []Check `json:"checks"`
	Events  int64   `json:"events"` // that were read one by one
	Late    int64   `json:"late"`   // received since the period closed: on the next invoice
}

// Check is one figure, as it was computed again and as the invoice has it.
type Check struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

// Audit computes an invoice again from single events and the versions of its
// prices, and compares every figure. It shares the price arithmetic with the
// closing, and nothing of the rollups.
func (b *Biller) Audit(ctx context.Context, org, ref string) (AuditReport, error) {
	acc, err := b.store.Invoice(ctx, org, ref)
	if err != nil {
		return AuditReport{}, err
	}
	v := acc.Invoice
	contract, err := b.store.Contract(ctx, org, v.Subscription)
	if err != nil {
		return AuditReport{}, fmt.Errorf("audit invoice %s: %w", v.Number, err)
	}
	a := &audit{b: b, invoice: v, contract: contract, report: AuditReport{Invoice: v.ID, Number: v.Number, OK: true}}
	if err := a.document(ctx, org); err != nil {
		return a.report, err
	}
	for i := range v.Lines {
		if err := a.line(ctx, i+1, v.Lines[i]); err != nil {
			return a.report, fmt.Errorf("audit line %d of invoice %s: %w", i+1, v.Number, err)
		}
	}
	a.totals(acc)
	return a.report, a.payments(ctx, acc)
}

type audit struct {
	b        *Biller
	invoice  billing.Invoice
	contract billing.Contract
	report   AuditReport
}

func (a *audit) check(name, want, got string) {
	ok := want == got
	a.report.OK = a.report.OK && ok
	a.report.Checks = append(a.report.Checks, Check{name, want, got, ok})
}

func (a *audit) document(ctx context.Context, org string) error {
	document, sha, err := a.b.store.Document(ctx, org, a.invoice.ID)
	if err != nil {
		return fmt.Errorf("audit invoice %s: %w", a.invoice.Number, err)
	}
	sum := sha256.Sum256(document)
	a.check("SHA-256 of the document", sha, hex.EncodeToString(sum[:]))
	return nil
}

func (a *audit) line(ctx context.Context, n int, l billing.Line) error {
	name := func(what string) string { return fmt.Sprintf("line %d: %s", n, what) }
	if l.Kind == billing.LineCarry {
		carried, err := a.b.store.Invoice(ctx, a.invoice.Org, l.Corrects)
		if err != nil {
			return err
		}
		a.check(name("total of "+l.Corrects), carried.Invoice.Total.String(), l.Amount.String())
		return nil
	}
	price, err := a.price(l.Price)
	if err != nil {
		return err
	}
	a.check(name("price version"), price, version(*l.Price))
	f, err := a.fold(ctx, l.Price.Meter, l.Span)
	if err != nil {
		return err
	}
	a.check(name("events"), fmt.Sprint(f.events), fmt.Sprint(l.Events))
	quantity := f.quantity()
	a.check(name("quantity"), decimalOf(quantity), l.Quantity.String())
	a.report.Events += f.events
	a.report.Late += f.late
	if a.onTrial(l) {
		a.check(name("amount of a free trial"), "0", fmt.Sprint(l.Amount.Minor))
		return nil
	}
	return a.arithmetic(ctx, name, l)
}

// onTrial reports a line of a free trial.
func (a *audit) onTrial(l billing.Line) bool {
	for _, s := range Segments(a.contract, a.periodOf(l.Index)) {
		if s.Price.ID == l.Price.ID && s.Span.Start == l.Span.Start {
			return s.Trial
		}
	}
	return false
}

// arithmetic computes the line again from its quantity.
func (a *audit) arithmetic(ctx context.Context, name func(string) string, l billing.Line) error {
	earlier, billed, covered := metering.Number{}, billing.Money{Currency: l.Price.Currency}, metering.Number{}
	for _, s := range Segments(a.contract, a.periodOf(l.Index)) {
		if s.Price.Meter != l.Price.Meter || s.Trial || s.Span.Start >= l.Span.Start {
			continue
		}
		f, err := a.fold(ctx, l.Price.Meter, s.Span)
		if err != nil {
			return err
		}
		n, err := metering.ParseNumber(decimalOf(f.quantity()))
		if err != nil {
			return err
		}
		earlier = earlier.Add(n)
	}
	for _, x := range a.contract.Billed {
		if x.Invoice == a.invoice.ID {
			break // lines are in the order of their invoices
		}
		if x.Index == l.Index && x.Meter == l.Price.Meter && x.Start == l.Span.Start && x.Price == l.Price.ID {
			billed.Minor += x.Amount.Minor
			covered = x.Covered
		}
	}
	for _, u := range l.Uses {
		covered = covered.Add(u.Amount)
	}
	r, err := rating.Rate(*l.Price, rating.Usage{Quantity: l.Quantity, Earlier: earlier, Covered: covered, Billed: billed})
	if err != nil {
		return err
	}
	for _, c := range []struct{ what, want, got string }{
		{"included units", r.Free.String(), l.Free.String()}, {"units covered by credit", covered.String(), l.Covered.String()},
		{"units charged", r.Charged.String(), l.Charged.String()}, {"exact amount", r.Exact, l.Exact}, {"rounding", r.Rounding, l.Rounding},
		{"billed before", billed.String(), l.Billed.String()}, {"amount", r.Amount.String(), l.Amount.String()},
	} {
		a.check(name(c.what), c.want, c.got)
	}
	return nil
}

func (a *audit) periodOf(index int) billing.Period {
	for _, p := range a.contract.Periods {
		if p.Index == index {
			return p
		}
	}
	return billing.Period{Index: index}
}

// price is the version as the price list has it.
func (a *audit) price(p *billing.Price) (string, error) {
	for _, product := range a.contract.Products {
		for _, v := range product.Prices {
			if v.ID == p.ID {
				return version(v), nil
			}
		}
	}
	return "", fmt.Errorf("price version %s is in no product of the subscription: %w", p.ID, metering.ErrNotFound)
}

// version is everything of a price version that decides what it charges.
func version(p billing.Price) string {
	from := "the beginning"
	if p.From != 0 {
		from = p.From.Time().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s %s for %d, %s, %s included, from %s (%s)", p.Amount, p.Currency, p.Per, p.Model, p.Included, from, p.ID)
}

// fold reads the events of a span that were on record when the period closed.
func (a *audit) fold(ctx context.Context, meter string, span period.Span) (*fold, error) {
	m, err := a.b.usage.Meter(ctx, a.invoice.Org, meter)
	if err != nil {
		return nil, err
	}
	f := &fold{meter: m}
	q := metering.EventQuery{Org: a.invoice.Org, Customer: a.invoice.Customer.ID, From: span.Start, To: span.End, Limit: 1000}
	for {
		events, next, err := a.b.usage.Events(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if !a.included(e) {
				f.late++
				continue
			}
			if err := f.add(e); err != nil {
				return nil, err
			}
		}
		if next == "" {
			return f, nil
		}
		q.Cursor = next
	}
}

// included reports whether an event was on record when the period closed.
func (a *audit) included(e *metering.Event) bool {
	if e.Journal == "" {
		return e.ID.Time() <= a.invoice.Received
	}
	return e.FactSeq <= a.invoice.Positions[e.Journal]
}

func (a *audit) totals(acc billing.Account) {
	v := a.invoice
	subtotal, credit := billing.Money{Currency: v.Currency}, metering.Number{}
	for _, l := range v.Lines {
		subtotal = subtotal.Add(l.Amount)
	}
	for _, u := range v.Uses {
		credit = credit.Add(u.Amount)
	}
	a.check("subtotal", subtotal.String(), v.Subtotal.String())
	a.check("credit", credit.String(), v.Credit.Units().String())
	a.check("total", subtotal.Add(v.Credit.Neg()).String(), v.Total.String())
	if acc.State != billing.InvoiceCarried {
		a.check("paid + due", v.Total.String(), acc.Paid.Add(acc.Due).String())
	}
}

// payments adds up what was captured.
func (a *audit) payments(ctx context.Context, acc billing.Account) error {
	list, err := a.b.store.Payments(ctx, a.invoice.Org, a.invoice.ID)
	if err != nil {
		return fmt.Errorf("audit invoice %s: %w", a.invoice.Number, err)
	}
	captured := billing.Money{Currency: a.invoice.Currency}
	for _, p := range list {
		if p.State == billing.PaymentSucceeded {
			captured = captured.Add(p.Amount)
		}
	}
	a.check("captured by payments", captured.String(), acc.Paid.String())
	return nil
}

// decimalOf is a quantity with the twelve places that meters keep, rounded half
// away from zero as their averages are.
func decimalOf(r *big.Rat) string {
	scale := new(big.Rat).SetInt64(metering.PicosPerUnit)
	scaled := new(big.Rat).Mul(r, scale)
	twice := new(big.Int).Lsh(new(big.Int).Abs(scaled.Num()), 1)
	twice.Add(twice, scaled.Denom())
	n := twice.Quo(twice, new(big.Int).Lsh(scaled.Denom(), 1))
	if r.Sign() < 0 {
		n.Neg(n)
	}
	return rating.Decimal(new(big.Rat).Quo(new(big.Rat).SetInt(n), scale))
}
