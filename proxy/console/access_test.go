package console_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/proxy/console"
)

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// concrete fills the parameters of a route with something.
func concrete(path string) string {
	return parameter.ReplaceAllString(strings.TrimSuffix(path, "{$}"), "01a2139a-226f-7b42-b583-20ce676e5b6a")
}

// sessionFor keeps a session and returns its cookie.
func (o *office) sessionFor(edit func(*metering.Session)) *http.Cookie {
	o.Helper()
	secret := fmt.Sprintf("secret-%d", time.Now().UnixNano())
	s := metering.Session{
		Org: org, Hash: sha256.Sum256([]byte(secret)), Kind: metering.SessionOperator,
		Created: metering.MicrosOf(o.wall), Expires: metering.MicrosOf(o.wall.Add(time.Hour)),
	}
	edit(&s)
	o.must(o.store.CreateSession(o.Context(), s))
	return &http.Cookie{Name: "weir_console", Value: secret}
}

// TestRoutes_roles is the matrix of roles and routes, made from the router
// (S25): without a session of an operator of this organisation every route but
// the sign-in answers with the sign-in or 401.
func TestRoutes_roles(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(c *console.Options) { c.Billing = &console.Billing{} })
	link := func() string {
		secret, err := console.NewLink(t.Context(), o.store, org, time.Hour, o.wall)
		o.must(err)
		return secret
	}
	roles := map[string]*http.Cookie{
		"nobody":  nil,
		"guesser": {Name: "weir_console", Value: "guess"},
		"nothing": {Name: "weir_console", Value: ""},
		"customer": o.sessionFor(func(s *metering.Session) {
			s.Kind, s.Subject = metering.SessionCustomer, "01a2139a-226f-7b42-b583-20ce676e5b6a"
		}),
		"expired":  o.sessionFor(func(s *metering.Session) { s.Expires = metering.MicrosOf(o.wall) }),
		"stranger": o.sessionFor(func(s *metering.Session) { s.Org = "other" }),
		"left":     o.sessionFor(func(s *metering.Session) { s.Subject = "left@example.com" }),
		"link":     {Name: "weir_console", Value: link()},
	}
	routes := o.server.Routes()
	if len(routes) < 50 {
		t.Fatalf("%d routes", len(routes))
	}
	seen := 0
	for role, cookie := range roles {
		for _, route := range routes {
			if route.Access == console.Everybody {
				continue
			}
			seen++
			o.cookie = cookie
			path := concrete(route.Path)
			var got reply
			if route.Method == http.MethodPost {
				got = o.send(path, nil)
			} else {
				got = o.get(path)
			}
			page := route.Method == http.MethodGet && !strings.HasSuffix(path, ".csv") && !strings.HasSuffix(path, ".json")
			if page && (got.status != http.StatusSeeOther || !strings.HasPrefix(got.header.Get("Location"), "/console/login")) || !page && got.status != http.StatusUnauthorized {
				t.Errorf("%s: %s %s: %d %s", role, route.Method, path, got.status, got.header.Get("Location"))
			}
			if len(got.body) > 300 {
				t.Errorf("%s: %s %s tells %.200s", role, route.Method, path, got.body)
			}
		}
	}
	o.cookie = nil
	if got := o.get("/console/no/such/page"); got.status != http.StatusSeeOther {
		t.Errorf("nobody learns that a path is none: %d", got.status)
	}
	t.Logf("%d roles × routes", seen)
}

