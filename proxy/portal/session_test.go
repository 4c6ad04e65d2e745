package portal_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

// TestLink_oneUse: what looks at a link before a person does uses nothing up,
// and a person uses it once, S27.
func TestLink_oneUse(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	link := d.link(d.Customer.ID)
	for range 3 {
		d.open(link).wants("Sign in", "good for one use")
	}
	if d.jar != "" {
		t.Fatal("looking at a link signs in")
	}
	if a := d.get("/"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/portal/login" {
		t.Fatalf("nobody is signed in: %d to %s", a.status, a.header.Get("Location"))
	}
	d.open("/login").wants("Ask whoever runs this service")
	d.done(link).wants("Overview", "acme")
	d.jar = ""
	if a := d.send(link); a.status != http.StatusForbidden || !strings.Contains(a.text(), "was used") || d.jar != "" {
		t.Errorf("a link was used twice: %d %s", a.status, a.text())
	}
	if a := d.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("a used link leaves somebody signed in: %d", a.status)
	}
}

func TestLink_refused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	operator := sha256.Sum256([]byte("operator"))
	d.Must(d.Usage.CreateLink(d.Context(), metering.Session{
		Org: metering.DefaultOrg, Hash: operator, Kind: metering.SessionOperator, Created: metering.MicrosOf(d.wall), Expires: metering.MicrosOf(d.wall.Add(time.Hour)),
	}))
	old := d.link(d.Customer.ID)
	d.wall = d.wall.Add(time.Hour + time.Second)
	for name, link := range map[string]string{"expired": old, "never was": "/login/nothing", "operator's": "/login/operator"} {
		if a := d.send(link); a.status != http.StatusForbidden || d.jar != "" {
			t.Errorf("a link that %s: %d", name, a.status)
		}
	}
	if _, err := portal.NewLink(d.Context(), d.Usage, metering.DefaultOrg, "", time.Hour, d.wall); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a link for nobody: %v", err)
	}
	if strings.Contains(d.log.String(), "/login/") {
		t.Errorf("the secret of a link is in the log:\n%s", d.log) // S29
	}
}

// TestSignIn_fixation: a session begins under a secret of its own, whatever the
// browser held before, and what it held ends, S27.
func TestSignIn_fixation(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.jar = "planted"
	link := d.link(d.Customer.ID)
	r := httptest.NewRequest(http.MethodPost, "/portal"+link, nil)
	r.AddCookie(&http.Cookie{Name: "weir_portal", Value: "planted"})
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	c := w.Result().Cookies()[0]
	if c.Value == "planted" || strings.Contains(c.Value, "planted") || len(c.Value) < 40 {
		t.Fatalf("cookie %q", c.Value)
	}
	if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/portal" || c.MaxAge != 3600 || c.Secure {
		t.Errorf("cookie %+v", c)
	}
	first := c.Value
	d.jar = first
	d.open("/")
	other := d.AddCustomer("globex")
	d.signIn(other.ID)
	d.open("/").wants("globex")
	if d.jar == first {
		t.Error("another sign-in goes on under the same secret")
	}
	d.jar = first
	if a := d.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("the session before goes on: %d", a.status)
	}
}

func TestSignIn_secureCookie(t *testing.T) {
	t.Parallel()
	d := newDesk(t, func(o *portal.Options) { o.Secure = true })
	r := httptest.NewRequest(http.MethodPost, "/portal"+d.link(d.Customer.ID), nil)
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	if !w.Result().Cookies()[0].Secure {
		t.Error("behind TLS the cookie is not for TLS alone")
	}
}

