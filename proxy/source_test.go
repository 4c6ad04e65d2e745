package proxy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// TestSources: upstreams that are no LLM are counted like the others, with the
// names that their meters ask for, and nothing is changed on the way.
func TestSources(t *testing.T) {
	t.Parallel()
	custom, err := dialect.Custom(dialect.CustomSpec{Quantities: []dialect.CustomQuantity{
		{Name: "credits", From: dialect.FromHeader, Header: "x-credits"},
		{Name: "pages", From: dialect.FromResponse, Path: "usage.pages"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	answer := `{"usage":{"pages":7}}`
	for _, tt := range []struct {
		name       string
		dialect    dialect.Dialect
		event      string
		path, body string
		fields     []string
		properties map[string]string
	}{
		{
			"bytes", nil, "traffic", "/any/path?q=1", strings.Repeat("x", 1000), []string{"Content-Encoding: br"},
			map[string]string{"name": "traffic", "strategy": "Stream", "bytesIn": "1000", "bytesOut": fmt.Sprint(len(answer)), "bytes": fmt.Sprint(1000 + len(answer))},
		},
		{
			"s3", nil, "s3", "/bucket/a%20b//c?tagging", "body", nil,
			map[string]string{"strategy": "S3", "bucket": "bucket", "key": "a b//c", "operation": "post_tagging", "contentType": "application/json", "bytesIn": "4"},
		},
		{
			"custom", custom, "search", "/search", `{"model":"m"}`, nil,
			map[string]string{"name": "search", "strategy": "Custom", "pages": "7", "credits": "2.5", "totalTokens": "0"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", answer, "X-Credits: 2.5")))
			r := start(t, o, func(options *proxy.Options) {
				u := upstreamAt(t, "openai", o)
				u.Name, u.Provider, u.EventName, u.Default, u.Dialect = tt.name, tt.name, tt.event, false, tt.dialect
				if tt.dialect == nil {
					u.Dialect, _ = dialect.Named(tt.name)
				}
				options.Upstreams = append(options.Upstreams, u)
			})
			resp, body, err := r.ask("POST", post("/"+tt.name+tt.path, tt.body, tt.fields...))
			if err != nil || resp.StatusCode != 200 || string(body) != answer {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			requests, _ := o.seen()
			if g := requests[0]; !strings.HasPrefix(g.line, "POST "+tt.path+" HTTP/1.1") || !bytes.Equal(g.body, []byte(tt.body)) {
				t.Errorf("upstream got %q with %d bytes", g.line, len(g.body))
			}
			e := r.journal.fact(t, 1)
			if e.Usage.State != metering.UsageExact || !e.Metered {
				t.Errorf("usage is %s, metered %v", e.Usage.State, e.Metered)
			}
			for name, want := range tt.properties {
				got, err := json.Marshal(e.Property(name))
				if text := strings.Trim(string(got), `"`); err != nil || text != want {
					t.Errorf("%s is %q, %v, want %q", name, text, err, want)
				}
			}
		})
	}
}

// TestSources_paths: only the paths of an S3 upstream follow its rules (S09).
func TestSources_paths(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", "{}")))
	r := start(t, o, func(options *proxy.Options) {
		u := upstreamAt(t, "openai", o)
		u.Name, u.Default = "s3", false
		u.Dialect, _ = dialect.Named("s3")
		options.Upstreams = append(options.Upstreams, u)
	})
	for path, want := range map[string]int{
		"/s3/b/%61": 200, "/s3/b/a%2F..%2Fb": 400, "/s3/b/../c": 400, "/s3/../openai/v1/models": 400, "/s3/b/%2e%2e/x": 400,
		"/openai/v1//models": 400, "/v1/%6dodels": 400, "/s%33/b/a": 400,
	} {
		resp, body, err := r.ask("POST", post(path, "x"))
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: got %v %q %v, want %d", path, resp, body, err, want)
		}
	}
}
