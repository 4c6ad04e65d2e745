package fetch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/fetch"
)

// adminKey is a key as Anthropic's administrators have them.
const adminKey = "sk-ant-admin01-secret"

// administration is Anthropic's administration API as its reference describes it:
// pages of buckets of a day, with a token for the next, and errors in its shape.
type administration struct {
	perPage int // buckets
	t       *testing.T

	// refuse answers a request by other means, if it wants to.
	refuse func(w http.ResponseWriter, n int) bool
	asked  []string // path and days, in order
}

// ServeHTTP implements http.Handler.
func (a *administration) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	a.asked = append(a.asked, r.URL.Path+" "+q.Get("page"))
	fail := func(status int, kind string) {
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"type":"error","error":{"type":%q,"message":"x-api-key %s"},"request_id":"req_1"}`, kind, r.Header.Get("X-Api-Key"))
	}
	if a.refuse != nil && a.refuse(w, len(a.asked)) {
		return
	}
	if r.Header.Get("X-Api-Key") != adminKey || r.Header.Get("Anthropic-Version") != "2023-06-01" || r.Header.Get("Authorization") != "" {
		fail(http.StatusUnauthorized, "authentication_error")
		return
	}
	from, err := time.Parse(time.RFC3339, q.Get("starting_at"))
	until, err2 := time.Parse(time.RFC3339, q.Get("ending_at"))
	groups := q["group_by[]"]
	costs := strings.HasSuffix(r.URL.Path, "/cost_report")
	want := []string{"model", "api_key_id", "workspace_id", "service_tier", "context_window", "inference_geo"}
	if costs {
		want = []string{"description", "workspace_id"}
	}
	if err != nil || err2 != nil || q.Get("bucket_width") != "1d" || q.Get("limit") != "31" || !slices.Equal(groups, want) {
		fail(http.StatusBadRequest, "invalid_request_error")
		return
	}
	if page := q.Get("page"); page != "" {
		if from, err = time.Parse("page_"+time.DateOnly, page); err != nil {
			fail(http.StatusBadRequest, "invalid_request_error")
			return
		}
	}
	a.page(w, from, until, costs)
}

// page writes buckets from a day on.
func (a *administration) page(w io.Writer, from, until time.Time, costs bool) {
	type object = map[string]any
	data := []object{}
	for ; from.Before(until) && len(data) < a.perPage; from = from.AddDate(0, 0, 1) {
		result := object{
			"uncached_input_tokens": 1500, "cache_creation": object{"ephemeral_1h_input_tokens": 1000, "ephemeral_5m_input_tokens": 500}, "cache_read_input_tokens": 200,
			"output_tokens": 500, "server_tool_use": object{"web_search_requests": 10}, "api_key_id": "apikey_1", "workspace_id": nil, "account_id": nil,
			"service_account_id": nil, "model": "claude-opus-4-6", "service_tier": "standard", "context_window": "0-200k", "inference_geo": "global",
		}
		if costs {
			result = object{
				"amount": "123.45", "currency": "USD", "cost_type": "tokens", "token_type": "uncached_input_tokens", "model": "claude-opus-4-6", "service_tier": "standard",
				"description": "Claude Opus 4.6 Usage - Input Tokens", "context_window": "0-200k", "inference_geo": "global", "workspace_id": nil,
			}
		}
		data = append(data, object{"starting_at": from.Format(time.RFC3339), "ending_at": from.AddDate(0, 0, 1).Format(time.RFC3339), "results": []object{result}})
	}
	answer := object{"data": data, "has_more": from.Before(until), "next_page": nil}
	if from.Before(until) {
		answer["next_page"] = from.Format("page_" + time.DateOnly)
	}
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		a.t.Error(err)
	}
}

// waits keeps what a fetcher waited for.
type waits []time.Duration

func (w *waits) wait(_ context.Context, d time.Duration) error {
	*w = append(*w, d)
	return nil
}

// fetching serves an administration API, and a fetcher of it.
func fetching(t *testing.T, a *administration) (*fetch.Fetcher, *waits) {
	t.Helper()
	a.t = t
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	w := new(waits)
	return &fetch.Fetcher{Provider: "anthropic", Key: adminKey, BaseURL: server.URL + "/", Client: server.Client(), Wait: w.wait}, w
}

// export fetches days and reads them.
func export(ctx context.Context, f *fetch.Fetcher, from, to reconcile.Day) (*reconcile.Export, error) {
	r, err := reconcile.NewReader(f.Provider)
	if err != nil {
		return nil, err
	}
	if err := f.Fetch(ctx, from, to, func(costs bool, page []byte) error {
		if costs {
			return r.ReadCosts("a page", strings.NewReader(string(page)))
		}
		return r.Read("a page", strings.NewReader(string(page)))
	}); err != nil {
		return nil, err
	}
	return r.Export()
}

// TestAnthropic: both reports come page by page and are read as whole days.
func TestAnthropic(t *testing.T) {
	t.Parallel()
	a := &administration{perPage: 4}
	f, w := fetching(t, a)
	e, err := export(t.Context(), f, 20758, 20768)
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Days) != 10 || len(e.CostDays) != 10 || len(e.Usage) != 10 || len(e.Costs) != 10 || len(e.Notes) != 0 || len(e.Unread) != 0 || len(*w) != 0 {
		t.Errorf("%d days of usage, %d of costs, notes %q, unread %v, waited %v", len(e.Days), len(e.CostDays), e.Notes, e.Unread, *w)
	}
	if u := e.Usage[9]; u.Key != "apikey_1" || u.Tier != "standard" || u.Counts[reconcile.CacheWrite1h] != 1000 || e.Costs[9].Amount.String() != "1.2345" {
		t.Errorf("the last day is %+v for %s", u, e.Costs[9].Amount)
	}
	const usage, costs = "/v1/organizations/usage_report/messages ", "/v1/organizations/cost_report "
	want := []string{usage, usage + "page_2026-11-05", usage + "page_2026-11-09", costs, costs + "page_2026-11-05", costs + "page_2026-11-09"}
	if d := cmp.Diff(want, a.asked); d != "" {
		t.Error(d)
	}
}

// TestAnthropic_again: what is answered for a moment only is asked again, the
// same page, as late as the answer says.
func TestAnthropic_again(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		status int
		after  string
		want   time.Duration
	}{
		{"a limit", 429, "17", 17 * time.Second},
		{"a limit that does not say", 429, "", time.Second},
		{"a limit in the past", 429, "-5", time.Second},
		{"a limit until an instant", 429, at.Add(42 * time.Second).Format(http.TimeFormat), 42 * time.Second},
		{"a limit until an instant that is over", 429, at.Add(-time.Hour).Format(http.TimeFormat), time.Second},
		{"nonsense", 429, "soon", time.Second},
		{"overloaded", 529, "", time.Second},
		{"broken", 500, "3", 3 * time.Second},
		{"two minutes", 429, "120", 2 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &administration{perPage: 2, refuse: func(w http.ResponseWriter, n int) bool {
				if n != 2 {
					return false
				}
				w.Header().Set("Date", at.Format(http.TimeFormat))
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(tt.status)
				return true
			}}
			f, w := fetching(t, a)
			e, err := export(t.Context(), f, 20758, 20762)
			if err != nil || len(e.Days) != 4 || len(e.Notes) != 0 {
				t.Fatalf("%+v, %v", e, err)
			}
			if len(*w) != 1 || (*w)[0] != tt.want || a.asked[1] != a.asked[2] {
				t.Errorf("waited %v, want %s; asked %q", *w, tt.want, a.asked)
			}
		})
	}
}

// TestAnthropic_refused: what cannot be answered says what to do, asks no more
// often than it has to, and never has the key in it.
func TestAnthropic_refused(t *testing.T) {
	t.Parallel()
	status := func(code int, headers ...string) func(http.ResponseWriter, int) bool {
		return func(w http.ResponseWriter, _ int) bool {
			for i := 0; i+1 < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"type":"error","error":{"type":"error","message":"invalid x-api-key %s"}}`, adminKey)
			return true
		}
	}
	body := func(text func(n int) string) func(http.ResponseWriter, int) bool {
		return func(w http.ResponseWriter, n int) bool {
			fmt.Fprint(w, text(n))
			return true
		}
	}
	always := func(text string) func(http.ResponseWriter, int) bool {
		return body(func(int) string { return text })
	}
	for _, tt := range []struct {
		name    string
		refuse  func(http.ResponseWriter, int) bool
		want    string
		asks    int
		invalid bool
	}{
		{"a key that calls models", status(401), "administrator's (ANTHROPIC_ADMIN_KEY)", 1, true},
		{"a key without the right", status(403), "it begins with sk-ant-admin", 1, true},
		{"an individual account", status(404), "only organisations have these reports", 1, true},
		{"days it does not have", status(400), "give others, or fewer", 1, true},
		{"a redirection", status(302, "Location", "https://example.com/"), "a redirection is not followed", 1, true},
		{"a method", status(405), "is the base URL right", 1, true},
		{"an hour", status(429, "Retry-After", "3600"), "asks to wait for 1h0m0s", 1, false},
		{"a week", status(429, "Retry-After", "604800"), "asks to wait for 24h0m0s", 1, false},
		{"limits without end", status(429), "answers 429 after 6 tries", 6, false},
		{"nothing that answers", status(503), "answers 503 after 6 tries", 6, false},
		{"a page of something else", always("<html>sign in</html>"), "read", 1, true},
		{"half a page", always(`{"data":[{"starting_at"`), "read", 1, true},
		{"no next page", always(`{"data":[],"has_more":true,"next_page":null}`), "not which", 1, false},
		{"the same page again", always(`{"data":[],"has_more":true,"next_page":"page_a"}`), "lead back", 2, false},
		{"a loop of two", body(func(n int) string { return fmt.Sprintf(`{"data":[],"has_more":true,"next_page":"page_%d"}`, n%2) }), "lead back", 3, false},
		{"pages without end", body(func(n int) string { return fmt.Sprintf(`{"data":[],"has_more":true,"next_page":"page_%d"}`, n) }), "more than 400 pages", 400, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &administration{refuse: tt.refuse}
			f, _ := fetching(t, a)
			_, err := export(t.Context(), f, 20758, 20762)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || len(a.asked) != tt.asks || errors.Is(err, metering.ErrInvalid) != tt.invalid {
				t.Errorf("%v after %d requests, want %q after %d", err, len(a.asked), tt.want, tt.asks)
			}
		})
	}
}

