package api_test

import (
	"context"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/fetch"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/api"
)

// recordCalls records calls of 20 days of January 2026, 100 a day, of 1,000
// input and 100 output tokens for a cent.
func recordCalls(t *testing.T, s *server, leave func(i int) bool) {
	t.Helper()
	start := metering.MicrosOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	var batch []*metering.Event
	for i := range 2000 {
		if leave(i) {
			continue
		}
		e := &metering.Event{Call: metering.Call{
			Org: metering.DefaultOrg, At: start + metering.Micros(i)*reconcile.DayMicros/100 + 1, Provider: "openai", Model: "gpt-x", Endpoint: "openai.chat", Metered: true,
		}, Name: metering.EventLLM, Outcome: metering.OutcomeComplete, Status: 200, CostState: metering.CostExact, Cost: metering.Cost{Micros: 10_000}, ExternalID: strconv.Itoa(i), Credential: "abcd"}
		id, err := metering.NewID()
		if err != nil {
			t.Fatal(err)
		}
		e.ID = id
		e.Usage = metering.Usage{State: metering.UsageExact, Input: 1000, Output: 100}
		e.Usage.Tokens[metering.InputCell(metering.CacheNone, metering.Text)], e.Usage.Tokens[metering.OutputCell(false, metering.Text)] = 1000, 100
		batch = append(batch, e)
	}
	if _, err := s.store.Ingest(t.Context(), metering.DefaultOrg, batch); err != nil {
		t.Fatal(err)
	}
}

// adminAPI is a provider's administration API: a page of each day, the second
// answer always 429.
func adminAPI(t *testing.T) *httptest.Server {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		at, _ := strconv.ParseInt(q.Get("start_time"), 10, 64)
		if page := q.Get("page"); page != "" {
			at, _ = strconv.ParseInt(page, 10, 64)
		}
		end, _ := strconv.ParseInt(q.Get("end_time"), 10, 64)
		asked++
		result := ""
		switch {
		case r.Header.Get("Authorization") != "Bearer sk-admin":
			w.WriteHeader(http.StatusUnauthorized)
			return
		case asked == 2:
			w.WriteHeader(http.StatusTooManyRequests)
			return
		case strings.HasSuffix(r.URL.Path, "/completions"):
			result = `{"object":"organization.usage.completions.result","model":"gpt-x","api_key_id":"key_1","input_tokens":100000,"input_cached_tokens":0,"output_tokens":10000,"num_model_requests":100}`
		case strings.HasSuffix(r.URL.Path, "/costs"):
			result = `{"object":"organization.costs.result","amount":{"value":1.0,"currency":"usd"},"line_item":"gpt-x, input"}`
		}
		fmt.Fprintf(w, `{"object":"page","data":[{"object":"bucket","start_time":%d,"end_time":%d,"results":[%s]}],"has_more":%t,"next_page":"%d"}`, at, at+86400, result, at+86400 < end, at+86400)
	}))
	t.Cleanup(server.Close)
	return server
}

// reconciling gives a server the means to compare, with a provider's API.
func reconciling(admin *httptest.Server) func(*api.Options) {
	return func(o *api.Options) {
		o.Reconciliation = &api.Reconciliation{Store: o.Store.(*sqlstore.Store), Fetch: func(ctx context.Context, provider string, from, to reconcile.Day, take func(bool, []byte) error) error {
			f := fetch.Fetcher{Provider: provider, Key: "sk-admin", BaseURL: admin.URL, Client: admin.Client(), Wait: func(context.Context, time.Duration) error { return nil }}
			return f.Fetch(ctx, from, to, take)
		}}
	}
}

