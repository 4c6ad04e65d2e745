package proxy_test

import (
	"bytes"
	"net"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// plainStream is a request for a stream that does not ask for its usage.
const plainStream = `{"model":"gpt-x","stream":true,"messages":[{"role":"user","content":"Why does a weir have a crest?"}]}`

// policyRing is a ring whose customer has policies of its own.
type policyRing struct {
	ring
	ask     metering.AskPolicy
	missing metering.MissingPolicy
}

func (r policyRing) Lookup(secret []byte) (*metering.Principal, error) {
	p, err := r.ring.Lookup(secret)
	if err == nil {
		p.Customer.IncludeUsage, p.Customer.MissingUsage = r.ask, r.missing
	}
	return p, err
}

// TestMissing covers T31: what ends without usage is billed, or not, as the
// upstream's policy and above it the customer's say, and the estimate is kept.
func TestMissing(t *testing.T) {
	t.Parallel()
	_, direct := spliceFrames()
	for _, tt := range []struct{ upstream, customer, withheld metering.MissingPolicy }{
		{"", "", ""}, {"bill", "", ""}, {"zero", "", "zero"}, {"hold", "", "hold"}, {"bill", "zero", "zero"}, {"hold", "bill", ""},
	} {
		t.Run(string(tt.upstream+" "+tt.customer), func(t *testing.T) {
			t.Parallel()
			o := newOrigin(t, answering(eventsHead+chunk(strings.Join(direct, ""))+"0\r\n\r\n"))
			r := start(t, o, func(o *proxy.Options) {
				o.Keyring = policyRing{missing: tt.customer}
				o.Upstreams[0].IncludeUsage, o.Upstreams[0].MissingUsage = "estimate", tt.upstream
			})
			if _, _, err := r.ask("POST", post(chatPath, plainStream)); err != nil {
				t.Fatal(err)
			}
			u := r.journal.fact(t, 1).Usage
			if u.State != metering.UsageEstimated || u.Estimate == nil || u.Estimate.Input == 0 || u.Estimate.Output == 0 || u.Estimate.Withheld != tt.withheld || !u.Flagged(metering.FlagNotAsked) {
				t.Fatalf("usage is %+v, estimate %+v", u, u.Estimate)
			}
			want := u.Estimate.Input + u.Estimate.Output
			if tt.withheld != "" {
				want = 0
			}
			if u.Tokens.Input()+u.Tokens.Output() != want || u.Input+u.Output != want {
				t.Errorf("%s are billed, want %d", u.Tokens, want)
			}
			if u.Release(); u.Tokens.Input() != u.Estimate.Input || u.Tokens.Output() != u.Estimate.Output {
				t.Errorf("released: %s", u.Tokens)
			}
		})
	}
}

// TestMissing_Gone: a client that hangs up is billed whatever the policy.
func TestMissing_Gone(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) { write(c, eventsHead, chunk(stream()[1])) })
	r := start(t, o, func(o *proxy.Options) { o.Upstreams[0].MissingUsage = "zero" })
	c := r.dialTCP()
	write(c, post(chatPath, plainStream))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	u := r.journal.fact(t, 1).Usage
	if u.State != metering.UsageEstimated || u.Estimate.Withheld != "" || u.Input == 0 || u.Tokens.Input() != u.Input || u.Estimate.Method != "tiktoken/o200k_base" {
		t.Errorf("usage is %+v, estimate %+v", u, u.Estimate)
	}
}

