package pdf_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/pdf"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

var update = flag.Bool("update", false, "write the golden texts anew")

func at(s string) metering.Micros {
	parsed, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return metering.MicrosOf(parsed)
}

func num(s string) metering.Number {
	n, err := metering.ParseNumber(s)
	if err != nil {
		panic(err)
	}
	return n
}

func eur(minor int64) billing.Money { return billing.Money{Minor: minor, Currency: "EUR"} }

// account is an invoice with a line of each kind, B20: the lines sum to the
// subtotal, and so on down to what is due.
func account() billing.Account {
	month := period.Span{Start: at("2026-01-31T23:00:00Z"), End: at("2026-02-28T23:00:00Z")}
	price := &billing.Price{ID: "prv_0001", Model: billing.PerUnit, Currency: "EUR", Amount: num("0.01"), Per: 1000}
	packs := &billing.Price{ID: "prv_0002", Model: billing.PerPackage, Currency: "EUR", Amount: num("5"), Per: 100}
	return billing.Account{
		Invoice: billing.Invoice{
			Number:   "INV-000042",
			Customer: billing.Party{ID: "cus_1", ExternalID: "zolc", Name: "Zażółć Gęślą Jaźń sp. z o.o."},
			Reason:   billing.InvoicePeriod, Index: 1, Period: month, Zone: "Europe/Warsaw", Currency: "EUR",
			Lines: []billing.Line{
				{
					Kind: billing.LineUsage, Index: 1, Product: "LLM usage", MeterName: "llm tokens", Price: price, Span: month, Events: 1234,
					Quantity: num("1234567"), Exact: "12.34567", Rounding: "0.00433", Amount: eur(1235), Charged: num("1234567"),
				},
				{
					Kind: billing.LineUsage, Index: 1, Product: "LLM usage", MeterName: "images", Price: packs, Span: month, Events: 1, Quantity: num("1250.5"),
					Free: num("200"), Covered: num("100"), Charged: num("950.5"), Exact: "50", Rounding: "0", Amount: eur(5000),
					Uses: []billing.CreditUse{{Grant: "gra_1", Note: "starter pack", Amount: num("100")}},
				},
				{
					Kind: billing.LineTrial, Product: "LLM usage", MeterName: "llm tokens", Price: price, Span: period.Span{Start: month.Start, End: at("2026-02-10T11:30:15Z")}, Events: 3,
					Quantity: num("77"), Exact: "0", Rounding: "0", Amount: eur(0),
				},
				{
					Kind: billing.LineAdjustment, Product: "LLM usage", MeterName: "llm tokens", Price: price, Span: period.Span{Start: at("2025-12-31T23:00:00Z"), End: month.Start}, Events: 2,
					Quantity: num("300000"), Exact: "3", Rounding: "0", Billed: eur(400), Amount: eur(-100), Corrects: "INV-000030",
				},
				{Kind: billing.LineCarry, Span: period.Span{Start: at("2025-12-31T23:00:00Z"), End: month.Start}, Amount: eur(35), Corrects: "INV-000030"},
			},
			Subtotal: eur(6170), Uses: []billing.CreditUse{{Grant: "gra_2", Note: "goodwill", Amount: num("10")}}, Credit: eur(1000), Total: eur(5170),
			Issued: at("2026-03-01T00:05:00Z"), Notes: []string{"What was used during the trial costs nothing."},
		},
		State: billing.InvoicePaid, Paid: eur(5170), Due: eur(0), SHA256: strings.Repeat("ab", 32),
	}
}

func options() pdf.Options {
	card := billing.PaymentMethod{Provider: "sandbox", Label: "Visa ending in 4242, 12/30"}
	return pdf.Options{
		Issuer: pdf.Issuer{Name: "Weir Example GmbH", Lines: []string{"Brückenstraße 1", "10179 Berlin", "VAT DE000000000"}},
		Payments: []billing.Payment{
			{Amount: eur(5170), State: billing.PaymentDeclined, Method: card, Reason: "The card was declined.", Reference: "ch_1", Updated: at("2026-03-01T00:06:00Z")},
			{Amount: eur(5170), State: billing.PaymentSucceeded, Method: card, Reference: "ch_2", Updated: at("2026-03-03T09:00:00Z")},
		},
	}
}