// TestAnthropic_partialDay: of a day whose bucket has not been made yet, or is not
// whole, nothing is compared, and it is said.
func TestAnthropic_partialDay(t *testing.T) {
	t.Parallel()
	const whole = `{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[]}`
	const half = `{"starting_at":"2026-11-02T00:00:00Z","ending_at":"2026-11-02T12:00:00Z","results":[]}`
	a := &administration{refuse: func(w http.ResponseWriter, _ int) bool {
		fmt.Fprint(w, `{"data":[`+whole+`,`+half+`],"has_more":false,"next_page":null}`)
		return true
	}}
	f, _ := fetching(t, a)
	e, err := export(t.Context(), f, 20758, 20761)
	if err != nil {
		t.Fatal(err)
	}
	r, err := reconcile.Compare(e, nil, reconcile.Options{From: 20758, To: 20761})
	if err != nil || r.To != 20759 {
		t.Fatalf("%+v, %v", r, err)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "2026-11-02 are not whole") || !strings.Contains(notes, "2026-11-03 are not in the export") {
		t.Errorf("notes %q", notes)
	}
}

// TestAnthropic_endsEarly: a context that ends while it waits ends the asking.
func TestAnthropic_endsEarly(t *testing.T) {
	t.Parallel()
	a := &administration{refuse: func(w http.ResponseWriter, _ int) bool {
		w.WriteHeader(http.StatusTooManyRequests)
		return true
	}}
	f, _ := fetching(t, a)
	ctx, cancel := context.WithCancel(t.Context())
	f.Wait = func(ctx context.Context, d time.Duration) error {
		cancel()
		return fetch.Sleep(ctx, d)
	}
	if _, err := export(ctx, f, 20758, 20762); !errors.Is(err, context.Canceled) || len(a.asked) != 1 {
		t.Errorf("%v after %d requests", err, len(a.asked))
	}
}

