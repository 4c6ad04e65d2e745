package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/proxytest"
)

// TestSocket_Realtime covers T22 with OpenAI's dialect: what every response.done
// says is an event, and their sum is what the provider says it has served.
func TestSocket_Realtime(t *testing.T) {
	t.Parallel()
	sim := proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{operatorKey}})
	t.Cleanup(func() {
		if err := sim.Close(); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	d, _ := dialect.Named("openai")
	r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL, o.Upstreams[0].Dialect = server.URL, d })
	ctx := soon(t)
	c, resp, err := websocket.Dial(ctx, "ws://"+r.addr+"/v1/realtime?model=gpt-realtime", &websocket.DialOptions{
		Subprotocols: []string{"realtime", "openai-insecure-api-key." + key}, CompressionMode: websocket.CompressionContextTakeover,
	})
	if err != nil {
		t.Fatalf("%v %v", resp, err)
	}
	say(t, c, `{"type":"session.update","session":{"type":"realtime","instructions":"Be brief."}}`)
	const n = 5
	text := ""
	for i := range n {
		say(t, c, fmt.Sprintf(`{"type":"conversation.item.create","item":{"type":"message","role":"user","content":[{"type":"input_text","text":"Answer in %d words."}]}}`, 5+i))
		say(t, c, `{"type":"response.create"}`)
		text += listen(ctx, t, c, "response.done")
	}
	say(t, c, `{"type":"nonsense"}`)
	listen(ctx, t, c, "error")
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
	own, turns := r.journal.factsOf(t, n+1)
	waiting, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := sim.Recorder().Wait(waiting); err != nil {
		t.Fatal(err)
	}
	want := sim.Recorder().Sum(func(s proxytest.Served) bool { return s.Object != "" })
	var input, output int64
	for _, e := range turns {
		if e.Usage.State != metering.UsageExact || e.Endpoint != "openai.realtime" || e.Usage.ObjectID == "" || !strings.HasPrefix(e.Usage.Model+e.Model, "gpt-realtime") {
			t.Errorf("turn is %+v", e)
		}
		input, output = input+e.Usage.Input, output+e.Usage.Output
	}
	if input != want.Input || output != want.Output || want.Requests != n || output != proxytest.Tokens(text) || input == 0 {
		t.Errorf("turns have %d and %d tokens, the provider says %+v, the text has %d", input, output, want, proxytest.Tokens(text))
	}
	if own.Outcome != metering.OutcomeComplete || own.Usage.Input != 0 || quantity(own.Usage, "messages") == "" {
		t.Errorf("fact is %+v", own)
	}
}

func say(t *testing.T, c *websocket.Conn, p string) {
	t.Helper()
	if err := c.Write(t.Context(), websocket.MessageText, []byte(p)); err != nil {
		t.Fatal(err)
	}
}

// listen reads until an event, and returns the text that came on the way.
func listen(ctx context.Context, t *testing.T, c *websocket.Conn, until string) (text string) {
	t.Helper()
	for {
		_, p, err := c.Read(ctx)
		if err != nil {
			t.Fatalf("waiting for %s: %v", until, err)
		}
		var event struct{ Type, Delta string }
		if err := json.Unmarshal(p, &event); err != nil {
			t.Fatal(err)
		}
		if event.Type == until {
			return text
		}
		text += event.Delta
	}
}
