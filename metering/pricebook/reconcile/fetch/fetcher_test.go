package fetch_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/fetch"
)

// TestFetcher: pages follow each other, an answer of 429 is waited for as long
// as it says, reports that an account lacks are passed over, and what is refused
// says what to do without the key.
func TestFetcher(t *testing.T) {
	t.Parallel()
	keys := map[string]string{"openai": "sk-admin-secret", "anthropic": "sk-ant-admin01-secret"}
	for _, provider := range reconcile.Providers() {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			key := keys[provider]
			asked := make(map[string]int)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked[r.URL.Path]++
				page, costs := r.URL.Query().Get("page"), strings.HasSuffix(r.URL.Path, "costs") || strings.HasSuffix(r.URL.Path, "cost_report")
				switch {
				case r.Header.Get("Authorization") != "Bearer "+key && r.Header.Get("X-Api-Key") != key:
					http.Error(w, key, http.StatusUnauthorized)
				case strings.HasSuffix(r.URL.Path, "_search_calls"):
					http.NotFound(w, r)
				case costs && asked[r.URL.Path] == 1:
					w.Header().Set("Retry-After", "7")
					w.WriteHeader(http.StatusTooManyRequests)
				case costs && page == "":
					fmt.Fprint(w, `{"data":[],"has_more":true,"next_page":"two"}`)
				default:
					fmt.Fprint(w, `{"data":[],"has_more":false,"next_page":null}`)
				}
			}))
			defer server.Close()
			var waited []time.Duration
			f := fetch.Fetcher{Provider: provider, Key: key, BaseURL: server.URL, Client: server.Client(), Wait: func(_ context.Context, d time.Duration) error {
				waited = append(waited, d)
				return nil
			}}
			pages := map[bool]int{}
			take := func(costs bool, _ []byte) error { pages[costs]++; return nil }
			if err := f.Fetch(t.Context(), 20000, 20030, take); err != nil {
				t.Fatal(err)
			}
			if pages[true] != 2 || pages[false] == 0 || len(waited) != 1 || waited[0] != 7*time.Second {
				t.Errorf("pages %v, waited %v", pages, waited)
			}
			f.Key = "sk-other"
			err := f.Fetch(t.Context(), 20000, 20030, take)
			if err == nil || !strings.Contains(err.Error(), fetch.KeyVariable(provider)) || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "other") {
				t.Errorf("%v, want what to do, and no key", err)
			}
		})
	}
}

// TestFetcher_GivesUp: a provider that never answers well is left after some
// tries, each later than the one before.
func TestFetcher_GivesUp(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	defer server.Close()
	var waited []time.Duration
	f := fetch.Fetcher{Provider: "openai", Key: "k", BaseURL: server.URL, Client: server.Client(), Wait: func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}}
	err := f.Fetch(t.Context(), 20000, 20001, func(bool, []byte) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "502") || len(waited) != 5 || waited[4] != 16*time.Second {
		t.Errorf("%v after %v", err, waited)
	}
}
