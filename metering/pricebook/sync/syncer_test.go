package sync_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// memory keeps what a database would.
type memory struct {
	mu    sync.Mutex
	layer *catalogue.Layer
	n     int64
	feeds map[string]pricesync.Feed
	held  []pricesync.Held
}

func (m *memory) LatestLayer(context.Context, string, catalogue.Level) (*catalogue.Layer, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.layer, m.n, nil
}

func (m *memory) PriceFeeds(context.Context, string) (out []pricesync.Feed, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, f := range m.feeds {
		out = append(out, f)
	}
	return out, nil
}

func (m *memory) KeepPriceFeed(_ context.Context, _ string, f pricesync.Feed) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.feeds[f.URL] = f
	return nil
}

func (m *memory) HeldPrices(_ context.Context, _ string, states ...pricesync.State) (out []pricesync.Held, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.held {
		if len(states) == 0 || slices.Contains(states, h.State) {
			out = append(out, h)
		}
	}
	return out, nil
}

func (m *memory) KeepSync(_ context.Context, _ string, r pricesync.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.Layer != nil {
		if r.Expected != m.n {
			return metering.ErrConflict
		}
		m.layer, m.n = r.Layer, m.n+1
	}
	for _, h := range pricesync.Settle(m.held, &r) {
		if i := slices.IndexFunc(m.held, func(x pricesync.Held) bool { return x.ID == h.ID }); i >= 0 {
			m.held[i] = h
		} else {
			m.held = append(m.held, h)
		}
	}
	m.feeds[r.Feed.URL] = r.Feed
	return nil
}

// decide is a person.
func (m *memory) decide(state pricesync.State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.held {
		if m.held[i].State == pricesync.StateOpen {
			m.held[i].State = state
		}
	}
}

// price is what the layer has for an input token of a model now; empty: nothing.
func (m *memory) price(model string, at time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var best *catalogue.Rate
	if m.layer == nil {
		return ""
	}
	for i := range m.layer.Rates {
		r := &m.layer.Rates[i]
		if r.Provider == "openai" && r.SKU == model && r.Meter == "input" && r.When.Key() == "" && r.From.Micros() <= metering.MicrosOf(at) && (best == nil || r.From >= best.From) {
			best = r
		}
	}
	if best == nil || best.Price == nil {
		return ""
	}
	return *best.Price
}

// feed is a catalogue on the network.
type feed struct {
	mu     sync.Mutex
	text   string
	status int
	reads  int // of a whole document
}

func (f *feed) put(text string, status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.text, f.status = text, status
}

func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(f.text)))
	switch {
	case f.status != 0:
		w.WriteHeader(f.status)
	case r.Header.Get("If-None-Match") == tag:
		w.WriteHeader(http.StatusNotModified)
	default:
		f.reads++
		w.Header().Set("ETag", tag)
		fmt.Fprint(w, f.text)
	}
}

// models writes a document of models.dev's shape: model and input price in turn.
func models(pairs ...string) string {
	var parts []string
	for i := 0; i < len(pairs); i += 2 {
		parts = append(parts, fmt.Sprintf(`%q:{"id":%q,"cost":{"input":%s,"output":100}}`, pairs[i], pairs[i], pairs[i+1]))
	}
	return `{"openai":{"id":"openai","models":{` + strings.Join(parts, ",") + `}}}`
}

