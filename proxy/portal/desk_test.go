package portal_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

// desk is the portal over a database with what bills in it, and a browser.
type desk struct {
	*billingtest.World
	server *portal.Server
	bank   *cards
	ring   *ring
	log    *strings.Builder
	wall   time.Time // of sessions
	jar    string    // the cookie of the browser
}

// cards is the bank with a page where cards are entered.
type cards struct {
	*billingtest.Bank
	setups map[string]string // token by customer and setup
}

func (c *cards) SetupURL(_ context.Context, customer, returnURL string) (string, error) {
	return "https://bank.example/setup?customer=" + customer + "&back=" + url.QueryEscape(returnURL), nil
}

func (c *cards) Method(_ context.Context, customer, setup string) (billing.PaymentMethod, error) {
	token, ok := c.setups[customer+" "+setup]
	if !ok {
		return billing.PaymentMethod{}, metering.ErrNotFound
	}
	return billing.PaymentMethod{Token: token, Label: "card " + token}, nil
}

// ring counts how often keys are read again.
type ring struct {
	mu sync.Mutex
	n  int
}

func (r *ring) Reload(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	return nil
}

func mint(test bool) (string, [32]byte, string, string, error) {
	id, err := metering.NewID()
	kind := "live"
	if test {
		kind = "test"
	}
	var hash [32]byte
	copy(hash[:], id[:])
	return "weir_" + kind + "_secret-" + id.String(), hash, "weir_" + kind + "_abcd", "wxyz", err
}

func newDesk(t *testing.T, edit ...func(*portal.Options)) *desk {
	t.Helper()
	w := billingtest.NewWorld(t, "sqlite:"+filepath.Join(t.TempDir(), "weir.db"))
	d := &desk{World: w, bank: &cards{w.Bank, make(map[string]string)}, ring: &ring{}, log: &strings.Builder{}, wall: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)}
	o := portal.Options{
		Store: w.Usage, Ring: d.ring, MintKey: mint, Bills: w.Store, Biller: w.Biller, Provider: d.bank, Pay: w.Worker.Pay,
		PDF: func(out io.Writer, a billing.Account, payments []billing.Payment) error {
			_, err := fmt.Fprintf(out, "%%PDF of %s, %d payments", a.Invoice.Number, len(payments))
			return err
		},
		Proxy: "http://weir.example", SignIn: func() time.Time { return d.wall }, Now: w.Time, Logger: slog.New(slog.NewTextHandler(d.log, nil)),
	}
	for _, e := range edit {
		e(&o)
	}
	var err error
	d.server, err = portal.New(o)
	w.Must(err)
	return d
}

// link makes a one-use link for a customer and returns its path.
func (d *desk) link(customer string) string {
	d.Helper()
	secret, err := portal.NewLink(d.Context(), d.Usage, metering.DefaultOrg, customer, time.Hour, d.wall)
	d.Must(err)
	return "/login/" + secret
}

// signIn signs the browser in as a customer.
func (d *desk) signIn(customer string) *desk {
	d.Helper()
	if a := d.send(d.link(customer)); a.status != http.StatusSeeOther {
		d.Fatalf("sign in: %d\n%s", a.status, a.body)
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

// do sends a request with the browser's cookie, and keeps the one that comes.
func (d *desk) do(r *http.Request) answer {
	d.Helper()
	if d.jar != "" {
		r.AddCookie(&http.Cookie{Name: "weir_portal", Value: d.jar})
	}
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		if c.Name == "weir_portal" {
			d.jar = c.Value
		}
	}
	return answer{d, w.Code, w.Body.String(), w.Header()}
}

func (d *desk) get(path string) answer {
	d.Helper()
	return d.do(httptest.NewRequest(http.MethodGet, "/portal"+path, nil))
}

// open wants a page.
func (d *desk) open(path string) answer {
	d.Helper()
	a := d.get(path)
	if a.status != http.StatusOK {
		d.Fatalf("GET %s: %d\n%s\n%s", path, a.status, a.text(), d.log)
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
	r := httptest.NewRequest(http.MethodPost, "/portal"+path, strings.NewReader(values.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return d.do(r)
}

// done sends a form and follows where it leads.
func (d *desk) done(path string, pairs ...string) answer {
	d.Helper()
	a := d.send(path, pairs...)
	if a.status != http.StatusSeeOther {
		d.Fatalf("POST %s %q: %d\n%s", path, pairs, a.status, a.text())
	}
	at, _, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Location"), "/portal"), "#")
	return d.open(at)
}

var (
	tags   = regexp.MustCompile(`<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
)

func plain(s string) string {
	return strings.TrimSpace(blanks.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(s, " ")), " "))
}

// text is what is read of a page.
func (a answer) text() string { return plain(a.body) }

// wants holds that a page says each of these.
func (a answer) wants(parts ...string) answer {
	a.t.Helper()
	for _, part := range parts {
		if !strings.Contains(a.text(), part) {
			a.t.Errorf("the page does not say %q:\n%s", part, a.text())
		}
	}
	return a
}

// lacks holds that a page has none of these, in its markup either.
func (a answer) lacks(parts ...string) answer {
	a.t.Helper()
	for _, part := range parts {
		if strings.Contains(a.body, part) || strings.Contains(a.text(), part) {
			a.t.Errorf("the page has %q:\n%s", part, a.text())
		}
	}
	return a
}

// links are where a page leads to.
func (a answer) links() []string {
	var out []string
	for _, m := range regexp.MustCompile(`(?:href|action)="([^"]*)"`).FindAllStringSubmatch(a.body, -1) {
		out = append(out, html.UnescapeString(m[1]))
	}
	return out
}

// table is a table of a page by its label or the heading above it: rows of cells.
func (a answer) table(label string) [][]string {
	a.t.Helper()
	i := strings.Index(a.body, label)
	if i < 0 {
		a.t.Fatalf("there is no table %q in\n%s", label, a.text())
	}
	body := a.body[i:]
	body = body[strings.Index(body, "<table"):]
	body = body[:strings.Index(body, "</table>")]
	var out [][]string
	for _, row := range strings.Split(body, "<tr")[1:] {
		var cells []string
		for _, m := range regexp.MustCompile(`(?s)<t[hd][^>]*>(.*?)</t[hd]>`).FindAllStringSubmatch(row, -1) {
			cells = append(cells, plain(m[1]))
		}
		out = append(out, cells)
	}
	return out
}

// file reads a CSV: the rows below its header, by column.
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

// key makes a key of a customer.
func (d *desk) key(customer, name string, edit ...func(*metering.Key)) metering.Key {
	d.Helper()
	k := metering.Key{Org: metering.DefaultOrg, Customer: customer, Name: name, Created: d.At()}
	for _, e := range edit {
		e(&k)
	}
	var err error
	_, k.Hash, k.Prefix, k.Last4, err = mint(k.Test)
	d.Must(err)
	k, err = d.Usage.CreateKey(d.Context(), k)
	d.Must(err)
	return k
}

// with makes calls with a key.
func with(k metering.Key) func(*metering.Event) {
	return func(e *metering.Event) { e.Key, e.Test = k.ID, k.Test }
}
