package pdf

import (
	"fmt"
	"io"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"github.com/weirhq/weir/billing"
)

// Issuer is who sends the invoice.
type Issuer struct {
	Name  string
	Lines []string // address, registration, tax number: whatever the law asks for
}

// Options is what an invoice does not record itself.
type Options struct {
	Issuer   Issuer
	Payments []billing.Payment // in the order in which they are shown
}

// Invoice writes an invoice with what became of it. The same input gives the
// same bytes: the date of the document is that of the invoice. Without a number
// it is shown as an estimate. An error is that of a zone that this machine does
// not know, of fpdf, or of w; what w has then is no document.
func Invoice(w io.Writer, a billing.Account, o Options) error {
	zone, err := time.LoadLocation(a.Invoice.Zone)
	if err != nil {
		return fmt.Errorf("write invoice %s as PDF: %w", a.Invoice.Number, err)
	}
	d := draft{a: a, o: o, zone: zone}
	// The first time only counts the pages: fpdf's own placeholder for their number
	// would be replaced in names too, and cannot be set flush right.
	counted, err := d.compose(0)
	if err != nil {
		return fmt.Errorf("write invoice %s as PDF: %w", a.Invoice.Number, err)
	}
	doc, err := d.compose(counted.PageCount())
	if err == nil {
		err = doc.Output(w)
	}
	if err != nil {
		return fmt.Errorf("write invoice %s as PDF: %w", a.Invoice.Number, err)
	}
	return nil
}

// draft is what is written.
type draft struct {
	a    billing.Account
	o    Options
	zone *time.Location
}

// name is what the document is called.
func (d draft) name() string {
	if d.a.Invoice.Number == "" {
		return "Estimate"
	}
	return "Invoice " + d.a.Invoice.Number
}

func (d draft) compose(pages int) (*fpdf.Fpdf, error) {
	doc := fpdf.New("P", "pt", "A4", "")
	doc.SetCatalogSort(true)
	doc.SetCreationDate(d.a.Invoice.Issued.Time())
	doc.SetModificationDate(d.a.Invoice.Issued.Time())
	doc.SetAutoPageBreak(false, 0)
	doc.SetCellMargin(0)
	doc.SetLang("en")
	face, err := newFont(doc)
	if err != nil {
		return nil, err
	}
	doc.SetTitle(face.clean(d.name()), true)
	doc.SetAuthor(face.clean(d.o.Issuer.Name), true)
	foot := d.name()
	if d.o.Issuer.Name != "" {
		foot = d.o.Issuer.Name + " · " + foot
	}
	s := &sheet{doc: doc, font: face, pages: pages}
	s.set(small)
	// A long name ends before the number of the page.
	if lines := s.wrap(foot, fpdf.SizeType{Wd: width - 80}); len(lines) > 0 {
		s.foot = lines[0]
	}
	s.page()
	d.letterhead(s)
	d.facts(s)
	d.lines(s)
	d.totals(s)
	d.payments(s)
	d.notes(s)
	return doc, doc.Error()
}

// letterhead is who sends it and what it is.
func (d draft) letterhead(s *sheet) {
	halves := []column{
		{left: fpdf.PointType{X: left}, size: fpdf.SizeType{Wd: 270}, align: alignLeft},
		{left: fpdf.PointType{X: left + 280}, size: fpdf.SizeType{Wd: width - 280}, align: alignRight},
	}
	s.set(title)
	kind := "Invoice"
	if d.a.Invoice.Number == "" {
		kind = "Estimate"
	}
	s.row(halves, fpdf.SizeType{Ht: leadingTitle}, d.o.Issuer.Name, kind)
	s.set(normal)
	for i, line := range d.o.Issuer.Lines {
		if i == 0 {
			s.row(halves, fpdf.SizeType{Ht: leading}, line, d.a.Invoice.Number)
			continue
		}
		s.row(halves, fpdf.SizeType{Ht: leading}, line)
	}
	if len(d.o.Issuer.Lines) == 0 {
		s.row(halves, fpdf.SizeType{Ht: leading}, "", d.a.Invoice.Number)
	}
	s.at.Y += gap
}

// facts are for whom, when and for what time.
func (d draft) facts(s *sheet) {
	v := d.a.Invoice
	columns := []column{
		{left: fpdf.PointType{X: left}, size: fpdf.SizeType{Wd: 90}, align: alignLeft},
		{left: fpdf.PointType{X: left + 95}, size: fpdf.SizeType{Wd: width - 95}, align: alignLeft},
	}
	s.rule(faint)
	s.at.Y += gap / 2
	fact := func(name, text string) {
		s.set(normal)
		s.row(columns, fpdf.SizeType{Ht: leading}, name, text)
	}
	customer := v.Customer.Name
	if v.Customer.ExternalID != "" && v.Customer.ExternalID != customer {
		customer += " (" + v.Customer.ExternalID + ")"
	}
	fact("Customer", customer)
	if v.Number != "" {
		fact("Number", v.Number)
	}
	if v.Issued != 0 {
		fact("Issued", instant(v.Issued, d.zone)+" "+d.zone.String())
	}
	fact("Period", span(v.Period, d.zone)+" "+d.zone.String())
	fact("Currency", string(v.Currency))
	fact("Status", d.status())
	s.at.Y += gap
}

// status is where the money is, in words.
func (d draft) status() string {
	if d.a.Invoice.Number == "" {
		return "estimate of a period that is not closed; it can still change"
	}
	switch d.a.State {
	case billing.InvoiceOpen:
		return "to be paid"
	case billing.InvoicePaid:
		return "paid"
	case billing.InvoiceUnknown:
		return "being paid; the payment is not confirmed yet"
	case billing.InvoiceFailed:
		return "to be paid; the last payment was declined"
	case billing.InvoiceAction:
		return "to be paid; the customer has to confirm the payment"
	case billing.InvoiceCarried:
		return "too small to be charged; carried over to a later invoice"
	default:
		return string(d.a.State)
	}
}