// TestRoutes_foreign: what belongs to another organisation is not there, by any
// id and on any route (S26).
func TestRoutes_foreign(t *testing.T) {
	t.Parallel()
	o, _ := busy(t, func(c *console.Options) {
		c.PortalLink = func(context.Context, metering.Customer) (string, error) { return "https://portal.test/link", nil }
	})
	theirs, err := o.store.CreateCustomer(t.Context(), metering.Customer{Org: "other", ExternalID: "theirs", OnLoss: metering.LossRefuse, Created: metering.MicrosOf(o.now)})
	o.must(err)
	key := o.key(theirs, "theirs")
	event := o.call(key, time.Minute, "gpt-4o", 1, 1, metering.Cost{Micros: 1})
	meter, err := o.store.CreateMeter(t.Context(), metering.Meter{
		Org: "other", Name: "theirs", Filter: metering.Filter{Conjunction: metering.And}, Aggregate: metering.Aggregate{Func: metering.AggregateCount}, Created: metering.MicrosOf(o.now),
	})
	o.must(err)
	ids := map[string]string{"{customer}": theirs.ID, "{key}": key.ID, "{event}": event.ID.String(), "{meter}": meter.ID}
	tried := 0
	for _, route := range o.server.Routes() {
		name := parameter.FindString(route.Path)
		id, ok := ids[name]
		if !ok {
			continue
		}
		tried++
		path := strings.Replace(route.Path, name, id, 1)
		if route.Method == http.MethodPost {
			for _, confirm := range []string{"theirs", key.Last4} {
				if got := o.send(path, url.Values{"confirm": {confirm}}); got.status != http.StatusNotFound {
					t.Errorf("POST %s: %d", path, got.status)
				}
			}
			continue
		}
		if got := o.get(path); got.status != http.StatusNotFound || strings.Contains(got.body, "theirs") {
			t.Errorf("GET %s: %d", path, got.status)
		}
	}
	want(t, "routes with ids", tried, 11)
	for _, path := range []string{"/events", "/events.csv", "/usage", "/usage.json", "/keys", "/keys.csv", "/live", "/meters/llm-tokens"} {
		for _, ref := range []string{theirs.ID, "theirs"} {
			if got := o.get("/console" + path + "?customer=" + ref); got.status != http.StatusNotFound {
				t.Errorf("GET %s of a customer of theirs: %d", path, got.status)
			}
		}
	}
	if got := o.get("/console/events?key=" + key.ID); got.status != http.StatusNotFound {
		t.Errorf("calls of a key of theirs: %d", got.status)
	}
	if k, err := o.store.Key(t.Context(), "other", key.ID); err != nil || k.Revoked != 0 || k.Expires != 0 {
		t.Errorf("their key: %+v, %v", k, err)
	}
	if got := o.send("/console/keys", url.Values{"customer": {theirs.ID}}); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a key for a customer of theirs: %d", got.status)
	}
	if got := o.page("/console/"); strings.Contains(got.body, "theirs") {
		t.Error("the overview has them")
	}
}