// TestCrossSite: no other site can have a form sent here, S27.
func TestCrossSite(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	k := d.key(d.Customer.ID, "live")
	link := d.link(d.Customer.ID)
	for _, path := range []string{link, "/logout", "/keys", "/keys/" + k.ID + "/revoke", "/card", "/theme"} {
		r := httptest.NewRequest(http.MethodPost, "/portal"+path, strings.NewReader("confirm=yes&name=x"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		if a := d.do(r); a.status != http.StatusForbidden {
			t.Errorf("POST %s from another site: %d", path, a.status)
		}
	}
	d.open("/keys").wants("live").lacks("revoked")
	d.jar = ""
	d.done(link) // it was not used up
}

// TestSession_slides: an hour after the last use it ends, with use after twelve,
// and it is never renewed without need.
func TestSession_slides(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	first := d.jar
	begun := d.wall
	d.wall = begun.Add(30 * time.Second)
	d.open("/keys")
	if d.jar != first {
		t.Error("renewed after half a minute")
	}
	for d.wall = begun.Add(59 * time.Minute); d.wall.Before(begun.Add(12 * time.Hour)); d.wall = d.wall.Add(59 * time.Minute) {
		d.open("/keys")
	}
	if d.jar == first {
		t.Error("never renewed")
	}
	d.wall = begun.Add(12*time.Hour + time.Second)
	if a := d.get("/keys"); a.status != http.StatusSeeOther {
		t.Errorf("a session goes on after twelve hours: %d", a.status)
	}

	d.signIn(d.Customer.ID)
	d.wall = d.wall.Add(time.Hour + time.Second)
	if a := d.get("/keys"); a.status != http.StatusSeeOther {
		t.Errorf("a session goes on after an idle hour: %d", a.status)
	}
}

// TestSession_renewed: requests that were sent with the secret before still
// pass, until the browser shows that it has the new one; then it is worth
// nothing. Signing out ends both.
func TestSession_renewed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	before := d.jar
	d.wall = d.wall.Add(30 * time.Minute)
	d.open("/keys")
	both := d.jar
	fresh, previous, renewed := strings.Cut(both, ".")
	if !renewed || previous != before {
		t.Fatalf("cookie %q after %q", both, before)
	}
	d.jar = before
	d.open("/keys")
	d.jar = both
	d.open("/keys")
	if d.jar != fresh {
		t.Errorf("cookie %q, want the new secret alone", d.jar)
	}
	d.jar = before
	if a := d.get("/keys"); a.status != http.StatusSeeOther {
		t.Errorf("the secret before the renewal is good still: %d", a.status)
	}

	d.jar = fresh
	d.wall = d.wall.Add(30 * time.Minute)
	d.open("/keys")
	latest := d.jar
	d.done("/logout").wants("Sign in by link")
	for _, secret := range strings.Split(latest, ".") {
		d.jar = secret
		if a := d.get("/keys"); a.status != http.StatusSeeOther {
			t.Errorf("somebody is signed in after signing out: %d", a.status)
		}
	}
}

// TestSession_ofNobody: an archived customer, an operator and a customer of
// whom somebody else has the id as an external id are not signed in.
func TestSession_ofNobody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	d.Must(d.Usage.ArchiveCustomer(d.Context(), metering.DefaultOrg, d.Customer.ID, d.At()))
	if a := d.get("/"); a.status != http.StatusSeeOther {
		t.Errorf("an archived customer is signed in: %d", a.status)
	}
	session := func(kind, subject string) {
		d.Must(d.Usage.CreateSession(d.Context(), metering.Session{
			Org: metering.DefaultOrg, Hash: sha256.Sum256([]byte(kind + subject)), Kind: kind, Subject: subject,
			Created: metering.MicrosOf(d.wall), Expires: metering.MicrosOf(d.wall.Add(time.Hour)),
		}))
		d.jar = kind + subject
		if a := d.get("/"); a.status != http.StatusSeeOther {
			t.Errorf("a session of kind %s of %q is signed in: %d", kind, subject, a.status)
		}
	}
	session(metering.SessionOperator, "ann@example.com")
	session(metering.SessionOperator, d.AddCustomer("globex").ID)
	session(metering.SessionCustomer, "")
	session(metering.SessionCustomer, "globex") // an external id is no subject
}
