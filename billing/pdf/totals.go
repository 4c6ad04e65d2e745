package pdf

import (
	"fmt"
	"math/big"
	"slices"

	"codeberg.org/go-pdf/fpdf"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/metering"
)

// totals is the sum of the lines down to what is due.
func (d draft) totals(s *sheet) {
	v := d.a.Invoice
	columns := []column{
		{left: fpdf.PointType{X: left + 180}, size: fpdf.SizeType{Wd: 220}, align: alignRight},
		{left: fpdf.PointType{X: left + 404}, size: fpdf.SizeType{Wd: width - 404}, align: alignRight},
	}
	s.at.Y += 4
	s.need(6, fpdf.SizeType{Ht: leading})
	total := func(name, text string) { s.row(columns, fpdf.SizeType{Ht: leading}, name, text) }
	s.set(normal)
	total("Subtotal", money(v.Subtotal))
	for _, u := range v.Uses {
		name := "Credit"
		if u.Note != "" {
			name += " “" + u.Note + "”"
		}
		total(name, d.units(u.Amount.Neg()))
	}
	if len(v.Uses) == 0 && v.Credit.Minor != 0 {
		total("Credit", money(v.Credit.Neg()))
	}
	s.set(strong)
	total("Total", money(v.Total))
	if v.Number == "" {
		return
	}
	s.set(normal)
	total("Paid", money(d.a.Paid))
	if d.a.State == billing.InvoiceCarried {
		carried := billing.Money{Minor: v.Total.Minor - d.a.Paid.Minor - d.a.Due.Minor, Currency: v.Currency}
		total("Carried over", money(carried))
	}
	s.set(strong)
	total("Due", money(d.a.Due))
}

// units is an amount of currency units as money, and as it is where it is no
// whole number of minor units.
func (d draft) units(n metering.Number) string {
	currency := d.a.Invoice.Currency
	if decimals, err := currency.Decimals(); err == nil {
		if minor, whole := billing.MinorOf(n, decimals); whole {
			return money(billing.Money{Minor: minor, Currency: currency})
		}
	}
	return number(n) + " " + string(currency)
}

// payments is what was tried to settle it.
func (d draft) payments(s *sheet) {
	if len(d.o.Payments) == 0 {
		return
	}
	columns := []column{
		{"Payments", fpdf.PointType{X: left}, fpdf.SizeType{Wd: 110}, alignLeft},
		{"", fpdf.PointType{X: left + 115}, fpdf.SizeType{Wd: 280}, alignLeft},
		{"", fpdf.PointType{X: left + 404}, fpdf.SizeType{Wd: width - 404}, alignRight},
	}
	s.at.Y += gap
	s.need(3, fpdf.SizeType{Ht: leading})
	s.set(strong)
	s.row(columns, fpdf.SizeType{Ht: leading}, "Payments")
	for _, p := range d.o.Payments {
		text := paymentText(p)
		s.set(normal)
		s.need(1+len(s.wrap(text, columns[1].size)), fpdf.SizeType{Ht: leading})
		at := p.Updated
		if at == 0 {
			at = p.Created
		}
		s.row(columns, fpdf.SizeType{Ht: leading}, instant(at, d.zone), text, money(p.Amount))
		if p.Reference != "" {
			s.set(small)
			s.row(columns, fpdf.SizeType{Ht: leadingSmall}, "", "Reference "+p.Reference)
		}
	}
}

// paymentText is what was paid with, and how it ended.
func paymentText(p billing.Payment) string {
	text := p.Method.Label
	if text == "" {
		text = p.Provider
	}
	switch p.State {
	case billing.PaymentSucceeded:
		return text + ": paid"
	case billing.PaymentDeclined:
		if p.Reason != "" {
			return text + ": declined: " + p.Reason
		}
		return text + ": declined"
	case billing.PaymentPending, billing.PaymentUnknown:
		return text + ": not confirmed yet"
	case billing.PaymentAction:
		return text + ": to be confirmed by the customer"
	default:
		return text + ": " + string(p.State)
	}
}

// notes is what a reader should know.
func (d draft) notes(s *sheet) {
	wide := []column{{left: fpdf.PointType{X: left}, size: fpdf.SizeType{Wd: width}, align: alignLeft}}
	s.at.Y += gap
	for _, text := range slices.Concat(d.a.Invoice.Notes, []string{d.roundingNote()}) {
		s.set(small)
		s.row(wide, fpdf.SizeType{Ht: leadingSmall}, text)
	}
	if d.a.SHA256 != "" {
		s.row(wide, fpdf.SizeType{Ht: leadingSmall}, "SHA-256 of the recorded invoice: "+d.a.SHA256)
	}
}

// roundingNote says what rounding did. What it added to a line that corrects
// another is of both together, so there is no sum where one does.
func (d draft) roundingNote() string {
	note := fmt.Sprintf("Each line is computed exactly and rounded once, half away from zero, to the minor unit of %s.", d.a.Invoice.Currency)
	sum := new(big.Rat)
	for _, l := range d.a.Invoice.Lines {
		if l.Billed.Minor != 0 {
			return note
		}
		if added, known := new(big.Rat).SetString(l.Rounding); known {
			sum.Add(sum, added)
		}
	}
	if sum.Sign() != 0 {
		note += fmt.Sprintf(" Rounding added %s %s in all.", grouped(rating.Decimal(sum)), d.a.Invoice.Currency)
	}
	return note
}
