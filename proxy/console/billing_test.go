package console

import (
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// desk is the billing pages over a database with what bills in it.
type desk struct {
	*billingtest.World
	pages *billingPages
	mux   *http.ServeMux
	log   *strings.Builder
	org   string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	w := billingtest.NewWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "weir.db"))
	d := &desk{World: w, mux: http.NewServeMux(), log: &strings.Builder{}, org: metering.DefaultOrg}
	templates := fstest.MapFS{}
	files, err := filepath.Glob("templates/*billing*.html")
	w.Must(err)
	for _, name := range files {
		text, err := os.ReadFile(name)
		w.Must(err)
		templates[filepath.Base(name)] = &fstest.MapFile{Data: text}
	}
	for _, block := range []string{"eventbilling", "billinghealth", "customerbilling"} {
		templates[block+".html"] = &fstest.MapFile{Data: []byte(`{{define "title"}}block{{end}}{{define "content"}}{{template "` + block + `" .Data}}{{end}}`)}
	}
	site, err := page.New(page.Options{
		Templates: fs.FS(templates), Base: "/console", Name: "Weir", Nav: billingNav("/console"), Now: w.Time,
		Viewer: func(*http.Request) string { return "op@example.com" },
	})
	w.Must(err)
	d.pages = &billingPages{
		Billing:  Billing{Store: w.Store, Biller: w.Biller, Worker: w.Worker},
		metering: w.Usage, site: site, base: "/console", org: func(*http.Request) string { return d.org },
		who: func(*http.Request) string { return "op@example.com" }, now: w.Time, log: slog.New(slog.NewTextHandler(d.log, nil)), once: newOnceForms(),
	}
	for pattern, h := range d.pages.routes() {
		d.mux.Handle(pattern, h)
	}
	return d
}

// answer is a page as it came.
type answer struct {
	t      *desk
	status int
	body   string
	header http.Header
}

func (d *desk) do(r *http.Request) answer {
	d.Helper()
	w := httptest.NewRecorder()
	d.mux.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	d.Must(err)
	return answer{d, w.Code, string(body), w.Header()}
}

// open wants a page.
func (d *desk) open(path string) answer {
	d.Helper()
	a := d.do(httptest.NewRequest(http.MethodGet, "/console"+path, nil))
	if a.status != http.StatusOK {
		d.Fatalf("GET %s: %d\n%s", path, a.status, a.body)
	}
	return a
}

// send sends a form, pairs of names and values.
func (d *desk) send(path string, pairs ...string) answer {
	d.Helper()
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Add(pairs[i], pairs[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, "/console"+path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return d.do(r)
}

// done sends a form and follows where it leads.
func (d *desk) done(path string, pairs ...string) (answer, string) {
	d.Helper()
	a := d.send(path, pairs...)
	if a.status != http.StatusSeeOther {
		d.Fatalf("POST %s %q: %d\n%s", path, pairs, a.status, a.body)
	}
	at := strings.TrimPrefix(a.header.Get("Location"), "/console")
	return d.open(at), at
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

// text is what is read of a page.
func text(body string) string {
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(body, " ")), " "))
}

// wants holds that a page says each of these.
func (a answer) wants(parts ...string) {
	a.t.Helper()
	for _, part := range parts {
		if !strings.Contains(text(a.body), part) {
			a.t.Errorf("the page does not say %q:\n%s", part, text(a.body))
		}
	}
}

// lacks holds that a page says none of these.
func (a answer) lacks(parts ...string) {
	a.t.Helper()
	for _, part := range parts {
		if strings.Contains(text(a.body), part) {
			a.t.Errorf("the page says %q:\n%s", part, text(a.body))
		}
	}
}

// links are where a page leads to.
func (a answer) links() []string {
	var out []string
	for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		out = append(out, html.UnescapeString(m[1]))
	}
	return out
}

// file reads a file of the page's: the rows below its header, by column.
func (d *desk) file(path string) []map[string]string {
	d.Helper()
	a := d.open(path)
	if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, "text/csv") {
		d.Fatalf("%s is %q", path, got)
	}
	rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
	d.Must(err)
	var out []map[string]string
	for _, row := range rows[1:] {
		m := make(map[string]string)
		for i, name := range rows[0] {
			m[name] = row[i]
		}
		out = append(out, m)
	}
	return out
}