// TestCheckKey: keys of another kind are refused before they are sent, and say
// which is wanted; what nobody knows may be one.
func TestCheckKey(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ provider, key, want string }{
		{"anthropic", "sk-ant-admin01-x", ""},
		{"anthropic", "of-a-proxy", ""},
		{"anthropic", "", "set ANTHROPIC_ADMIN_KEY; it begins with sk-ant-admin"},
		{"anthropic", "sk-ant-api03-x", "one of Anthropic that calls models"},
		{"anthropic", "sk-ant-oat01-x", "one of Anthropic that calls models"},
		{"anthropic", "sk-admin-x", "an administrator's of OpenAI"},
		{"anthropic", "weir_oat_x", "Weir's own"},
		{"anthropic", "sk-ant-admin01-x\n", "is it cut right"},
		{"openai", "sk-admin-x", ""},
		{"openai", "sk-x", ""},
		{"openai", "", "set OPENAI_ADMIN_KEY; it begins with sk-admin-"},
		{"openai", "sk-proj-x", "one of OpenAI that calls models"},
		{"openai", "sk-svcacct-x", "one of OpenAI that calls models"},
		{"openai", "sk-ant-admin01-x", "an administrator's of Anthropic"},
	} {
		err := fetch.CheckKey(tt.provider, tt.key)
		if (err != nil) != (tt.want != "") || err != nil && (!errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), tt.want) || tt.key != "" && strings.Contains(err.Error(), tt.key)) {
			t.Errorf("%s %q: %v, want %q", tt.provider, tt.key, err, tt.want)
		}
	}
	f, _ := fetching(t, &administration{refuse: func(http.ResponseWriter, int) bool {
		t.Error("a key of the wrong kind was sent")
		return false
	}})
	f.Key = "sk-ant-api03-x"
	if _, err := export(t.Context(), f, 20758, 20759); !errors.Is(err, metering.ErrInvalid) {
		t.Error(err)
	}
}
