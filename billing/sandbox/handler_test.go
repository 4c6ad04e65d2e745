package sandbox_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/sandbox"
	"github.com/weirhq/weir/metering"
)

// site is the provider's pages.
type site struct {
	*testing.T
	*sandbox.Provider
	handler http.Handler
	path    string // of the provider's memory
}

func newSite(t *testing.T) *site {
	t.Helper()
	return siteAt(t, filepath.Join(t.TempDir(), "payments"))
}

func siteAt(t *testing.T, path string) *site {
	t.Helper()
	p := open(t, path)
	h, err := p.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, p, h, path}
}

// do makes a request and returns the answer. form nil is a GET.
func (s *site) do(path string, form url.Values, edit ...func(*http.Request)) (int, http.Header, string) {
	s.Helper()
	r := httptest.NewRequest(http.MethodGet, base+path, nil)
	if form != nil {
		r = httptest.NewRequest(http.MethodPost, base+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		s.Fatal(err)
	}
	if csp := w.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		s.Errorf("%s: policy %q", path, csp)
	}
	return w.Code, w.Header(), string(body)
}

// charges is charges.json.
func (s *site) charges(query string) (list struct {
	Charges []struct{ Key, State, Amount string }
	Total   int
},
) {
	s.Helper()
	code, _, body := s.do("/sandbox/pay/charges.json"+query, nil)
	if err := json.Unmarshal([]byte(body), &list); err != nil || code != http.StatusOK {
		s.Fatalf("charges: %d %s: %v", code, body, err)
	}
	return list
}

var secretField = regexp.MustCompile(`name="secret" value="([^"]+)"`)

// TestSetup enters a card by the form: what is wrong is said, nothing of the
// number comes back but to its form, and the customer returns with the setup.
func TestSetup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	address, err := s.SetupURL(t.Context(), "acme", "/portal/card?from=x")
	if err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(address, base)
	code, _, body := s.do(path, nil)
	match := secretField.FindStringSubmatch(body)
	if code != http.StatusOK || match == nil || strings.Count(body, match[1]) != 1 { // once, for whoever reads it with sed
		t.Fatalf("the form: %d %s", code, body)
	}
	good := url.Values{"secret": {match[1]}, "number": {"4242 4242 4242 4242"}, "expires": {"02/26"}, "code": {"123"}}
	with := func(name, value string) url.Values {
		f := url.Values{}
		for k, v := range good {
			f[k] = v
		}
		f.Set(name, value)
		return f
	}
	for name, tt := range map[string]struct {
		form url.Values
		want int
		says string
	}{
		"a wrong digit":    {with("number", "4242 4242 4242 4241"), 422, "not valid"},
		"a real card":      {with("number", "5555 5555 5555 4444"), 422, "knows only the cards"},
		"no number":        {with("number", " "), 422, "Enter the number"},
		"letters":          {with("number", "4242 4242 4242 424x"), 422, "digits only"},
		"a short number":   {with("number", "4242"), 422, "4 digits long"},
		"no date":          {with("expires", "soon"), 422, "09/31"},
		"a number too big": {with("number", strings.Repeat("4", 20<<10)), 403, "Not from this form"},
		"expired":          {with("expires", "01/26"), 422, "has expired"},
		"no expiry":        {with("expires", "13/30"), 422, "MM/YY"},
		"no code":          {with("code", "12"), 422, "three digits"},
		"of another form":  {with("secret", "guess"), 403, "Not from this form"},
		"without a secret": {with("secret", ""), 403, "Not from this form"},
	} {
		if code, _, body := s.do(path, tt.form); code != tt.want || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
	id := path[strings.LastIndex(path, "/")+1:]
	if _, err := s.Method(t.Context(), "acme", id); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("a card before one was entered: %v", err)
	}
	if code, _, _ := s.do(path, good, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }); code != http.StatusForbidden {
		t.Errorf("from another site: %d", code)
	}
	code, head, _ := s.do(path, good)
	if to := head.Get("Location"); code != http.StatusSeeOther || to != "/portal/card?from=x&setup="+id {
		t.Errorf("saved: %d to %q", code, to)
	}
	m, err := s.Method(t.Context(), "acme", id)
	if err != nil || m.Label != "Visa ending in 4242, 02/26" {
		t.Errorf("method %+v, %v", m, err)
	}
	if _, err := s.Method(t.Context(), "somebody else", id); !errors.Is(err, metering.ErrNotFound) {
		t.Errorf("another's card: %v", err)
	}
	if code, _, body := s.do(path, nil); code != http.StatusOK || strings.Contains(body, "<form") || strings.Contains(body, "4242 4242") {
		t.Errorf("the link again: %d %s", code, body)
	}
}