// TestReconcile: the server asks the provider, page by page, through an answer of
// 429; what agrees is exit 0, one call in a hundred lost is found, exit 1, and
// doctor tells of it (T84, B27).
func TestReconcile(t *testing.T) {
	t.Parallel()
	admin := adminAPI(t)
	s := newServer(t, reconciling(admin))
	recordCalls(t, s, func(int) bool { return false })
	ask := "reconcile --provider openai --from 2026-01-01 --to 2026-01-21"
	status, out, errs := s.weir(strings.Fields(ask)...)
	if status != api.ExitDone || !strings.Contains(out, "equal: 2026-01-01 to 2026-01-20, 0 of 42 rows differ") {
		t.Fatalf("exit %d: %s%s", status, out, errs)
	}
	lossy := newServer(t, reconciling(admin))
	recordCalls(t, lossy, func(i int) bool { return i%100 == 37 })
	status, out, errs = lossy.weir(strings.Fields(ask + " --floor-usd 0 --floor-tokens 0")...)
	if status != api.ExitRefused || !strings.Contains(out, "differs: ") || !strings.Contains(out, "missing_calls") {
		t.Errorf("exit %d: %s%s", status, out, errs)
	}
	status, out, _ = lossy.weir(strings.Fields(ask + " --floor-usd 0 --floor-tokens 0 --csv")...)
	if status != api.ExitRefused || strings.Count(out, "day,gpt-x,2026-01-") != 20*5 || !strings.Contains(out, "requests,99,100,-1,-1,differs,missing_calls") {
		t.Errorf("exit %d: %s", status, out)
	}
	if _, out, _ = lossy.weir("doctor"); !strings.Contains(out, "reconcile openai") || !strings.Contains(out, "differs") {
		t.Errorf("doctor: %s", out)
	}
}

// TestReconcile_files: exports come from files; what is wrong with one is said.
func TestReconcile_files(t *testing.T) {
	t.Parallel()
	s := newServer(t, reconciling(adminAPI(t)))
	recordCalls(t, s, func(int) bool { return false })
	file := filepath.Join(t.TempDir(), "usage.json")
	text := `{"data":[{"start_time":1767225600,"end_time":1767312000,"results":[{"object":"organization.usage.completions.result","model":"gpt-x","input_tokens":100000,"output_tokens":10000,"num_model_requests":100}]}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.says("reconcile --provider openai --usage "+file, "equal: 2026-01-01 to 2026-01-01")
	s.says("reconcile --provider openai --json --usage "+file, `"verdict":"equal"`)
	// Where nothing is asked for, what is configured holds.
	s.says("reconcile --provider openai --json --usage "+file, `"tolerance":"0.1%"`)
	strict := newServer(t, func(o *api.Options) {
		reconciling(adminAPI(t))(o)
		o.Reconciliation.Defaults = map[string]reconcile.Options{"openai": {Tolerance: big.NewRat(1, 4), Keys: map[string]string{"key_9": "abcd"}}}
	})
	recordCalls(t, strict, func(int) bool { return false })
	strict.says("reconcile --provider openai --json --usage "+file, `"tolerance":"25%"`)
	strict.says("reconcile --provider openai --json --tolerance 1% --usage "+file, `"tolerance":"1%"`)
	for command, want := range map[string]int{
		"reconcile": api.ExitUsage, "reconcile --provider google": api.ExitUsage, "reconcile --provider openai --usage /nowhere": api.ExitUsage,
		"reconcile --provider openai --from yesterday": api.ExitUsage, "reconcile --provider openai --key x": api.ExitUsage,
		"reconcile --provider anthropic --usage " + file: api.ExitRefused, "reconcile --provider openai --tolerance much --usage " + file: api.ExitRefused,
		"reconcile --provider openai --from 2027-01-01 --usage " + file: api.ExitRefused, "reconcile --provider openai --admin-key-file /nowhere": api.ExitUsage,
	} {
		if status, out, errs := s.weir(strings.Split(command, " ")...); status != want {
			t.Errorf("weir %s: exit %d, want %d: %s%s", command, status, want, out, errs)
		}
	}
}

// walkReconcile compares a day on which nothing was used.
func walkReconcile(s *server) {
	r, err := s.client.Reconcile(s.t.Context(), api.ReconcileRequest{Provider: "anthropic", Usage: []string{`{"data":[{"starting_at":"2026-01-01T00:00:00Z","ending_at":"2026-01-02T00:00:00Z","results":[]}]}`}})
	if err != nil || r.Verdict == reconcile.VerdictDiffers {
		s.t.Errorf("reconcile: %s, %v", r.Verdict, err)
	}
}