func write(t testing.TB, a billing.Account, o pdf.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pdf.Invoice(&b, a, o); err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("WEIR_TEST_PDF_DIR"); keep != "" { // to look at them
		name := strings.NewReplacer("/", "_", " ", "_").Replace(t.Name()) + fmt.Sprintf("_%d.pdf", len(a.Invoice.Lines))
		if err := os.WriteFile(filepath.Join(keep, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// TestInvoice_text compares all that is shown with a golden text.
func TestInvoice_text(t *testing.T) {
	t.Parallel()
	estimate := account()
	estimate.Invoice.Number, estimate.Invoice.Issued, estimate.Invoice.Lines, estimate.Invoice.Uses = "", 0, nil, nil
	estimate.Invoice.Subtotal, estimate.Invoice.Credit, estimate.Invoice.Total, estimate.SHA256 = eur(0), eur(0), eur(0), ""
	carried := account()
	carried.Invoice.Lines = carried.Invoice.Lines[4:]
	carried.Invoice.Subtotal, carried.Invoice.Total, carried.Invoice.Uses, carried.Invoice.Credit = eur(35), eur(35), nil, eur(0)
	carried.State, carried.Paid = billing.InvoiceCarried, eur(0)
	for name, tt := range map[string]struct {
		a billing.Account
		o pdf.Options
	}{
		"invoice":  {account(), options()},
		"estimate": {estimate, pdf.Options{}},
		"carried":  {carried, pdf.Options{Issuer: pdf.Issuer{Name: "Weir Example GmbH"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := flat(extract(t, write(t, tt.a, tt.o)))
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestInvoice_bytes: the same invoice is the same file, also when many are
// written at once, and the time of writing is nowhere in it.
func TestInvoice_bytes(t *testing.T) {
	t.Parallel()
	first := write(t, account(), options())
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			var b bytes.Buffer
			if err := pdf.Invoice(&b, account(), options()); err != nil || !bytes.Equal(b.Bytes(), first) {
				t.Errorf("other bytes than before: %v", err)
			}
		})
	}
	all.Wait()
	if dates := bytes.Count(first, []byte("(D:20260301000500")); dates != 2 {
		t.Errorf("%d dates of the document are the invoice's, want that of creation and of change", dates)
	}
	other := account()
	other.Due = eur(1)
	if bytes.Equal(write(t, other, options()), first) {
		t.Error("another invoice is the same file")
	}
	if len(first) > 100_000 {
		t.Errorf("a page takes %d bytes", len(first))
	}
}

// TestInvoice_long: 200 lines go on over pages, each with the head of the table,
// its number and the number of pages, and none is lost or cut.
func TestInvoice_long(t *testing.T) {
	t.Parallel()
	a := account()
	pattern := a.Invoice.Lines[0]
	a.Invoice.Lines = nil
	for i := range 200 {
		l := pattern
		l.MeterName = fmt.Sprintf("meter %03d", i)
		a.Invoice.Lines = append(a.Invoice.Lines, l)
	}
	pages := extract(t, write(t, a, options()))
	if len(pages) < 8 {
		t.Fatalf("%d pages", len(pages))
	}
	for i, p := range pages {
		if want := fmt.Sprintf("Page %d of %d", i+1, len(pages)); !slices.Contains(p, want) {
			t.Errorf("page %d has no %q", i+1, want)
		}
		if i < len(pages)-1 && !slices.Contains(p, "Unit price") {
			t.Errorf("page %d has no head of the table", i+1)
		}
	}
	all := flat(pages)
	for i := range 200 {
		if want := fmt.Sprintf("LLM usage: meter %03d\n", i); strings.Count(all, want) != 1 {
			t.Errorf("%q is there %d times", want, strings.Count(all, want))
		}
	}
	if n := strings.Count(all, "12.35\n"); n != 200 {
		t.Errorf("%d amounts", n)
	}
	if n := strings.Count(all, "Total\n"); n != 1 {
		t.Errorf("%d totals", n)
	}
}

// TestInvoice_scripts sets names of several scripts; what the fonts lack is a
// square and breaks nothing.
func TestInvoice_scripts(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Общество «Ромашка»":        "Общество «Ромашка»",
		"Ελληνική Εταιρεία ΑΕ":      "Ελληνική Εταιρεία ΑΕ",
		"Zażółć gęślą jaźń":         "Zażółć gęślą jaźń",
		"Zaz\u0307o\u0301l\u0301":   "Zażóĺ", // decomposed
		"Đặng Văn Ñandú Ő Ř ẞ ı İ":  "Đặng Văn Ñandú Ő Ř ẞ ı İ",
		"(back\\slash) {nb} <&> ₴₹": "(back\\slash) {nb} <&> ₴₹",
		"株式会社 🙂 name":               "□□□□ □ name",
		"bad \xff bytes\x00\nline":  "bad □ bytes line",
		"\u202eright to left":       "right to left",
		"\U0010ffff \uffff end":     "□ □ end",
		"non\u00a0breaking\u2003em": "non breaking em",
		"soft\u00adhyphen":          "softhyphen",
	} {
		a := account()
		a.Invoice.Customer = billing.Party{Name: name}
		if got := flat(extract(t, write(t, a, options()))); !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("%q is not shown as %q:\n%.400s", name, want, got)
		}
	}
}

// TestInvoice_wide: what is longer than its place is wrapped, and nothing of it
// is lost.
func TestInvoice_wide(t *testing.T) {
	t.Parallel()
	a := account()
	l := a.Invoice.Lines[0]
	l.Quantity, l.MeterName = num("9223372036854775807.123456789012"), strings.Repeat("supercalifragilistic", 12)
	l.Amount = billing.Money{Minor: -9223372036854775807, Currency: "EUR"}
	l.Exact, l.Rounding = "1/3", "-1/300"
	a.Invoice.Lines = []billing.Line{l}
	o := options()
	o.Issuer.Name = strings.Repeat("A rather long name ", 12)
	o.Issuer.Lines = slices.Repeat([]string{strings.Repeat("street ", 60)}, 80)
	pages := extract(t, write(t, a, o))
	for _, want := range []string{"9,223,372,036,854,775,807.123456789012", l.MeterName, "-92,233,720,368,547,758.07"} {
		// The parts of one cell stand between those of the others.
		rest := want
		for _, piece := range slices.Concat(pages...) {
			rest = strings.TrimPrefix(rest, piece)
		}
		if rest != "" {
			t.Errorf("%q of %q is not shown", rest, want)
		}
	}
	all := flat(pages)
	if !strings.Contains(all, "Exactly 1/3 EUR; rounding added -1/300") {
		t.Errorf("a fraction is not shown")
	}
	if n := strings.Count(all, "street"); n != 80*60 {
		t.Errorf("the issuer has %d words of %d", n, 80*60)
	}
}

type fullDisk struct{}

var errFull = errors.New("disk full")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestInvoice_errors(t *testing.T) {
	t.Parallel()
	if err := pdf.Invoice(fullDisk{}, account(), options()); !errors.Is(err, errFull) {
		t.Errorf("a writer that fails: %v", err)
	}
	a := account()
	a.Invoice.Zone = "Mars/Olympus"
	if err := pdf.Invoice(&bytes.Buffer{}, a, options()); err == nil || !strings.Contains(err.Error(), "Mars") {
		t.Errorf("a zone that is none: %v", err)
	}
	before := account()
	notes := make([]string, 1, 4)
	notes[0] = "n"
	before.Invoice.Notes = notes
	write(t, before, options())
	if extra := notes[:2][1]; extra != "" {
		t.Errorf("the caller's notes were written to: %q", extra)
	}
}

// TestInvoice_pdftotext reads the text with a program that others use.
func TestInvoice_pdftotext(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("pdftotext")
	if err != nil {
		t.Skip("SKIPPED: pdftotext (package poppler-utils) is not installed; the PDF was read by our own reader only")
	}
	a := account()
	a.Invoice.Customer.Name = "Общество Ελληνική Jaźń"
	file := filepath.Join(t.TempDir(), "invoice.pdf")
	if err := os.WriteFile(file, write(t, a, options()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "-layout", file, "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"Общество Ελληνική Jaźń (zolc)", "INV-000042", "1 Feb 2026 00:00 to 1 Mar 2026 00:00 Europe/Warsaw", "1,234,567", "0.01 per 1,000", "12.35",
		"Exactly 12.34567 EUR; rounding added 0.00433", "Page 1 of 1", "51.70 EUR",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func BenchmarkInvoice(b *testing.B) {
	for b.Loop() {
		if err := pdf.Invoice(&bytes.Buffer{}, account(), options()); err != nil {
			b.Fatal(err)
		}
	}
}
