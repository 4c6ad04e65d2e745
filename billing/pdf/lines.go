package pdf

import (
	"fmt"
	"strconv"

	"codeberg.org/go-pdf/fpdf"

	"github.com/weirhq/weir/billing"
)

func tableColumns() []column {
	at := func(x, wide fpdf.SizeType, head, align string) column {
		return column{head, fpdf.PointType{X: x.Wd}, wide, align}
	}
	return []column{
		at(fpdf.SizeType{Wd: left}, fpdf.SizeType{Wd: 140}, "Description", alignLeft),
		at(fpdf.SizeType{Wd: left + 146}, fpdf.SizeType{Wd: 78}, "Quantity", alignRight),
		at(fpdf.SizeType{Wd: left + 230}, fpdf.SizeType{Wd: 60}, "Included", alignRight),
		at(fpdf.SizeType{Wd: left + 296}, fpdf.SizeType{Wd: 60}, "Covered", alignRight),
		at(fpdf.SizeType{Wd: left + 362}, fpdf.SizeType{Wd: 68}, "Unit price", alignRight),
		at(fpdf.SizeType{Wd: left + 436}, fpdf.SizeType{Wd: width - 436}, "Amount", alignRight),
	}
}

// lines is the table of what is charged.
func (d draft) lines(s *sheet) {
	columns := tableColumns()
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	head := func() {
		s.set(strong)
		s.row(columns, fpdf.SizeType{Ht: leading}, heads...)
		s.at.Y += 3
		s.rule(grey)
		s.at.Y += 5
	}
	// A head alone at the end of a page helps nobody.
	s.need(5, fpdf.SizeType{Ht: leading})
	head()
	s.head = head
	for _, l := range d.a.Invoice.Lines {
		d.line(s, columns, l)
	}
	if len(d.a.Invoice.Lines) == 0 {
		s.set(normal)
		s.row(columns, fpdf.SizeType{Ht: leading}, "Nothing was used.")
	}
	s.head = nil
}

func (d draft) line(s *sheet, columns []column, l billing.Line) {
	unit := ""
	if l.Price != nil {
		unit = unitPrice(*l.Price)
	}
	quantity := number(l.Quantity)
	if l.Kind == billing.LineCarry {
		quantity = ""
	}
	s.set(normal)
	texts := []string{what(l), quantity, some(l.Free), some(l.Covered), unit, amount(l.Amount)}
	most := 0
	for i, text := range texts {
		most = max(most, len(s.wrap(text, columns[i].size)))
	}
	// A line is kept together with its first detail.
	s.need(most+1, fpdf.SizeType{Ht: leading})
	s.row(columns, fpdf.SizeType{Ht: leading}, texts...)
	wide := []column{{left: columns[0].left, size: fpdf.SizeType{Wd: 424}, align: alignLeft}}
	for _, text := range d.details(l) {
		s.set(small)
		s.row(wide, fpdf.SizeType{Ht: leadingSmall}, text)
	}
	s.at.Y += 3
	s.rule(faint)
	s.at.Y += 3
}

// what says what a line is for.
func what(l billing.Line) string {
	name := l.Product
	if l.MeterName != "" && l.MeterName != name {
		if name != "" {
			name += ": "
		}
		name += l.MeterName
	}
	switch l.Kind {
	case billing.LineUsage:
		return name
	case billing.LineTrial:
		return name + ", trial"
	case billing.LineAdjustment:
		return name + ", adjustment of invoice " + l.Corrects
	case billing.LineCarry:
		return "Carried over from invoice " + l.Corrects
	default:
		return name + ", " + string(l.Kind)
	}
}

// unitPrice is a price without its currency, which is the invoice's.
func unitPrice(p billing.Price) string {
	per := grouped(strconv.FormatInt(p.Per, 10))
	switch {
	case p.Model == billing.PerPackage:
		return number(p.Amount) + " per package of " + per
	case p.Per == 1:
		return number(p.Amount)
	default:
		return number(p.Amount) + " per " + per
	}
}

// details is what else makes the figures of a line.
func (d draft) details(l billing.Line) []string {
	var out []string
	if l.Span != d.a.Invoice.Period || l.Kind == billing.LineCarry {
		out = append(out, "From "+span(l.Span, d.zone))
	}
	if l.Events > 0 {
		events := grouped(strconv.FormatInt(l.Events, 10)) + " events"
		if l.Events == 1 {
			events = "1 event"
		}
		if l.Price != nil && l.Price.ID != "" {
			events += ", price version " + l.Price.ID
		}
		out = append(out, events)
	}
	for _, u := range l.Uses {
		text := number(u.Amount) + " covered by credit"
		if u.Note != "" {
			text += " “" + u.Note + "”"
		}
		out = append(out, text)
	}
	if l.Rounded {
		out = append(out, "The quantity is an average whose decimals do not end; it is cut at twelve.")
	}
	if l.Rounding != "" && l.Rounding != "0" {
		out = append(out, fmt.Sprintf("Exactly %s %s; rounding added %s", grouped(l.Exact), l.Amount.Currency, grouped(l.Rounding)))
	}
	if l.Billed.Minor != 0 {
		out = append(out, "Less "+money(l.Billed)+" that earlier invoices billed")
	}
	return out
}
