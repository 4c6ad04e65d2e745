package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/billing/invoicing"
	billsql "github.com/weirhq/weir/billing/sqlstore"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/clock"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/api"
)

// server is the API on a real database, with every exchange held to the
// OpenAPI document.
type server struct {
	t      *testing.T
	url    string
	token  string // for everything
	store  *sqlstore.Store
	client *api.Client
	check  *checker

	bills *billsql.Store
	bank  *bank
	clock *clock.Clock
}

// began is when the tests take place: the 31st, so that months are short.
func began() time.Time { return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC) }

// newServer is a server of a sandbox: with billing, and a clock that goes on
// from began, at a hundredth of the pace, so that tests know the second. edit may
// change it before.
func newServer(t *testing.T, edit ...func(*api.Options)) *server {
	t.Helper()
	store, err := sqlstore.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "weir.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &server{t: t, store: store, bills: billsql.New(store.DB()), bank: &bank{Bank: billingtest.NewBank()}}
	start := time.Now()
	if s.clock, err = clock.Open(t.Context(), s.bills, func() time.Time { return began().Add(time.Since(start) / 100) }); err != nil {
		t.Fatal(err)
	}
	ring := keyring.New(store, keyring.Options{})
	if err := ring.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if _, err := api.EnsureToken(t.Context(), store, dir, metering.DefaultOrg, keyring.MintToken, s.clock.Now()); err != nil {
		t.Fatal(err)
	}
	token, err := api.ReadToken(dir)
	if err != nil {
		t.Fatal(err)
	}
	biller := invoicing.New(s.bills, store)
	o := api.Options{
		Store: store, Ring: ring, MintKey: keyring.Mint, MintToken: keyring.MintToken, Proxy: "http://127.0.0.1:8080",
		KeysLoaded: ring.Loaded, KeysMaxStale: time.Minute,
		Upstreams: func() []api.Upstream {
			return []api.Upstream{{Name: "openai", Preset: "openai", Dialect: "openai", Provider: "openai", BaseURL: "https://user:secret@api.openai.com", Default: true, ClientPath: "/openai/v1"}}
		},
		Database: func(ctx context.Context) (api.Database, error) {
			h, err := store.Health(ctx)
			return api.Database{Engine: h.Engine, Schema: h.Schema, Bytes: h.Bytes, Ahead: h.Ahead}, err
		},
		Billing: &api.Billing{
			Store: s.bills, Biller: biller, Payments: s.bank,
			Worker: work.New(work.Options{Store: s.bills, Drafter: biller, Journals: store, Provider: s.bank, Holder: "test", Now: s.clock.Now}),
		},
		Reconciliation: &api.Reconciliation{Store: store},
		Prices:         newPrices(t, store), Alerts: store, Clock: s.clock, Now: s.clock.Now,
		PortalLink: func(_ context.Context, org, customer string) (string, time.Time, error) {
			return "http://127.0.0.1/portal/" + org + "/" + customer, s.clock.Now().Add(time.Hour), nil
		},
		SetPassword: func(ctx context.Context, org, email, password string) (metering.Admin, error) {
			return store.SaveAdmin(ctx, metering.Admin{Org: org, Email: email, PasswordHash: "hash of " + password, Created: metering.MicrosOf(s.clock.Now())})
		},
		ConsoleLink: func(_ context.Context, org string) (string, time.Time, error) {
			return "http://127.0.0.1/login/" + org, s.clock.Now().Add(time.Minute), nil
		},
	}
	for _, e := range edit {
		e(&o)
	}
	handler, err := api.New(o)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(handler)
	t.Cleanup(web.Close)
	s.url, s.token, s.check = web.URL, token, newChecker(t)
	s.client = api.NewClient(web.URL, token, s.check)
	return s
}

// checker is a transport that holds requests it is told are right, and every
// answer, to the document.
type checker struct {
	t      *testing.T
	doc    *openapi3.T
	router routers.Router

	mu   sync.Mutex
	seen map[string]map[int]bool // operation → statuses
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatalf("the OpenAPI document cannot be read: %v", err)
	}
	if err := doc.Validate(context.Background()); err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	doc.Servers = nil // paths are checked, whatever the host
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &checker{t: t, doc: doc, router: router, seen: make(map[string]map[int]bool)}
}