// refused sends a form that is wrong and wants to be told why.
func (d *desk) refused(path string, status int, why string, pairs ...string) answer {
	d.Helper()
	a := d.send(path, pairs...)
	if a.status != status {
		d.Errorf("POST %s %q: %d, want %d\n%s", path, pairs, a.status, status, text(a.body))
	}
	if !strings.Contains(strings.ToLower(text(a.body)), strings.ToLower(why)) {
		d.Errorf("POST %s %q: the page does not say %q:\n%s", path, pairs, why, text(a.body))
	}
	return a
}

// billed is a month of usage and its invoice.
func (d *desk) billed(tokens string) billing.Account {
	d.Helper()
	d.Subscribe("2026-01-01T00:00:00Z")
	d.Use("2026-01-10T12:00:00Z", tokens)
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	list := d.Invoices()
	if len(list) != 1 {
		d.Fatalf("%d invoices", len(list))
	}
	return list[0]
}

// TestBillingPages_otherOrganisation: what belongs to somebody else is not
// there, to be read or to be changed.
func TestBillingPages_otherOrganisation(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acc := d.billed("1000000")
	grant := d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("5"), Note: "gift"})
	product := acc.Invoice.Lines[0].Price.Product
	d.org = "another"
	for _, path := range []string{
		"/products/" + product, "/subscriptions/" + acc.Invoice.Subscription, "/customers/" + d.Customer.ID + "/billing",
		"/invoices/" + acc.Invoice.ID, "/invoices/" + acc.Invoice.Number, "/invoices/" + acc.Invoice.ID + "/lines.csv", "/invoices?customer=acme",
	} {
		if a := d.do(httptest.NewRequest(http.MethodGet, "/console"+path, nil)); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
	for path, pairs := range map[string][]string{
		"/products/" + product + "/archive":                              {"confirm", "yes"},
		"/products/" + product + "/prices":                               {"meter", d.Meter, "amount", "9", "currency", "USD"},
		"/subscriptions/" + acc.Invoice.Subscription + "/end":            {"confirm", "yes", "when", "now"},
		"/invoices/" + acc.Invoice.ID + "/pay":                           {"confirm", "yes"},
		"/customers/" + d.Customer.ID + "/credits":                       {"amount", "9", "unit", "money:USD", "note", "x"},
		"/customers/" + d.Customer.ID + "/credits/" + grant.ID + "/void": {"confirm", "yes", "reason", "x"},
		"/customers/" + d.Customer.ID + "/subscriptions":                 {"product", product},
	} {
		if a := d.send(path, pairs...); a.status != http.StatusNotFound {
			t.Errorf("POST %s: %d", path, a.status)
		}
	}
	for _, path := range []string{"/invoices", "/products", "/subscriptions"} {
		d.open(path).lacks(acc.Invoice.Number, "LLM usage", "acme")
	}
	d.WantLeft("gift 5")
}

// TestBillingPages_empty: a page without anything says what the next step is.
func TestBillingPages_empty(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for path, want := range map[string]string{
		"/products": "There is no product yet", "/subscriptions": "There is no subscription yet", "/invoices": "There is no invoice yet",
		"/margin": "Nothing was used in this period", "/customers/acme/billing": "Make one first",
	} {
		d.open(path).wants(want)
	}
	if a := d.do(httptest.NewRequest(http.MethodGet, "/console/margin?by=moon", nil)); a.status != http.StatusBadRequest {
		t.Errorf("margin by moon: %d", a.status)
	}
	if a := d.do(httptest.NewRequest(http.MethodGet, "/console/invoices?state=moon", nil)); a.status != http.StatusBadRequest {
		t.Errorf("invoices of state moon: %d", a.status)
	}
}

// TestOnceForms: a form takes effect once, and again only if nothing came of it.
func TestOnceForms(t *testing.T) {
	t.Parallel()
	o := newOnceForms()
	name := o.mint()
	if !o.claim(name) || o.claim(name) {
		t.Error("a form took effect twice, or not at all")
	}
	o.release(name)
	if !o.claim(name) {
		t.Error("a form that failed cannot be sent again")
	}
	for i := range maxOnce + 10 {
		o.claim(fmt.Sprint(i))
	}
	if len(o.used) != maxOnce || len(o.order) != maxOnce {
		t.Errorf("%d and %d forms are remembered, want %d", len(o.used), len(o.order), maxOnce)
	}
}