// TestSetupURL sends nobody elsewhere.
func TestSetupURL(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, to := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "http://127.0.0.1:8082/", "http://a@127.0.0.1:8081/", "https://127.0.0.1:8081/", "http:/portal", "http:8081/", "portal", "http://[::1]:8082/", "/" + strings.Repeat("x", 2000), ""} {
		if address, err := s.SetupURL(t.Context(), "acme", to); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%q: %s, %v", to, address, err)
		}
	}
	for _, to := range []string{base + "/portal/card", "/portal", "http://localhost:8081/x", "http://[::1]:8081/x?a=b"} {
		if _, err := s.SetupURL(t.Context(), "acme", to); err != nil {
			t.Errorf("%q: %v", to, err)
		}
	}
	for _, customer := range []string{"", "\xff", strings.Repeat("x", 501)} {
		if _, err := s.SetupURL(t.Context(), customer, "/"); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("customer %.10q: %v", customer, err)
		}
	}
}

// TestConfirm: a charge that waits ends as the customer says, once.
func TestConfirm(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for answer, want := range map[string]billing.PaymentState{"yes": billing.PaymentSucceeded, "no": billing.PaymentDeclined} {
		c := charge(t, s.Provider, "4000002500003155", answer)
		r, err := s.Charge(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		path := strings.TrimPrefix(r.ActionURL, base)
		code, _, body := s.do(path, nil)
		match := secretField.FindStringSubmatch(body)
		if code != http.StatusOK || !strings.Contains(body, "7.00 USD") || match == nil {
			t.Fatalf("%s: the page: %d %s", answer, code, body)
		}
		form := func(answer string) url.Values { return url.Values{"secret": {match[1]}, "answer": {answer}} }
		if code, _, _ := s.do(path, form("perhaps")); code != http.StatusBadRequest {
			t.Errorf("perhaps: %d", code)
		}
		if code, _, _ := s.do(path, url.Values{"answer": {answer}}); code != http.StatusForbidden {
			t.Errorf("without the secret of the page: %d", code)
		}
		if r, err := s.Find(t.Context(), c.Key); err != nil || r.State != billing.PaymentAction {
			t.Errorf("%s, of another form: %+v, %v", answer, r, err)
		}
		for _, a := range []string{answer, "yes", "no"} {
			if code, _, body := s.do(path, form(a)); code != http.StatusOK || strings.Contains(body, "<form") {
				t.Errorf("%s, then %s: %d %s", answer, a, code, body)
			}
			if r, err := s.Find(t.Context(), c.Key); err != nil || r.State != want {
				t.Errorf("%s, then %s: %+v, %v", answer, a, r, err)
			}
		}
	}
	for _, path := range []string{"/sandbox/pay/", "/sandbox/pay/style.css"} {
		if code, _, _ := s.do(path, nil); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	if list := s.charges(""); len(list.Charges) != 2 || list.Total != 2 {
		t.Errorf("charges: %+v", list)
	}
	for _, path := range []string{"/sandbox/pay/confirm/ch_none", "/sandbox/pay/setup/none"} {
		if code, _, body := s.do(path, nil); code != http.StatusNotFound || !strings.Contains(body, "Nothing here") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// TestCharges lists by key, customer and description.
func TestCharges(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, key := range []string{"a", "b"} {
		if _, err := s.Charge(t.Context(), charge(t, s.Provider, "4242424242424242", key)); err != nil {
			t.Fatal(err)
		}
	}
	c := charge(t, s.Provider, "4000000000000341", "c")
	c.Description = "Invoice INV-000002"
	if _, err := s.Charge(t.Context(), c); !errors.Is(err, billing.ErrChargeUnknown) {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"": "cba", "?key=b": "b", "?key=": "", "?customer=acme": "cba", "?customer=other": "", "?description=Invoice+INV-000001": "ba", "?description=Invoice+INV-000002&key=c": "c",
	} {
		keys := ""
		list := s.charges(query)
		for _, c := range list.Charges {
			keys += c.Key
		}
		if keys != want || list.Total != len(want) {
			t.Errorf("%q lists %q of %d, want %q", query, keys, list.Total, want)
		}
	}
	if code, _, body := s.do("/sandbox/pay/", nil); code != http.StatusOK || strings.Count(body, "<tr><td>") != 3 || !strings.Contains(body, "Invoice INV-000002") {
		t.Errorf("the page: %d %s", code, body)
	}
}

// TestSetup_everyFault says all that is wrong at once.
func TestSetup_everyFault(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, secret := s.setup("/back")
	code, _, body := s.do(path, url.Values{"secret": {secret}, "number": {"4242424242424241"}, "expires": {"13/30"}, "code": {"x"}})
	for _, want := range []string{`id="number-fault"`, `id="expires-fault"`, `id="code-fault"`, `aria-invalid`, `value="13/30"`} {
		if code != http.StatusUnprocessableEntity || !strings.Contains(body, want) {
			t.Errorf("%d without %s: %s", code, want, body)
		}
	}
}

// setup begins one and returns the path of its page and the secret on it.
func (s *site) setup(back string) (path, secret string) {
	s.Helper()
	address, err := s.SetupURL(s.Context(), "acme", back)
	if err != nil {
		s.Fatal(err)
	}
	path = strings.TrimPrefix(address, base)
	_, _, body := s.do(path, nil)
	match := secretField.FindStringSubmatch(body)
	if match == nil {
		s.Fatalf("the form: %s", body)
	}
	return path, match[1]
}

// TestSetup_use takes a card of the list with one button, and once however often
// the form is sent.
func TestSetup_use(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path, secret := s.setup("http://localhost:8081/portal?setup=old&a=1;2#card")
	id := path[strings.LastIndex(path, "/")+1:]
	var all sync.WaitGroup
	for _, number := range []string{"4242424242424242", "4000000000000002", "4000000000009995", "4000000000000341"} {
		all.Go(func() {
			code, head, body := s.do(path, url.Values{"secret": {secret}, "use": {number}})
			if to := head.Get("Location"); code != http.StatusSeeOther || to != "http://localhost:8081/portal?a=1;2&setup="+id+"#card" {
				t.Errorf("%d to %q: %s", code, to, body)
			}
		})
	}
	all.Wait()
	first, err := s.Method(t.Context(), "acme", id)
	if err != nil {
		t.Fatal(err)
	}
	s.do(path, url.Values{"secret": {secret}, "use": {"4000002500003155"}})
	if again, err := s.Method(t.Context(), "acme", id); err != nil || again != first {
		t.Errorf("another card for the same setup: %+v, %v; was %+v", again, err, first)
	}
}

// TestPolicy: a form may lead back to the name of this machine that the customer
// came from, which a browser takes for another site.
func TestPolicy(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for back, want := range map[string]string{"/portal": "form-action 'self'", "http://localhost:8081/portal": "form-action 'self' http://localhost:8081", base + "/portal": "form-action 'self' " + base} {
		path, _ := s.setup(back)
		if _, head, _ := s.do(path, nil); !strings.HasSuffix(head.Get("Content-Security-Policy"), want) {
			t.Errorf("%s: policy %q, want %q", back, head.Get("Content-Security-Policy"), want)
		}
	}
	// What a browser sends over plain HTTP by another name than localhost.
	path, secret := s.setup("/back")
	code, _, body := s.do(path, url.Values{"secret": {secret}, "use": {"4242424242424242"}}, func(r *http.Request) { r.Header.Set("Origin", base) })
	if code != http.StatusSeeOther {
		t.Errorf("from its own page: %d %s", code, body)
	}
}