// RoundTrip implements http.RoundTripper.
func (c *checker) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil {
		var err error
		if sent, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body = io.NopCloser(bytes.NewReader(got))
	c.hold(r, sent, resp, got)
	return resp, nil
}

// hold checks one exchange. A request that was refused may break the document;
// one that was accepted may not, and no answer may.
func (c *checker) hold(r *http.Request, sent []byte, resp *http.Response, got []byte) {
	c.t.Helper()
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return // unknown paths and methods are not in the document
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	name := route.Operation.OperationID
	if c.seen[name] == nil {
		c.seen[name] = make(map[int]bool)
	}
	c.seen[name][resp.StatusCode] = true
	request := r.Clone(context.Background())
	request.Body = io.NopCloser(bytes.NewReader(sent))
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true},
	}
	if resp.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(context.Background(), input); err != nil {
			c.t.Errorf("%s accepted a request that the document forbids: %v\n%s", name, err, sent)
		}
	}
	err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(got)), Options: input.Options,
	})
	if err != nil {
		c.t.Errorf("%s answers %d against the document: %v\n%s", name, resp.StatusCode, err, got)
	}
}

// request makes a call of any shape and returns status, code of the problem if
// it is one, and body.
func (s *server) request(method, path, body string, header http.Header) (int, string, []byte) {
	s.t.Helper()
	req, err := http.NewRequest(method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := (&http.Client{Transport: s.check}).Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var p api.Problem
	if resp.StatusCode >= 400 {
		if err := json.Unmarshal(got, &p); err != nil || p.Code == "" || resp.Header.Get("Content-Type") != "application/problem+json" {
			s.t.Errorf("%s %s: %d is no problem document: %s", method, path, resp.StatusCode, got)
		}
	}
	return resp.StatusCode, p.Code, got
}

// somePath is a path of the route, to things that do not exist.
func somePath(r api.Route) string {
	return regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(r.Path, "x")
}

// TestDocument: the document and the server know the same operations.
func TestDocument(t *testing.T) {
	t.Parallel()
	c := newChecker(t)
	documented := make(map[string]string)
	for path, item := range c.doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented[op.OperationID] = method + " " + path
		}
	}
	for _, r := range api.Routes() {
		if documented[r.Name] != r.Method+" "+r.Path {
			t.Errorf("the server has %s as %s %s, the document as %q", r.Name, r.Method, r.Path, documented[r.Name])
		}
		delete(documented, r.Name)
	}
	for name, where := range documented {
		t.Errorf("the document has %s (%s), the server has not", name, where)
	}
}

