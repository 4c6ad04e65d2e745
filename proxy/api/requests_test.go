package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// TestBadRequests: everything that is wrong with an input is named, with a code
// that stays, and nothing is made of it.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	if _, err := s.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: "acme", Name: "Acme"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		code                     string
		says                     []string
	}{
		{"not JSON", "POST", "/api/v1/customers", `{`, 400, api.CodeMalformed, nil},
		{"a list", "POST", "/api/v1/customers", `[]`, 422, api.CodeInvalid, []string{"object"}},
		{"NUL", "POST", "/api/v1/customers", `{"external_id":"a\u0000","name":"x"}`, 400, api.CodeMalformed, []string{"NUL"}},
		{"not UTF-8", "POST", "/api/v1/customers", "{\"external_id\":\"a\xff\",\"name\":\"x\"}", 400, api.CodeMalformed, []string{"UTF-8"}},
		{"half a surrogate", "POST", "/api/v1/customers", `{"external_id":"\ud800","name":"x"}`, 400, api.CodeMalformed, []string{"surrogate"}},
		{"two faults at once", "POST", "/api/v1/customers", `{"name":5,"nmae":"x"}`, 422, api.CodeInvalid, []string{"external_id", "nmae", "name"}},
		{"a member twice", "POST", "/api/v1/customers", `{"external_id":"a","external_id":"b","name":"x"}`, 422, api.CodeInvalid, []string{"twice"}},
		{"already taken", "POST", "/api/v1/customers", `{"external_id":"acme","name":"x"}`, 409, api.CodeConflict, nil},
		{"unknown customer", "GET", "/api/v1/customers/nobody", "", 404, api.CodeNotFound, []string{"nobody"}},
		{"unknown path", "GET", "/api/v1/nonsense", "", 404, api.CodeNotFound, nil},
		{"dots", "GET", "/api/v1/customers/../keys", "", 404, api.CodeNotFound, nil},
		{"wrong method", "DELETE", "/api/v1/customers/acme", "", 405, api.CodeMethod, []string{"GET"}},
		{"unknown parameter", "GET", "/api/v1/customers?lmit=5", "", 422, api.CodeInvalid, []string{"lmit"}},
		{"limit out of bounds", "GET", "/api/v1/customers?limit=1000000", "", 422, api.CodeInvalid, []string{"limit"}},
		{"a cursor of nobody", "GET", "/api/v1/customers?cursor=nonsense", "", 422, api.CodeInvalid, nil},
		{"unknown group", "GET", "/api/v1/usage?by=colour", "", 422, api.CodeInvalid, []string{"colour"}},
		{"usage of nobody", "GET", "/api/v1/usage?customer=nobody", "", 404, api.CodeNotFound, []string{"nobody"}},
		{"time that is none", "GET", "/api/v1/usage?from=yesterdayish", "", 422, api.CodeInvalid, []string{"from"}},
		{"key of nobody", "POST", "/api/v1/keys", `{"customer":"nobody"}`, 404, api.CodeNotFound, nil},
		{"unknown permit", "POST", "/api/v1/keys", `{"customer":"acme","permits":["root"]}`, 422, api.CodeInvalid, []string{"permits[0]"}},
		{"create without attribute", "POST", "/api/v1/keys", `{"customer":"acme","permits":["create"]}`, 422, api.CodeInvalid, []string{"attribute"}},
		{"expired from birth", "POST", "/api/v1/keys", `{"customer":"acme","expires_at":"2001-01-01T00:00:00Z"}`, 422, api.CodeInvalid, []string{"expires_at"}},
		{"sum of nothing", "POST", "/api/v1/meters", `{"name":"m","aggregation":{"func":"sum"}}`, 422, api.CodeInvalid, []string{"property"}},
		{"unknown operator", "POST", "/api/v1/meters", `{"name":"m","aggregation":{"func":"count"},"filter":{"property":"a","operator":"===","value":1}}`, 422, api.CodeInvalid, []string{"operator"}},
		{"event of nobody", "POST", "/api/v1/events/ingest", `{"events":[{"name":"x"}]}`, 422, api.CodeInvalid, []string{"events[0]"}},
		{"a property that is an object", "POST", "/api/v1/events/ingest", `{"events":[{"name":"x","external_customer_id":"acme","metadata":{"a":{"b":1}}}]}`, 422, api.CodeInvalid, []string{"events[0].metadata.a"}},
		{"a number that is rounded", "POST", "/api/v1/events/ingest", `{"events":[{"name":"x","external_customer_id":"acme","metadata":{"a":1e400}}]}`, 422, api.CodeInvalid, []string{"events[0].metadata.a"}},
		{"one bad event of two", "POST", "/api/v1/events/ingest", `{"events":[{"name":"good","external_customer_id":"acme"},{"name":"","external_customer_id":"acme"}]}`, 422, api.CodeInvalid, []string{"events[1].name"}},
		{"too large", "POST", "/api/v1/customers", `{"name":"` + strings.Repeat("x", 2<<20) + `"}`, 413, api.CodeTooLarge, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, code, body := s.request(tt.method, tt.path, tt.body, nil)
			if status != tt.status || code != tt.code {
				t.Errorf("%d %s, want %d %s: %s", status, code, tt.status, tt.code, body)
			}
			for _, want := range tt.says {
				if !bytes.Contains(body, []byte(want)) {
					t.Errorf("the answer does not name %q: %s", want, body)
				}
			}
		})
	}
	if page, err := s.client.Events(t.Context(), api.EventOptions{}); err != nil || len(page.Items) != 0 {
		t.Errorf("a refused batch left %d events: %v", len(page.Items), err)
	}
}

