package page_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

func site(t *testing.T, files fstest.MapFS) *page.Site {
	t.Helper()
	s, err := page.New(page.Options{
		Templates: files, Base: "/console", Name: "Weir", Nav: []page.NavItem{{"/console/", "Overview"}, {"/console/keys", "Keys"}},
		Viewer: func(*http.Request) string { return "ann@example.com" }, SignOut: "/console/logout",
		Now: func() time.Time { return time.Date(2026, 11, 25, 12, 30, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func file(content string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(content)} }

func get(path string, header ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func TestRender_WholePageOrFragment(t *testing.T) {
	t.Parallel()
	s := site(t, fstest.MapFS{
		"x.html":  file(`{{define "title"}}X{{end}}{{define "content"}}<p>{{.Data}} {{block "hole" .}}default{{end}} {{query $.URL "a" "2"}}</p>{{end}}`),
		"_h.html": file(`{{define "hole"}}filled{{end}}`),
	})
	const content = "<p>&lt;b&gt; filled /console/keys?a=2&amp;b=1</p>"
	for _, tt := range []struct {
		name   string
		header []string
		whole  bool
	}{
		{"browser", nil, true},
		{"fragment", []string{"HX-Request", "true"}, false},
		{"boosted", []string{"HX-Request", "true", "HX-Boosted", "true"}, true},
		{"history", []string{"HX-Request", "true", "HX-History-Restore-Request", "true"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			s.Render(w, get("/console/keys?a=1&b=1&cursor=zz", tt.header...), http.StatusOK, "x", "<b>")
			body := w.Body.String()
			if !strings.Contains(body, content) {
				t.Errorf("no content in %s", body)
			}
			if whole := strings.Contains(body, "<html"); whole != tt.whole {
				t.Errorf("whole page: %v, want %v", whole, tt.whole)
			}
			if tt.whole && !strings.Contains(body, `<a href="/console/keys" aria-current="page">`) {
				t.Error("the navigation does not mark the page")
			}
			if strings.Contains(body, "style=") || strings.Contains(body, "<script>") {
				t.Error("inline style or script")
			}
		})
	}
}

func TestFail(t *testing.T) {
	t.Parallel()
	s := site(t, fstest.MapFS{"x.html": file(`{{define "title"}}X{{end}}{{define "content"}}{{.Data.Nope.Nope}}{{end}}`)})
	w := httptest.NewRecorder()
	s.Fail(w, get("/console/x"), metering.ErrNotFound)
	if w.Code != http.StatusNotFound || !strings.Contains(w.Body.String(), "Not found") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	s.Render(w, get("/console/x"), http.StatusOK, "x", struct{}{})
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "Nope") {
		t.Errorf("a broken template: %d %s", w.Code, w.Body)
	}
}

func TestSecure(t *testing.T) { // S27
	t.Parallel()
	h := page.Secure(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	for _, tt := range []struct {
		name   string
		method string
		header []string
		want   int
	}{
		{"get", http.MethodGet, nil, 204},
		{"own form", http.MethodPost, []string{"Sec-Fetch-Site", "same-origin"}, 204},
		{"form of another site", http.MethodPost, []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"form of a sibling host", http.MethodPost, []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"old browser, other origin", http.MethodPost, []string{"Origin", "https://evil.example"}, 403},
		{"no browser", http.MethodPost, nil, 204},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := get("/console/", tt.header...)
			r.Method = tt.method
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.want {
				t.Errorf("status %d, want %d", w.Code, tt.want)
			}
			policy := w.Header().Get("Content-Security-Policy")
			if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
				t.Errorf("policy %q", policy)
			}
			if w.Header().Get("Cache-Control") != "no-store" {
				t.Error("may be cached")
			}
		})
	}
}