// TestAsk covers T08 in full: what the client says of stream_options, and every
// policy, the customer's above the upstream's.
func TestAsk(t *testing.T) {
	t.Parallel()
	asked, direct := spliceFrames()
	requests := []struct {
		name, options, spliced string // members of the body; spliced "": the splice keeps off
		asks                   bool   // the client asks itself
	}{
		{"absent", ``, `,"stream_options":{"include_usage":true}`, false},
		{"false", `,"stream_options":{"include_usage":false}`, `,"stream_options":{"include_usage":true}`, false},
		{"true", `,"stream_options":{"include_usage":true}`, ``, true},
		{"null", `,"stream_options":null`, `,"stream_options":{"include_usage":true}`, false},
		{"other keys", `,"stream_options":{"include_obfuscation":false,"continuous_usage_stats":true}`, `,"stream_options":{"include_obfuscation":false,"continuous_usage_stats":true,"include_usage":true}`, false},
		{"twice", `,"stream_options":{"include_usage":false},"stream_options":{"include_usage":false}`, ``, false},
		{"twice inside", `,"stream_options":{"include_usage":false,"include_usage":false}`, ``, false},
	}
	for _, q := range requests {
		for _, policy := range []metering.AskPolicy{"splice", "leave", "estimate", "refuse"} {
			t.Run(q.name+", "+string(policy), func(t *testing.T) {
				t.Parallel()
				o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
					frames := direct
					if bytes.Contains(g.body, []byte(`"include_usage":true`)) {
						frames = asked
					}
					write(c, eventsHead, chunk(strings.Join(frames, "")), "0\r\n\r\n")
				})
				r := start(t, o, func(o *proxy.Options) {
					o.Keyring = policyRing{ask: policy}
					o.Upstreams[0].IncludeUsage = "estimate" // the customer's stands above it
				})
				body := `{"model":"m","stream":true` + q.options + `}`
				resp, got, err := r.ask("POST", post(chatPath, body))
				if err != nil {
					t.Fatal(err)
				}
				seen, _ := o.seen()
				if policy == "refuse" && !q.asks {
					if resp.StatusCode != 400 || code(t, got) != "include_usage_required" || len(seen) != 0 {
						t.Errorf("got %d %q, %d requests upstream", resp.StatusCode, got, len(seen))
					}
					return
				}
				splices := q.spliced != "" && (policy == "splice" || policy == "leave")
				up := body
				if splices {
					up = `{"model":"m","stream":true` + q.spliced + `}`
				}
				if len(seen) != 1 || string(seen[0].body) != up {
					t.Fatalf("%d requests upstream, the first %q, want %q", len(seen), seen[0].body, up)
				}
				want := strings.Join(direct, "")
				if q.asks || splices && policy == "leave" {
					want = strings.Join(asked, "")
				}
				if string(got) != want {
					t.Errorf("got  %q\nwant %q", got, want)
				}
				u := r.journal.fact(t, 1).Usage
				exact := q.asks || splices
				if exact != (u.State == metering.UsageExact) || !exact && (u.State != metering.UsageEstimated || !u.Flagged(metering.FlagNotAsked)) {
					t.Errorf("usage is %+v", u)
				}
			})
		}
	}
}

// TestSplice_Learned: what is learned is of one model, and only of an answer that
// shows that it was the splice (T09).
func TestSplice_Learned(t *testing.T) {
	t.Parallel()
	asked, direct := spliceFrames()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		spliced := bytes.Contains(g.body, []byte("include_usage"))
		switch {
		case bytes.Contains(g.body, []byte(`"broken"`)):
			write(c, respond("400 Bad Request", "application/json", `{"error":{"message":"your text about stream_options is not allowed"}}`))
		case spliced && bytes.Contains(g.body, []byte(`"old"`)):
			write(c, respond("400 Bad Request", "application/json", `{"error":{"message":"Unrecognized request argument supplied: stream_options"}}`))
		case spliced:
			write(c, eventsHead, chunk(strings.Join(asked, "")), "0\r\n\r\n")
		default:
			write(c, eventsHead, chunk(strings.Join(direct, "")), "0\r\n\r\n")
		}
	})
	r := start(t, o, nil)
	for i, tt := range []struct {
		model          string
		status, before int // requests upstream when the answer has come
		state          metering.UsageState
		refused        bool
	}{
		{"old", 200, 2, metering.UsageEstimated, true},
		{"old", 200, 3, metering.UsageEstimated, true},
		{"new", 200, 4, metering.UsageExact, false},
		{"broken", 400, 6, metering.UsageNone, false},
		{"broken", 400, 8, metering.UsageNone, false}, // nothing was learned
	} {
		resp, body, err := r.ask("POST", post(chatPath, `{"model":"`+tt.model+`","stream":true}`))
		if err != nil || resp.StatusCode != tt.status || tt.status == 200 && string(body) != strings.Join(direct, "") {
			t.Fatalf("%s: got %v %q %v", tt.model, resp, body, err)
		}
		if requests, _ := o.seen(); len(requests) != tt.before {
			t.Errorf("call %d: %d requests upstream, want %d", i, len(requests), tt.before)
		}
		if u := r.journal.fact(t, i+1).Usage; u.State != tt.state || u.Flagged(metering.FlagAskRefused) != tt.refused {
			t.Errorf("call %d: usage is %+v", i, u)
		}
	}
}

// TestDrainBytes: a stream whose client has gone is read no further than the
// limit, and what has come is estimated.
func TestDrainBytes(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead, chunk(stream()[1]))
		<-gone
		for write(c, chunk(stream()[1])) {
		}
	})
	r := start(t, o, func(o *proxy.Options) {
		o.Upstreams[0].Drain, o.Upstreams[0].DrainBytes = true, 64<<10
	})
	c := r.dialTCP()
	write(c, post(chatPath, plainStream))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	close(gone)
	<-o.closed
	e := r.journal.fact(t, 1)
	if e.Outcome != metering.OutcomeClientGone || e.Usage.State != metering.UsageEstimated || e.Usage.Output == 0 || e.Usage.Output > 64<<10 {
		t.Errorf("fact is %+v", e)
	}
}