// TestSyncer goes through the life of a feed: what it first says, what moves a
// little, what moves much with and without somebody who agrees, what a person
// decides, and every way in which it can break.
func TestSyncer(t *testing.T) {
	t.Parallel()
	main, other := &feed{}, &feed{}
	a, b := httptest.NewServer(main), httptest.NewServer(other)
	t.Cleanup(a.Close)
	t.Cleanup(b.Close)
	m := &memory{feeds: map[string]pricesync.Feed{}}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s, err := pricesync.New(pricesync.Options{
		Org: "o", Main: pricesync.Source{URL: a.URL, Shape: pricesync.ModelsDev, Least: 2}, Checkers: []pricesync.Source{{URL: b.URL, Shape: pricesync.ModelsDev, Least: 1}},
		Every: time.Hour, Store: m, Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	look := func(text, want string, held int) *pricesync.Outcome {
		t.Helper()
		now = now.Add(time.Hour)
		main.put(text, 0)
		out, err := s.Once(t.Context(), false)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.price("x", now); got != want || len(out.Held) != held {
			t.Errorf("%s: x costs %q with %d held, want %q with %d\n%+v\n%v", text, got, len(out.Held), want, held, out.Changes, out.Warnings)
		}
		return out
	}
	other.put(models("z", "1"), 0)
	look(models("x", "10", "y", "1"), "10", 0)
	if out := look(models("x", "10", "y", "1"), "10", 0); !out.Unchanged || main.reads != 1 {
		t.Errorf("the same document was read %d times", main.reads)
	}
	look(models("x", "11", "y", "1"), "11", 0) // a tenth
	before := m.n
	look(models("x", "44", "y", "1"), "11", 1) // four times
	if m.n != before {
		t.Error("a change that is held has made a new content")
	}
	m.decide(pricesync.StateApproved)
	look(models("x", "44", "y", "1.0"), "44", 0)
	look(models("x", "12", "y", "1"), "44", 1)
	m.decide(pricesync.StateRejected)
	look(models("x", "12", "y", "1.0"), "44", 0) // it is not asked again
	look(models("x", "33", "y", "1"), "44", 1)   // a quarter
	other.put(models("x", "33"), 0)
	look(models("x", "33", "y", "1.0"), "33", 0) // another feed says so too
	other.put(models("x", "5"), 0)
	look(models("x", "5", "y", "1"), "33", 1) // a slip, even if two make it
	look(models("x", "0", "y", "1"), "33", 1) // free all of a sudden
	dry := look(models("x", "30.5", "y", "1"), "30.5", 0)
	if dry.Unchanged {
		t.Error("nothing has changed")
	}
	main.put(models("x", "31", "y", "1"), 0)
	kept := m.n
	now = now.Add(time.Hour)
	if out, err := s.Once(t.Context(), true); err != nil || len(out.Changes) == 0 || m.n != kept {
		t.Errorf("a dry run: %+v, %v, content %d", out, err, m.n)
	}
	for name, broken := range map[string]struct {
		text   string
		status int
	}{
		"cut off":        {models("x", "10", "y", "1")[:40], 0},
		"no catalogue":   {`{"hello":"world"}`, 0},
		"too few models": {models("x", "10"), 0},
		"an error":       {"", http.StatusInternalServerError},
		"a page":         {"<html>", 0},
	} {
		main.put(broken.text, broken.status)
		now = now.Add(time.Hour)
		if _, err := s.Once(t.Context(), false); err == nil {
			t.Errorf("%s: no error", name)
		}
		if got := m.price("x", now); got != "30.5" || m.n != kept {
			t.Errorf("%s: x costs %q", name, got)
		}
		if st := s.Status(); st.Err == nil || st.Read.Equal(st.Asked) {
			t.Errorf("%s: the status is %+v", name, st)
		}
		if f := m.feeds[a.URL]; f.Failure == "" || f.Failures == 0 {
			t.Errorf("%s: on record is %+v", name, f)
		}
	}
	look(models("x", "30.5", "y", "1"), "30.5", 0)
	if f := m.feeds[a.URL]; f.Failure != "" || f.Failures != 0 {
		t.Errorf("mended, on record is %+v", f)
	}
}

// TestSyncer_regional: feeds do not say where a price holds, so that one which moves
// follows the region as it did before.
func TestSyncer_regional(t *testing.T) {
	t.Parallel()
	main := &feed{}
	a := httptest.NewServer(main)
	t.Cleanup(a.Close)
	price := "10"
	shipped, err := catalogue.NewLayer(catalogue.Embedded, catalogue.Rows{Rates: []catalogue.Rate{
		{Provider: "openai", SKU: "x", Meter: "input", Price: &price, Status: catalogue.StatusRegional, Sources: []string{"s"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	m := &memory{feeds: map[string]pricesync.Feed{}}
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	s, err := pricesync.New(pricesync.Options{
		Org: "o", Main: pricesync.Source{URL: a.URL, Shape: pricesync.ModelsDev, Least: 1}, Every: time.Hour, Store: m, Shipped: []*catalogue.Layer{shipped},
		Now: func() time.Time { return now }, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{models("x", "10"), models("x", "11")} {
		main.put(text, 0)
		now = now.Add(time.Hour)
		if _, err := s.Once(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.price("x", now); got != "11" {
		t.Fatalf("x costs %q", got)
	}
	for _, r := range m.layer.Rates {
		if r.SKU == "x" && r.Meter == "input" && r.Status != catalogue.StatusRegional {
			t.Errorf("its input at %s is %q", *r.Price, r.Status)
		}
	}
}
