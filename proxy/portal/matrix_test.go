package portal_test

import (
	"crypto/sha256"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

// things are one of everything that a path can name.
type things struct{ call, key, invoice, number string }

// own makes one of everything for the desk's customer.
func (d *desk) own() things {
	d.Helper()
	k := d.key(d.Customer.ID, "key of "+d.Customer.ExternalID)
	start := d.Time().Format("2006-01-02T15:04:05Z")
	d.Contract(d.Product("Product of "+d.Customer.ExternalID, []billing.Price{d.Price("0.01", 1000)}), start)
	e := d.Call(start, "model-of-"+d.Customer.ExternalID, 1_000_000, with(k))
	d.Grant(billing.Grant{Currency: billing.USD, Issued: billingtest.Number("1"), Note: "credit of " + d.Customer.ExternalID})
	d.Later(32 * 24 * time.Hour)
	d.Settle()
	list := d.Invoices()
	if len(list) != 1 {
		d.Fatalf("%d invoices", len(list))
	}
	return things{e.ID.String(), k.ID, list[0].Invoice.ID, list[0].Invoice.Number}
}

// path fills the parameters of a route.
func (t things) path(route portal.Route) string {
	p := strings.NewReplacer("{call}", t.call, "{key}", t.key, "{invoice}", t.invoice, "{secret}", "secret", "{$}", "").Replace(route.Path)
	return strings.TrimPrefix(p, "/portal")
}

// TestRoutes is every route, as the table has them, against who may be at the
// browser, S25, and against what belongs to somebody else, S26.
func TestRoutes(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acme := d.Customer
	mine := d.own()
	d.Customer = d.AddCustomer("globex")
	theirs := d.own()
	d.Must(d.Usage.CreateSession(d.Context(), metering.Session{
		Org: metering.DefaultOrg, Hash: sha256.Sum256([]byte("operator")), Kind: metering.SessionOperator, Subject: acme.ID,
		Created: metering.MicrosOf(d.wall), Expires: metering.MicrosOf(d.wall.Add(time.Hour)),
	}))
	d.Must(d.Usage.CreateSession(d.Context(), metering.Session{
		Org: "another", Hash: sha256.Sum256([]byte("elsewhere")), Kind: metering.SessionCustomer, Subject: acme.ID,
		Created: metering.MicrosOf(d.wall), Expires: metering.MicrosOf(d.wall.Add(time.Hour)),
	}))
	request := func(route portal.Route, path string) answer {
		r := httptest.NewRequest(route.Method, "/portal"+path, strings.NewReader("confirm=yes&name=new"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return d.do(r)
	}
	if len(d.server.Routes()) < 25 {
		t.Fatalf("%d routes", len(d.server.Routes()))
	}
	for _, route := range d.server.Routes() {
		if route.Access == portal.Everybody {
			continue
		}
		for _, cookie := range []string{"", "operator", "elsewhere", "nothing", mine.key, "operator.elsewhere"} {
			d.jar = cookie
			a := request(route, mine.path(route))
			if a.status == http.StatusSeeOther && a.header.Get("Location") == "/portal/login" || a.status == http.StatusUnauthorized {
				continue
			}
			t.Errorf("%s %s with session %q: %d", route.Method, route.Path, cookie, a.status)
		}
	}
	d.signIn(acme.ID)
	session := d.jar
	for _, route := range d.server.Routes() {
		if !strings.Contains(route.Path, "{") || route.Access == portal.Everybody || strings.HasSuffix(route.Path, "{$}") {
			continue
		}
		d.jar = session
		if a := request(route, theirs.path(route)); a.status != http.StatusNotFound {
			t.Errorf("%s %s of another customer: %d", route.Method, route.Path, a.status)
		}
		numbered := theirs
		numbered.invoice = theirs.number
		if a := request(route, numbered.path(route)); a.status != http.StatusNotFound {
			t.Errorf("%s %s of another customer, by number: %d", route.Method, route.Path, a.status)
		}
		if route.Method == http.MethodGet {
			d.open(mine.path(route))
		}
	}
	if k, err := d.Usage.Key(d.Context(), metering.DefaultOrg, theirs.key); err != nil || k.Revoked != 0 {
		t.Errorf("the key of another customer: %+v, %v", k, err)
	}
	if _, charges := d.Bank.Taken(); charges != 0 {
		t.Errorf("%d charges of another customer", charges)
	}
	for _, path := range []string{"/calls?key=" + theirs.key, "/usage?sub=nothing", "/calls.csv?key=" + theirs.key, "/calls?key=%00", "/calls/not-an-id", "/nothing"} {
		if a := d.get(path); a.status != http.StatusNotFound {
			t.Errorf("GET %s: %d", path, a.status)
		}
	}
}

// TestPages_ownFiguresAlone: no page, file or choice of one customer has
// anything of another.
func TestPages_ownFiguresAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	acme := d.Customer
	mine := d.own()
	d.Customer = d.AddCustomer("globex")
	theirs := d.own()
	d.signIn(acme.ID)
	for _, route := range d.server.Routes() {
		if route.Method != http.MethodGet || strings.Contains(route.Path, "login") || strings.HasSuffix(route.Path, "/return") {
			continue
		}
		a := d.open(mine.path(route) + "?from=2026-01-01&to=2026-12-31")
		a.lacks("globex", theirs.call, theirs.key, theirs.invoice, theirs.number)
		if !strings.HasSuffix(route.Path, "}/pdf") && !strings.HasSuffix(route.Path, ".csv") && !strings.HasSuffix(route.Path, ".json") {
			a.wants("acme")
		}
	}
}
