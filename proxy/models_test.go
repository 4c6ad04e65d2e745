package proxy_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy"
)

func TestGlob(t *testing.T) {
	t.Parallel()
	f := func(pattern, name string, want bool) {
		t.Helper()
		if got := proxy.Glob(pattern, name); got != want {
			t.Errorf("%q matches %q: %v", pattern, name, got)
		}
	}
	f("gpt-5", "gpt-5", true)
	f("gpt-5", "gpt-5-mini", false)
	f("gpt-5*", "gpt-5-mini", true)
	f("gpt-5*", "gpt-5", true)
	f("*-mini", "gpt-5-mini", true)
	f("*-mini", "gpt-5-mini-2025", false)
	f("gpt-*-mini", "gpt-5-mini", true)
	f("gpt-*-mini", "gpt-mini", false)
	f("a*a", "a", false)
	f("a*b*c", "axbxbxc", true)
	f("a*b*c", "axcxb", false)
	f("*", "", true)
	f("*", "vendor/any.thing:v1", true)
	f("", "", true)
	f("", "a", false)
	f(strings.Repeat("*a", 60)+"b", strings.Repeat("a", 5000), false)
}

// TestModels_Alias covers T39: one value of the body is replaced, whatever is
// around it, and the event keeps both names.
func TestModels_Alias(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, well())
	r := start(t, o, func(o *proxy.Options) {
		o.Upstreams[0].Models.Aliases = map[string]string{"fast": "gpt-5-mini", "same": "same"}
	})
	f := func(sent, received, model, sentModel string) {
		t.Helper()
		n := hits(o)[0]
		if resp, body, err := r.ask("POST", post(chatPath, sent)); err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
		requests, _ := o.seen()
		g, e := requests[n], r.journal.fact(t, n+1)
		if string(g.body) != received {
			t.Errorf("%s arrived as %s", sent, g.body)
		}
		if e.Model != model || e.SentModel != sentModel || e.BodyBytes != int64(len(sent)) || e.Attempts != nil {
			t.Errorf("the fact is %+v", e)
		}
	}
	f(` { "a":1e400, "model" : "fast","messages":[{"model":"fast"}]} `, ` { "a":1e400, "model" : "gpt-5-mini","messages":[{"model":"fast"}]} `, "fast", "gpt-5-mini")
	f(`{"model":"gpt-x"}`, `{"model":"gpt-x"}`, "gpt-x", "")
	f(`{"model":"same"}`, `{"model":"same"}`, "same", "")
	f(`{"stream":true,"model":"fast"}`, `{"stream":true,"model":"gpt-5-mini","stream_options":{"include_usage":true}}`, "fast", "gpt-5-mini")
}

// TestModels_AliasInPath replaces the model where the path names it, also of a
// body that is streamed through.
func TestModels_AliasInPath(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, well())
	r := start(t, o, func(opts *proxy.Options) {
		g := upstreamAt(t, "gemini", o)
		g.Models.Aliases = map[string]string{"fast": "gemini-3-flash"}
		opts.Upstreams = append(opts.Upstreams, g)
		opts.Inspect = 1 << 10
	})
	for i, body := range []string{`{"contents":[]}`, `{"contents":"` + strings.Repeat("a", 4<<10) + `"}`} {
		if resp, answer, err := r.ask("POST", post("/gemini/v1beta/models/fast:streamGenerateContent?alt=sse", body)); err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, answer, err)
		}
		requests, _ := o.seen()
		if g := requests[i]; g.line != "POST /v1beta/models/gemini-3-flash:streamGenerateContent?alt=sse HTTP/1.1" || string(g.body) != body {
			t.Errorf("it got %s", g.line)
		}
		if e := r.journal.fact(t, i+1); e.Model != "fast" || e.SentModel != "gemini-3-flash" {
			t.Errorf("the fact is %+v", e)
		}
	}
}

// TestModels_Refused: what the rules of an upstream do not let pass never gets
// there, whichever name it goes by.
func TestModels_Refused(t *testing.T) {
	t.Parallel()
	large := func(model string) string {
		return `{"model":"` + model + `","x":"` + strings.Repeat("a", 8<<10) + `"}`
	}
	rules := func(u *proxy.Upstream) {
		u.Models = proxy.Models{
			Allow: []string{"gpt-5*", "fast", "hidden"}, Deny: []string{"*-pro", "o1"},
			Aliases: map[string]string{"fast": "secret-model", "small": "gpt-5-nano", "hidden": "o1"},
		}
	}
	for _, tt := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"allowed", `{"model":"gpt-5-mini"}`, 200, ""},
		{"allowed by its alias", `{"model":"fast"}`, 200, ""},
		{"allowed by what is sent", `{"model":"small"}`, 200, ""},
		{"not in the list", `{"model":"gpt-4"}`, 403, "model_not_allowed"},
		{"denied", `{"model":"gpt-5-pro"}`, 403, "model_not_allowed"},
		{"denied behind an alias", `{"model":"hidden"}`, 403, "model_not_allowed"},
		{"none", `{"messages":[]}`, 403, "model_not_allowed"},
		{"large, allowed", large("gpt-5-mini"), 200, ""},
		{"large, denied", large("gpt-5-pro"), 403, "model_not_allowed"},
		{"large, an alias", large("fast"), 413, "alias_in_large_body"},
		{"an alias twice", `{"model":"fast","model":"fast"}`, 400, "alias_not_applicable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, well())
			r := start(t, o, func(o *proxy.Options) { rules(&o.Upstreams[0]); o.Inspect = 4 << 10 })
			resp, body, err := r.ask("POST", post(chatPath, tt.body))
			if err != nil || resp.StatusCode != tt.status || tt.code != "" && code(t, body) != tt.code {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			if n := hits(o)[0]; tt.status != 200 && n != 0 {
				t.Errorf("the upstream got it: %d", n)
			}
		})
	}
}

// TestOperations: an upstream serves the endpoints that are listed, and no path
// whose model is not read where models are.
func TestOperations(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, well())
	r := start(t, o, func(o *proxy.Options) {
		o.Upstreams[0].Operations = []string{"openai.chat", "openai.models"}
	})
	limited := start(t, o, func(o *proxy.Options) { o.Upstreams[0].Models.Deny = []string{"o1"} })
	f := func(r *rig, path string, status int) {
		t.Helper()
		resp, body, err := r.ask("POST", post(path, chatRequest))
		if err != nil || resp.StatusCode != status || status == 403 && code(t, body) != "route_not_allowed" {
			t.Errorf("%s: %v %q %v", path, resp, body, err)
		}
	}
	f(r, chatPath, 200)
	f(r, "/v1/embeddings", 403)
	f(r, "/v1/brand/new", 403)
	f(limited, chatPath, 200)
	f(limited, "/v1/brand/new", 403)
}
