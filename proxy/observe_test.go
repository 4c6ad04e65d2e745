package proxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

func observing(t *testing.T, o *origin, change func(*proxy.Options)) *rig {
	t.Helper()
	return start(t, o, func(options *proxy.Options) {
		u := &options.Upstreams[0]
		u.ClientAuth, u.Credentials, u.Observer, u.IncludeUsage = true, nil, key, "refuse"
		options.MaxBody = 64
		if change != nil {
			change(options)
		}
	})
}

// TestObserve: an application that only changed its base URL goes on as before,
// whatever it sends, and all of it is counted.
func TestObserve(t *testing.T) {
	t.Parallel()
	const own = "Authorization: Bearer sk-their-own"
	large := `{"model":"gpt-x","messages":[{"role":"user","content":"` + strings.Repeat("x", 200) + `"}]}`
	for name, tt := range map[string]struct {
		path, body string
		fields     []string
		event      string // endpoint customer model metered
	}{
		"a call":                   {chatPath, chatRequest, nil, "openai.chat c1 gpt-x true"},
		"a body above the limit":   {chatPath, large, nil, "openai.chat c1 gpt-x true"},
		"a stored object":          {"/v1/files", "x", nil, "openai.files c1  false"},
		"an unknown path":          {"/v1/unknown", "x", nil, "raw c1  false"},
		"a path that is odd":       {"/openai/v1//chat/%63ompletions", "x", nil, "raw c1  false"},
		"two models":               {chatPath, `{"model":"a","model":"b"}`, nil, "openai.chat c1  true"},
		"a compressed body":        {chatPath, "\x1f\x8b", []string{"Content-Encoding: gzip"}, "openai.chat c1  true"},
		"a stream without usage":   {chatPath, `{"model":"gpt-x","stream":true}`, nil, "openai.chat c1 gpt-x true"},
		"a customer":               {chatPath, chatRequest, []string{"X-Weir-Customer: globex"}, "openai.chat c2 gpt-x true"},
		"a customer who is none":   {chatPath, chatRequest, []string{"X-Weir-Customer: nobody"}, "openai.chat c1 gpt-x true"},
		"a Weir key of its own":    {chatPath, chatRequest, []string{"X-Weir-Key: " + modelKey}, "openai.chat c1 gpt-x true"},
		"a Weir key for tests":     {chatPath, chatRequest, []string{"X-Weir-Key: " + testKey}, "openai.chat c1 gpt-x true"},
		"a Weir key for elsewhere": {chatPath, chatRequest, []string{"X-Weir-Key: " + scopedKey}, "openai.chat c1 gpt-x true"},
		"a Weir key that is wrong": {chatPath, chatRequest, []string{"X-Weir-Key: weir_live_wrong"}, "openai.chat c1 gpt-x true"},
		"labels that are wrong":    {chatPath, chatRequest, []string{"X-Weir-Tags: no-tag", "X-Weir-Run: \t"}, "openai.chat c1 gpt-x true"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
			r := observing(t, o, nil)
			request := post(tt.path, tt.body, append(tt.fields, own)...)
			request = strings.Replace(request, "Authorization: Bearer "+key+"\r\n", "", 1)
			resp, body, err := r.ask("POST", request)
			if err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
				t.Fatalf("got %v %q %v", resp, body, err)
			}
			requests, _ := o.seen()
			g := requests[0]
			if string(g.body) != tt.body || strings.Join(g.all("Authorization"), "") != "Bearer sk-their-own" || len(g.all("X-Weir-Key")) > 0 {
				t.Errorf("upstream got %q", g.raw)
			}
			e := r.journal.fact(t, 1)
			got := strings.Join([]string{e.Endpoint, e.Customer, e.Model, map[bool]string{true: "true", false: "false"}[e.Metered]}, " ")
			if got != tt.event {
				t.Errorf("event is %q, want %q", got, tt.event)
			}
			if e.Metered && (e.Usage.State != metering.UsageExact || e.Usage.Input != 11) {
				t.Errorf("usage is %+v", e.Usage)
			}
			if credential := e.Property("credential"); len(credential.Text) != 8 {
				t.Errorf("the credential's tag is %+v", credential)
			}
		})
	}
}

// TestObserve_unrecorded: a journal that cannot be written stops nobody, and what
// is lost is counted.
func TestObserve_unrecorded(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := observing(t, o, nil)
	for i, cause := range []error{errors.New("disk full"), metering.ErrFenced} {
		r.journal.mu.Lock()
		r.journal.beginErr = cause
		r.journal.mu.Unlock()
		resp, body, err := r.ask("POST", post(chatPath, chatRequest, "Authorization: Bearer sk-own", "X-Weir-Run: weir_"))
		if err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
			t.Fatalf("%v: got %v %q %v", cause, resp, body, err)
		}
		if n := r.s.Stats().Losses; n != int64(i+1) {
			t.Errorf("%d losses after %v", n, cause)
		}
	}
}

// TestObserve_elsewhere: what is watched opens no other upstream.
func TestObserve_elsewhere(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer)))
	r := observing(t, o, func(options *proxy.Options) {
		other := upstreamAt(t, "anthropic", o)
		options.Upstreams = append(options.Upstreams, other)
	})
	resp, _, err := r.ask("POST", post("/anthropic/v1/messages", chatRequest, "x-api-key: weir_not-a-key"))
	if err != nil || resp.StatusCode != 401 {
		t.Fatalf("got %v %v", resp, err)
	}
}