// TestOperations walks through every operation: all of them succeed once and
// refuse once, as the document says.
func TestOperations(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, c := t.Context(), s.client
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	customer, err := c.CreateCustomer(ctx, api.NewCustomer{ExternalID: "acme", Name: "Acme"})
	must("create customer", err)
	_, err = c.Customers(ctx, api.ListOptions{Limit: 10})
	must("list customers", err)
	_, err = c.Customer(ctx, "acme")
	must("show customer", err)
	name := "Acme Ltd"
	changed, err := c.UpdateCustomer(ctx, customer.ID, api.CustomerChange{Name: &name})
	must("update customer", err)
	if changed.Name != name || changed.ExternalID != "acme" {
		t.Errorf("after the update: %+v", changed)
	}
	key, err := c.CreateKey(ctx, api.NewKey{Customer: "acme", Name: "first", Permits: []string{"attribute"}, Tags: map[string]string{"team": "a"}})
	must("create key", err)
	if !keyring.WellFormed([]byte(key.Secret)) {
		t.Errorf("the new key is not well formed: %q", key.Secret)
	}
	_, err = c.Keys(ctx, "acme", api.ListOptions{})
	must("list keys", err)
	shown, err := c.Key(ctx, key.ID)
	must("show key", err)
	if shown.Secret != "" {
		t.Error("a key is shown a second time")
	}
	models := []string{"gpt-4o-mini"}
	_, err = c.UpdateKey(ctx, key.ID, api.KeyChange{Models: &models})
	must("update key", err)
	rotated, err := c.RotateKey(ctx, key.ID, 60)
	must("rotate key", err)
	_ = rotated
	_, err = c.RevokeKey(ctx, key.ID)
	must("revoke key", err)
	meter, err := c.CreateMeter(ctx, api.NewMeter{Name: "searches", Aggregation: metering.Aggregate{Func: metering.AggregateSum, Property: "count"}})
	must("create meter", err)
	_, err = c.Meters(ctx, api.ListOptions{})
	must("list meters", err)
	_, err = c.Meter(ctx, "searches")
	must("show meter", err)
	_, err = c.RenameMeter(ctx, meter.ID, "searches-2")
	must("rename meter", err)
	ingested, err := c.Ingest(ctx, json.RawMessage(`{"events":[{"name":"search","external_customer_id":"acme","external_id":"e1","metadata":{"count":3,"_cost":{"amount":0.5,"currency":"usd"}}}]}`))
	must("ingest", err)
	if ingested.Inserted != 1 {
		t.Errorf("ingested %+v", ingested)
	}
	q, err := c.Quantities(ctx, "searches-2", api.QuantityOptions{Customer: "acme", Interval: "day", From: "-24h"})
	must("quantities", err)
	if len(q.Items) == 0 || q.Items[len(q.Items)-1].Quantity != "3" {
		t.Errorf("quantities: %+v", q.Items)
	}
	_, err = c.ArchiveMeter(ctx, meter.ID)
	must("archive meter", err)
	events, err := c.Events(ctx, api.EventOptions{Customer: "acme"})
	must("list events", err)
	if len(events.Items) != 1 {
		t.Fatalf("%d events, want 1", len(events.Items))
	}
	e, err := c.Event(ctx, "e1")
	must("show event", err)
	if e.ID != events.Items[0].ID || e.Cost == nil || e.Cost.String() != "0.005" {
		t.Errorf("event %+v", e)
	}
	u, err := c.Usage(ctx, api.UsageOptions{Customer: "acme", By: "day", Sync: true})
	must("usage", err)
	if u.Totals.Cost.String() != "0.005" {
		t.Errorf("usage %+v", u.Totals)
	}
	up, err := c.Upstreams(ctx)
	must("upstreams", err)
	if len(up.Items) != 1 || bytes.Contains([]byte(up.Items[0].BaseURL), []byte("secret")) {
		t.Errorf("upstreams %+v", up)
	}
	token, err := c.CreateToken(ctx, api.NewToken{Name: "reader", Scopes: []string{"usage:read"}})
	must("create token", err)
	_, err = c.Tokens(ctx, api.ListOptions{})
	must("list tokens", err)
	_, err = c.RevokeToken(ctx, token.ID)
	must("revoke token", err)
	_, err = c.Doctor(ctx)
	must("doctor", err)
	walkBilling(s)
	walkCorrect(s)
	walkPrices(s)
	walkHeld(s)
	walkReconcile(s)
	walkAlerts(s)
	walkStated(s)
	_, err = c.ArchiveCustomer(ctx, "acme")
	must("archive customer", err)
	if code, _, _ := s.request(http.MethodGet, "/api/openapi.json", "", nil); code != http.StatusOK {
		t.Errorf("the document answers %d", code)
	}
	for _, r := range api.Routes() {
		if r.Scope != api.Public {
			path := somePath(r)
			if code, problem, _ := s.request(r.Method, path, "", http.Header{"Authorization": {"Bearer nonsense"}}); code != http.StatusUnauthorized || problem != api.CodeUnauthenticated {
				t.Errorf("%s without a token: %d %s", r.Name, code, problem)
			}
		}
		statuses := s.check.seen[r.Name]
		if !statuses[http.StatusOK] && !statuses[http.StatusCreated] || r.Scope != api.Public && !statuses[http.StatusUnauthorized] {
			t.Errorf("%s was not seen to succeed and to refuse: %v", r.Name, statuses)
		}
	}
}
