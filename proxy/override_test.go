package proxy_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy"
)

// TestOverride covers I9: a method in a header or in the query does not make a
// listing of a call that creates.
func TestOverride(t *testing.T) {
	t.Parallel()
	const model, cached = `{"contents":[{"parts":[{"text":"x"}]}]}`, `{"model":"models/gemini-2.5-flash","contents":[{"parts":[{"text":"x"}]}]}`
	for _, tt := range []struct {
		name, path, body string
		fields           []string
		status           int
	}{
		{"plain", "/gemini/v1beta/cachedContents", cached, nil, 200},
		{"header", "/gemini/v1beta/cachedContents", cached, []string{"X-HTTP-Method-Override: GET"}, 400},
		{"header in small letters", "/gemini/v1beta/cachedContents", cached, []string{"x-http-method-override: GET"}, 400},
		{"its other name", "/gemini/v1beta/cachedContents", cached, []string{"X-Method-Override: GET"}, 400},
		{"on a metered path", "/gemini/v1beta/models/gemini-2.5-flash:generateContent", model, []string{"X-HTTP-Method: GET"}, 400},
		{"query", "/gemini/v1beta/cachedContents?$httpHeaders=X-HTTP-Method-Override:GET", cached, nil, 400},
		{"encoded query", "/gemini/v1beta/cachedContents?a=1&%24http%4Dethod=GET", cached, nil, 400},
		{"a form's", "/v1/files?_method=GET", cached, nil, 400},
		{"something else in the query", "/gemini/v1beta/models/gemini-2.5-flash:generateContent?$prettyPrint=false&x_y=1", model, nil, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", `{"name":"cachedContents/c1","usageMetadata":{"totalTokenCount":5}}`)))
			r, w := owning(t, o, nil)
			resp, body, err := r.ask("POST", post(tt.path, tt.body, tt.fields...))
			if err != nil || resp.StatusCode != tt.status {
				t.Fatalf("got %v %q %v, want %d", resp, body, err, tt.status)
			}
			asked, _ := o.seen()
			if tt.status == 400 && (!strings.Contains(string(body), "X-HTTP-Method-Override") || len(asked) != 0 || len(w.created) != 0) {
				t.Errorf("%s, %d requests passed, created %q", body, len(asked), w.created)
			}
		})
	}

	t.Run("the client's own account", func(t *testing.T) {
		t.Parallel()
		o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
		r := start(t, o, func(o *proxy.Options) { o.Objects, o.Upstreams[0].ClientAuth = &owners{of: map[string]string{}}, true })
		resp, body, err := r.ask("POST", post(chatPath, chatRequest, "X-HTTP-Method-Override: GET", "X-Weir-Key: "+plainKey))
		if err != nil || resp.StatusCode != 200 {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
		asked, _ := o.seen()
		if len(asked) != 1 || len(asked[0].all("X-HTTP-Method-Override")) != 1 {
			t.Error("what is nobody's business was not passed on")
		}
	})
}
