package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
)

// TestCorpusObserved replays the recorded exchanges that touch stored objects or
// are of vendors' own protocols, which a key of a customer may not simply call,
// through upstreams that are only watched: nothing is refused, bytes and headers
// are those of a direct fetch, and each leaves an event. T01, T06, T13, T23.
func TestCorpusObserved(t *testing.T) {
	program(t)
	var all []exchange
	for _, f := range meteringtest.CorpusFiles(t) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e exchange
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if !inScope[e.Endpoint] && e.Endpoint != "realtime.websocket" { // sockets have tests of their own
			all = append(all, e)
		}
	}
	up := replay(t, all)
	var conf strings.Builder
	conf.WriteString("listen: 127.0.0.1:0\nconsole: {listen: 127.0.0.1:0}\nupstreams:\n")
	for _, name := range []string{"openai", "anthropic", "gemini", "cohere", "bedrock"} {
		fmt.Fprintf(&conf, "  %s: {base_url: %q, auth: observe, include_usage: estimate}\n", name, up.URL)
	}
	p := start(t, options{config: conf.String()})
	for _, e := range all {
		e.RequestHeaders["Authorization"] = "Bearer sk-their-own"
		direct := fetch(t, up.URL, e, "")
		protocol, _, _ := strings.Cut(e.Endpoint, ".")
		switch protocol {
		case "anthropic", "gemini", "cohere", "bedrock":
		case "vertex":
			protocol = "gemini"
		default:
			protocol = "openai"
		}
		through := fetch(t, p.proxy+"/"+protocol, e, "")
		if through.status != direct.status || !bytes.Equal(through.body, direct.body) {
			t.Errorf("%s: differs from a direct fetch: status %d and %d, %d and %d bytes", e.ID, through.status, direct.status, len(through.body), len(direct.body))
		}
		for name := range direct.header {
			if name != "Date" && name != "Connection" && strings.Join(direct.header[name], "|") != strings.Join(through.header[name], "|") {
				t.Errorf("%s: header %s is %q, direct %q", e.ID, name, through.header[name], direct.header[name])
			}
		}
		if through.header.Get("X-Weir-Event-Id") == "" {
			t.Errorf("%s: no event", e.ID)
		}
	}
	var u struct {
		Totals struct {
			Requests int `json:"requests"`
		} `json:"totals"`
	}
	p.decode(&u, "usage", "--customer", "observed", "--sync")
	if u.Totals.Requests != len(all) {
		t.Errorf("%d calls are counted, want %d", u.Totals.Requests, len(all))
	}
	t.Logf("%d exchanges, bytes and headers equal to a direct fetch", len(all))
}