// TestIdempotencyKey: a request made again gets the first answer, with the
// secret in it; another request with the key is refused; the key belongs to the
// token.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	once := http.Header{"Idempotency-Key": {"k-1"}}
	_, _, _ = s.request(http.MethodPost, "/api/v1/customers", `{"external_id":"acme","name":"Acme"}`, http.Header{"Idempotency-Key": {"c-1"}})
	first, _, body := s.request(http.MethodPost, "/api/v1/keys", `{"customer":"acme"}`, once)
	again, _, repeated := s.request(http.MethodPost, "/api/v1/keys", `{"customer":"acme"}`, once)
	if first != http.StatusCreated || again != first || !bytes.Equal(body, repeated) {
		t.Errorf("%d %s, and again %d %s", first, body, again, repeated)
	}
	if status, code, _ := s.request(http.MethodPost, "/api/v1/keys", `{"customer":"acme","name":"other"}`, once); status != 422 || code != api.CodeKeyReused {
		t.Errorf("another request with the key: %d %s", status, code)
	}
	keys, err := s.client.Keys(t.Context(), "acme", api.ListOptions{})
	if err != nil || len(keys.Items) != 1 {
		t.Errorf("%d keys, want 1: %v", len(keys.Items), err)
	}
}

// TestPages: pages follow each other without a gap, whatever is added in between.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	want := make(map[string]bool)
	for n := range 25 {
		c, err := s.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: fmt.Sprintf("c-%02d", n), Name: "x"})
		if err != nil {
			t.Fatal(err)
		}
		want[c.ID] = true
	}
	cursor, pages := "", 0
	for {
		page, err := s.client.Customers(t.Context(), api.ListOptions{Limit: 7, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Items {
			if pages == 0 || strings.HasPrefix(c.ExternalID, "c-") {
				if !want[c.ID] {
					t.Errorf("%s is listed twice", c.ExternalID)
				}
			}
			delete(want, c.ID)
		}
		if pages++; page.NextCursor == nil {
			break
		}
		cursor = *page.NextCursor
		if _, err := s.client.CreateCustomer(t.Context(), api.NewCustomer{ExternalID: fmt.Sprintf("late-%d", pages), Name: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if len(want) != 0 || pages < 4 {
		t.Errorf("%d customers were never listed, in %d pages", len(want), pages)
	}
}

// TestScopes is the matrix of scopes and routes, S25: a token does what its
// scopes say and nothing else.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	scopes := make(map[string]bool)
	for _, r := range api.Routes() {
		if r.Scope != api.Public && r.Scope != "*" { // what is for "*" alone, no scope gets
			scopes[r.Scope] = true
		}
	}
	for scope := range scopes {
		made, err := s.client.CreateToken(t.Context(), api.NewToken{Name: scope, Scopes: []string{scope}})
		if err != nil {
			t.Fatalf("token for %s: %v", scope, err)
		}
		for _, r := range api.Routes() {
			status, code, _ := s.request(r.Method, somePath(r), "", http.Header{"Authorization": {"Bearer " + made.Secret}})
			refused := status == http.StatusForbidden && code == api.CodeScope
			if may := r.Scope == scope || r.Scope == api.Public; may == refused {
				t.Errorf("scope %s on %s: %d %s", scope, r.Name, status, code)
			}
		}
	}
}

// TestTenancy: what belongs to another organisation does not exist, S26, B29.
func TestTenancy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	foreign, err := s.store.CreateCustomer(t.Context(), metering.Customer{Org: "other", ExternalID: "theirs", Name: "x", OnLoss: metering.LossRefuse, Created: 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v1/customers/" + foreign.ID, "/api/v1/customers/theirs", "/api/v1/usage?customer=theirs", "/api/v1/keys?customer=" + foreign.ID} {
		if status, code, body := s.request(http.MethodGet, path, "", nil); status != http.StatusNotFound || code != api.CodeNotFound {
			t.Errorf("%s: %d %s %s", path, status, code, body)
		}
	}
	if status, _, _ := s.request(http.MethodPost, "/api/v1/keys", `{"customer":"`+foreign.ID+`"}`, nil); status != http.StatusNotFound {
		t.Errorf("a key for somebody else's customer: %d", status)
	}
}