// TestRoutes_crossOrigin: no form of another site does anything (S27).
func TestRoutes_crossOrigin(t *testing.T) {
	t.Parallel()
	o := newOffice(t).enter()
	posts := 0
	for _, route := range o.server.Routes() {
		if route.Method != http.MethodPost {
			continue
		}
		posts++
		for _, header := range [][2]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"}} {
			r := httptest.NewRequest(http.MethodPost, concrete(route.Path), strings.NewReader("external_id=x"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set(header[0], header[1])
			if got := o.do(r); got.status != http.StatusForbidden {
				t.Errorf("%s with %v: %d", route.Path, header, got.status)
			}
		}
	}
	if posts < 10 {
		t.Errorf("%d routes post", posts)
	}
	if list, _, err := o.store.Customers(t.Context(), org, 10, ""); err != nil || len(list) != 0 {
		t.Errorf("customers: %v, %v", list, err)
	}
}

// TestLink: a link signs in once, is not used up by being looked at, and is for
// operators of this organisation (S27).
func TestLink(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	secret, err := console.NewLink(t.Context(), o.store, org, time.Hour, o.wall)
	o.must(err)
	path := "/console/login/" + secret
	for range 3 {
		if got := o.page(path); len(got.header.Values("Set-Cookie")) != 0 {
			t.Error("looking at a link signs in")
		}
	}
	// A session that somebody planted is not the one that is signed in (fixation).
	o.cookie = &http.Cookie{Name: "weir_console", Value: "planted"}
	got := o.send(path, nil)
	want(t, "sign in", got.status, http.StatusSeeOther)
	session := got.session()
	if session.Value == "planted" || len(session.Value) < 43 || session.Value == secret {
		t.Errorf("session %q", session.Value)
	}
	if !session.HttpOnly || session.SameSite != http.SameSiteLaxMode || session.Path != "/console" || session.Secure || session.MaxAge != 12*3600 {
		t.Errorf("cookie %+v", session)
	}
	if o.get("/console/keys").status != http.StatusSeeOther {
		t.Error("the planted session is signed in")
	}
	o.cookie = session
	o.page("/console/keys")
	o.cookie = nil
	if again := o.send(path, nil); again.status != http.StatusForbidden || len(again.header.Values("Set-Cookie")) != 0 {
		t.Errorf("the second use: %d", again.status)
	}
	late, err := console.NewLink(t.Context(), o.store, org, time.Hour, o.wall.Add(-time.Hour))
	o.must(err)
	other, err := console.NewLink(t.Context(), o.store, "other", time.Hour, o.wall)
	o.must(err)
	hash := sha256.Sum256([]byte("portal"))
	o.must(o.store.CreateLink(t.Context(), metering.Session{
		Org: org, Hash: hash, Kind: metering.SessionCustomer, Subject: "c", Created: metering.MicrosOf(o.wall), Expires: metering.MicrosOf(o.wall.Add(time.Hour)),
	}))
	for _, bad := range []string{late, other, "portal", "guess"} {
		if got := o.send("/console/login/"+bad, nil); got.status != http.StatusForbidden || len(got.header.Values("Set-Cookie")) != 0 {
			t.Errorf("link %.10s…: %d", bad, got.status)
		}
	}
}

// TestSession: it ends with a sign-out, after twelve hours, and where another
// one begins.
func TestSession(t *testing.T) {
	t.Parallel()
	o := newOffice(t).enter()
	first := o.cookie
	o.enter() // with the first session in hand
	second := o.cookie
	o.cookie = first
	if o.get("/console/").status != http.StatusSeeOther {
		t.Error("the session before goes on")
	}
	o.cookie = second
	if got := o.send("/console/logout", nil); got.status != http.StatusSeeOther || got.session().MaxAge >= 0 {
		t.Errorf("sign out: %d", got.status)
	}
	if o.get("/console/").status != http.StatusSeeOther {
		t.Error("a signed-out session works")
	}
	o.cookie = nil
	o.enter()
	o.wall = o.wall.Add(12*time.Hour - time.Second)
	o.page("/console/")
	o.wall = o.wall.Add(time.Second)
	if o.get("/console/").status != http.StatusSeeOther {
		t.Error("a session lasts longer than twelve hours")
	}
	secure := newOffice(t, func(c *console.Options) { c.Secure = true }).enter()
	if !secure.cookie.Secure {
		t.Error("the cookie is not for TLS alone")
	}
}

// TestLogin: by address and password, with the same answer to whatever is
// wrong, and not by trying.
func TestLogin(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const password = "correct horse battery"
	hash, err := console.HashPassword(password)
	o.must(err)
	for _, email := range []string{"ann@example.com", "bob@example.com"} {
		_, err = o.store.SaveAdmin(t.Context(), metering.Admin{Org: org, Email: email, PasswordHash: hash, Created: metering.MicrosOf(o.wall)})
		o.must(err)
	}
	_, err = o.store.SaveAdmin(t.Context(), metering.Admin{Org: org, Email: "links@example.com", Created: metering.MicrosOf(o.wall)})
	o.must(err)
	login := func(email, password, next string) reply {
		return o.send("/console/login", url.Values{"email": {email}, "password": {password}, "next": {next}})
	}
	got := login(" Ann@Example.com ", password, "/console/keys?customer=x")
	want(t, "sign in", got.status, http.StatusSeeOther)
	want(t, "where to", got.header.Get("Location"), "/console/keys?customer=x")
	o.cookie = got.session()
	if !strings.Contains(o.page("/console/").body, "ann@example.com") {
		t.Error("the page does not say who is signed in")
	}
	o.cookie = nil
	wrong := map[string]string{"ann@example.com": "wrong horse battery", "nobody@example.com": password, "links@example.com": ""}
	var bodies []string
	for email, pass := range wrong {
		got := login(email, pass, "")
		want(t, "status of "+email, got.status, http.StatusUnauthorized)
		bodies = append(bodies, strings.ReplaceAll(got.body, email, "X"))
	}
	if bodies[0] != bodies[1] || bodies[1] != bodies[2] {
		t.Error("the answer tells whether an address is known")
	}
	for range 4 { // more of them, each of which takes its time
		for _, email := range []string{"ann@example.com", "nobody@example.com"} {
			_, err := o.store.LoginFailed(t.Context(), org, email, metering.MicrosOf(o.wall))
			o.must(err)
		}
	}
	for _, email := range []string{"ann@example.com", "nobody@example.com"} {
		if got := login(email, password, ""); got.status != http.StatusTooManyRequests || len(got.header.Values("Set-Cookie")) != 0 {
			t.Errorf("%s after five failures: %d", email, got.status)
		}
	}
	want(t, "another address", login("bob@example.com", password, "").status, http.StatusSeeOther)
	o.wall = o.wall.Add(16 * time.Minute)
	want(t, "a quarter of an hour later", login("ann@example.com", password, "").status, http.StatusSeeOther)
}

// TestTheme: the reader's choice is kept and leads back to where it was made.
func TestTheme(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	got := o.send("/console/theme", url.Values{"theme": {"dark"}, "next": {"/console/login?next=%2Fconsole%2Fkeys"}})
	want(t, "where to", got.header.Get("Location"), "/console/login?next=%2Fconsole%2Fkeys")
	o.cookie = (&http.Response{Header: got.header}).Cookies()[0]
	if !strings.Contains(o.page("/console/login").body, `data-theme="dark"`) {
		t.Error("the page is not dark")
	}
	for _, next := range []string{"https://evil.example/console/", "//evil.example", "/consolex", `/console/\evil`, "javascript:x", ""} {
		want(t, "next "+next, o.send("/console/theme", url.Values{"next": {next}}).header.Get("Location"), "/console/")
	}
}

func TestNew_requires(t *testing.T) {
	t.Parallel()
	if _, err := console.New(console.Options{MintKey: keyring.Mint}); err == nil {
		t.Error("a console without a store")
	}
}
