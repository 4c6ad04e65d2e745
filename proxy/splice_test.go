package proxy_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// spliceFrames are what an upstream sends that was asked for usage: null members
// in every chunk, and one more frame.
func spliceFrames() (asked, direct []string) {
	asked = []string{
		"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}],\"usage\":null}\n\n",
		"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}],\"usage\":null}\n\n",
		": comment\n\n",
		"data: {\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":null}\n\n",
		"data: {\"id\":\"c\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
		"data: [DONE]\n\n",
	}
	for i, f := range asked {
		if i != 4 {
			direct = append(direct, strings.ReplaceAll(f, ",\"usage\":null", ""))
		}
	}
	return asked, direct
}

// TestSplice covers T08: the upstream is asked for usage in all but the
// configured exceptions, and the client gets what it would have got directly.
func TestSplice(t *testing.T) {
	t.Parallel()
	asked, direct := spliceFrames()
	for _, tt := range []struct {
		name, mode, request string
		spliced             bool // the upstream is asked
		unspliced           bool // and the client does not see it
	}{
		{"absent", "splice", `{"model":"m","stream":true,"messages":[]}`, true, true},
		{"false", "splice", `{"model":"m","stream":true,"stream_options":{"include_usage":false}}`, true, true},
		{"other options", "splice", `{"stream_options":{"include_obfuscation":false},"model":"m","stream":true}`, true, true},
		{"true", "splice", `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, false, false},
		{"no stream", "splice", `{"model":"m"}`, false, false},
		{"leave", "leave", `{"model":"m","stream":true}`, true, false},
		{"estimate", "estimate", `{"model":"m","stream":true}`, false, false},
	} {
		for _, bytewise := range []bool{false, true} {
			t.Run(tt.name+map[bool]string{true: ", byte by byte"}[bytewise], func(t *testing.T) {
				t.Parallel()
				o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
					frames := direct
					if bytes.Contains(g.body, []byte(`"include_usage":true`)) {
						frames = asked
					}
					write(c, eventsHead)
					for _, f := range frames {
						if !bytewise {
							write(c, chunk(f))
							continue
						}
						for _, b := range []byte(f) {
							write(c, chunk(string(b)))
						}
					}
					write(c, "0\r\n\r\n")
				})
				r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].IncludeUsage = tt.mode })
				resp, body, err := r.ask("POST", post(chatPath, tt.request, "Authorization: Bearer "+key, "Accept-Encoding: gzip"))
				if err != nil || resp.StatusCode != 200 {
					t.Fatalf("got %v %q %v", resp, body, err)
				}
				requests, _ := o.seen()
				g := requests[0]
				wantUp := bytes.Contains(g.body, []byte(`"include_usage":true`))
				if wantUp != (tt.spliced || tt.name == "true") || !tt.spliced && string(g.body) != tt.request {
					t.Errorf("upstream got %q", g.body)
				}
				if v := strings.Join(g.all("Accept-Encoding"), "|"); v != map[bool]string{true: "identity", false: "gzip"}[tt.unspliced] {
					t.Errorf("Accept-Encoding is %q", v)
				}
				want := asked
				if tt.unspliced || !wantUp {
					want = direct
				}
				if string(body) != strings.Join(want, "") {
					t.Errorf("got  %q\nwant %q", body, strings.Join(want, ""))
				}
				e := r.journal.fact(t, 1)
				if state := map[bool]metering.UsageState{true: metering.UsageExact, false: metering.UsageEstimated}[wantUp]; e.Usage.State != state || wantUp && e.Usage.Input != 9 {
					t.Errorf("usage is %+v", e.Usage)
				}
				if e.BytesOut != int64(len(body)) {
					t.Errorf("%d bytes out, want %d", e.BytesOut, len(body))
				}
			})
		}
	}
}

// TestSplice_Refused covers T09: an upstream that does not know stream_options
// gets the request as the client sent it, once, and is not asked again.
func TestSplice_Refused(t *testing.T) {
	t.Parallel()
	_, direct := spliceFrames()
	other := respond("400 Bad Request", "application/json", `{"error":{"message":"model not found"}}`)
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		switch {
		case bytes.Contains(g.body, []byte("missing")):
			write(c, other)
		case bytes.Contains(g.body, []byte("stream_options")):
			write(c, respond("400 Bad Request", "application/json", `{"error":{"message":"Unknown parameter: 'stream_options'."}}`))
		default:
			write(c, eventsHead, chunk(strings.Join(direct, "")), "0\r\n\r\n")
		}
	})
	r := start(t, o, nil)
	request := `{"model":"m","stream":true,"messages":[]}`
	if resp, body, err := r.ask("POST", post(chatPath, strings.Replace(request, `"m"`, `"missing"`, 1))); err != nil || resp.StatusCode != 400 || !bytes.Contains(body, []byte("model not found")) {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	if requests, _ := o.seen(); len(requests) != 1 {
		t.Fatalf("another 400 was sent again: %d requests", len(requests))
	}
	for call := range 2 {
		resp, body, err := r.ask("POST", post(chatPath, request))
		if err != nil || resp.StatusCode != 200 || string(body) != strings.Join(direct, "") {
			t.Fatalf("got %v %q %v", resp, body, err)
		}
		requests, _ := o.seen()
		if len(requests) != 3+call || string(requests[len(requests)-1].body) != request {
			t.Errorf("%d requests, the last %q", len(requests), requests[len(requests)-1].body)
		}
		if e := r.journal.fact(t, 2+call); e.Usage.State != metering.UsageEstimated || e.Outcome != metering.OutcomeComplete {
			t.Errorf("fact is %+v", e)
		}
	}
	if intents, facts := r.journal.counts(); intents != 3 || facts != 3 {
		t.Errorf("%d intents, %d facts", intents, facts)
	}
}
