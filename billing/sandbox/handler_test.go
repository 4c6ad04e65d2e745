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
}

func newSite(t *testing.T) *site {
	t.Helper()
	p := open(t, filepath.Join(t.TempDir(), "payments"))
	h, err := p.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return &site{t, p, h}
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
	if code != http.StatusOK || match == nil {
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
	for _, to := range []string{"https://evil.example/", "//evil.example/", `/\evil.example`, "javascript:alert(1)", "http://127.0.0.1:8082/", "http://a@127.0.0.1:8081/", ""} {
		if address, err := s.SetupURL(t.Context(), "acme", to); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%q: %s, %v", to, address, err)
		}
	}
	if _, err := s.SetupURL(t.Context(), "acme", base+"/portal/card"); err != nil {
		t.Error(err)
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
		if code, _, body := s.do(path, nil); code != http.StatusOK || !strings.Contains(body, "7.00 USD") || !strings.Contains(body, "<form") {
			t.Errorf("%s: the page: %d %s", answer, code, body)
		}
		if code, _, _ := s.do(path, url.Values{"answer": {"perhaps"}}); code != http.StatusBadRequest {
			t.Errorf("perhaps: %d", code)
		}
		for _, a := range []string{answer, "yes", "no"} {
			if code, _, body := s.do(path, url.Values{"answer": {a}}); code != http.StatusOK || strings.Contains(body, "<form") {
				t.Errorf("%s, then %s: %d %s", answer, a, code, body)
			}
			if r, err := s.Find(t.Context(), c.Key); err != nil || r.State != want {
				t.Errorf("%s, then %s: %+v, %v", answer, a, r, err)
			}
		}
	}
	code, _, body := s.do("/sandbox/pay/charges.json", nil)
	var list struct{ Charges []struct{ Key, State string } }
	if err := json.Unmarshal([]byte(body), &list); err != nil || code != http.StatusOK || len(list.Charges) != 2 {
		t.Errorf("charges: %d %s: %v", code, body, err)
	}
	for _, path := range []string{"/sandbox/pay/", "/sandbox/pay/style.css"} {
		if code, _, _ := s.do(path, nil); code != http.StatusOK {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, path := range []string{"/sandbox/pay/confirm/ch_none", "/sandbox/pay/setup/none"} {
		if code, _, body := s.do(path, nil); code != http.StatusNotFound || !strings.Contains(body, "Nothing here") {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}
