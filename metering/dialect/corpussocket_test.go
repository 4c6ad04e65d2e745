package dialect_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
)

// message is one message of a recorded socket.
type message struct {
	Direction string          `json:"direction"`
	Data      json.RawMessage `json:"data"`
}

// sockets loads the recorded sockets.
func sockets(t *testing.T) []exchange {
	t.Helper()
	var all []exchange
	for _, f := range meteringtest.CorpusFiles(t) {
		if !strings.Contains(f, "realtime") {
			continue
		}
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e exchange
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if e.Endpoint == "realtime.websocket" {
			all = append(all, e)
		}
	}
	return all
}

// messages are the messages of e.
func messages(t *testing.T, e exchange) []message {
	t.Helper()
	var all []message
	for line := range strings.Lines(e.Body) {
		var f message
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("%s: %v", e.ID, err)
		}
		all = append(all, f)
	}
	return all
}

// openSocket returns a session for a path of that provider.
func openSocket(tb testing.TB, provider, path string) dialect.Session {
	tb.Helper()
	name := "openai"
	if provider == "gemini" || provider == "vertex" {
		name = "gemini"
	}
	d, ok := dialect.Named(name)
	if !ok {
		tb.Fatalf("no dialect %s", name)
	}
	sockets, ok := d.(dialect.Sockets)
	if !ok {
		tb.Fatalf("%s speaks over no sockets", name)
	}
	r, ok := sockets.Socket(path)
	if !ok || r.Class != dialect.Metered {
		tb.Fatalf("%s: route %+v, %v", path, r, ok)
	}
	return sockets.Session(r, dialect.Request{})
}

// socketUsage is what a replayed socket has used.
type socketUsage struct {
	responses, transcriptions, open []dialect.Turn
	rest                            metering.Usage
}

// replay lets a session see all frames. Gemini's come in binary messages.
func replay(t *testing.T, s dialect.Session, all []message, binary bool) socketUsage {
	t.Helper()
	var got socketUsage
	for _, f := range all {
		if f.Direction == "sent" {
			s.Sent(f.Data, binary)
			continue
		}
		for _, turn := range s.Received(f.Data, binary) {
			if strings.Contains(turn.Usage.Terminal, "transcription") {
				got.transcriptions = append(got.transcriptions, turn)
			} else {
				got.responses = append(got.responses, turn)
			}
		}
		notNegative(t, s.Snapshot())
	}
	got.open, got.rest = s.Close(dialect.Ended)
	return got
}

// xaiUsage writes into x what xAI's sockets state beside the empty usage inside a response,
// which the corpus passes over:
// "response":{…,"usage":{}},…,"usage":{"input_tokens":156,…,"billable_audio_seconds":5}.
func xaiUsage(all []message, x *expect) {
	var input, output, seconds int64
	for _, f := range all {
		var e struct {
			Type  string `json:"type"`
			Usage *struct {
				Input   int64 `json:"input_tokens"`
				Output  int64 `json:"output_tokens"`
				Seconds int64 `json:"billable_audio_seconds"`
				In      struct {
					Audio int64 `json:"audio_tokens"`
				} `json:"input_token_details"`
				Out struct {
					Audio int64 `json:"audio_tokens"`
				} `json:"output_token_details"`
			} `json:"usage"`
		}
		if json.Unmarshal(f.Data, &e) == nil && e.Type == "response.done" && e.Usage != nil {
			input, output, seconds = input+e.Usage.Input, output+e.Usage.Output, seconds+e.Usage.Seconds
			x.AudioInput += e.Usage.In.Audio
			x.AudioOutput += e.Usage.Out.Audio
			x.Objects++
		}
	}
	x.Input, x.Output, x.AudioSeconds = &input, &output, fmt.Sprint(seconds)
	x.Units = map[string]any{"responses": x.Objects}
}

// TestCorpus_sockets holds the sessions to recorded sockets: T22.
func TestCorpus_sockets(t *testing.T) {
	t.Parallel()
	all := sockets(t)
	if len(all) == 0 {
		t.Fatal("no recorded sockets")
	}
	for _, e := range all {
		t.Run(e.ID, func(t *testing.T) {
			t.Parallel()
			sent := messages(t, e)
			got := replay(t, openSocket(t, e.Provider, e.Path), sent, e.Provider == "gemini")
			for _, d := range socketDifferences(e, sent, got) {
				t.Error(d)
			}
		})
	}
}

// socketDifferences lists what got says otherwise than e must yield.
func socketDifferences(e exchange, sent []message, got socketUsage) []string {
	var d differing
	x := e.Expect
	var u, heard metering.Usage
	flags := map[metering.Flag]bool{}
	for _, turn := range got.responses {
		add(&u, turn.Usage)
		d.text("state of "+turn.Usage.ObjectID, string(turn.Usage.State), string(metering.UsageExact))
		if x.Model != nil {
			d.text("model", turn.Usage.Model, *x.Model)
		} else if turn.Model == "" {
			d = append(d, "the turn has no model")
		}
		if turn.Usage.ObjectID == "" && e.Provider != "gemini" {
			d = append(d, "the turn has no object")
		}
		for _, f := range turn.Usage.Flags {
			flags[f] = true
		}
	}
	for _, turn := range got.transcriptions {
		add(&heard, turn.Usage)
	}
	if e.Provider == "xai" {
		xaiUsage(sent, &x)
	}
	d.number("input", u.Input, *x.Input)
	d.number("output", u.Output, *x.Output)
	d.cells(&u.Tokens, x)
	d.number("usage objects", int64(u.Objects), int64(x.Objects))
	d.number("open turns", int64(len(got.open)), 0)
	d.text("terminal", got.rest.Terminal, x.Terminal)
	d.text("rest", string(got.rest.State), string(metering.UsageNone))
	d.failure(got.rest.Error, x.Error)
	outside := false
	for _, f := range x.Flags {
		outside = outside || f == "live_thoughts_outside_total"
	}
	if flags[metering.FlagTotalMismatch] != outside || len(flags) > 1 || len(flags) == 1 && !outside {
		d = append(d, fmt.Sprintf("flags %v, want the total's mismatch: %v", flags, outside))
	}
	d.socketUnits(u, heard, x)
	return d
}

// socketUnits compares what is no token, and how much was heard.
func (d *differing) socketUnits(u, heard metering.Usage, x expect) {
	d.text("audio seconds", amount(u, "audio_seconds"), plain(x.AudioSeconds))
	for name, v := range x.Units {
		switch name {
		case "responses":
			d.text("responses with usage", fmt.Sprint(u.Objects), plain(v))
		case "cached_audio_input_tokens":
			d.text("cached audio", fmt.Sprint(u.Tokens[metering.InputCell(metering.CacheRead, metering.Audio)]), plain(v))
		case "transcription":
			want, _ := v.(map[string]any)
			d.text("heard input", fmt.Sprint(heard.Input), plain(want["input_tokens"]))
			d.text("heard output", fmt.Sprint(heard.Output), plain(want["output_tokens"]))
			d.text("heard objects", fmt.Sprint(heard.Objects), plain(want["events"]))
			if seconds, _ := want["seconds"].(string); strings.TrimSuffix(seconds, ".0") != "0" {
				d.text("heard seconds", amount(heard, "audio_seconds"), strings.TrimSuffix(seconds, ".0"))
			}
		default:
			*d = append(*d, fmt.Sprintf("unit %q of the corpus is not compared", name))
		}
	}
}

// amount is a quantity of u, "" if there is none.
func amount(u metering.Usage, name string) string {
	for _, q := range u.Quantities {
		if q.Name == name {
			return q.Amount.String()
		}
	}
	return ""
}

// add adds the counts of u.
func add(sum *metering.Usage, u metering.Usage) {
	sum.Tokens.Add(&u.Tokens)
	sum.Input += u.Input
	sum.Output += u.Output
	sum.Objects += u.Objects
	for _, q := range u.Quantities {
		found := false
		for i := range sum.Quantities {
			if sum.Quantities[i].Name == q.Name {
				sum.Quantities[i].Amount = sum.Quantities[i].Amount.Add(q.Amount)
				found = true
			}
		}
		if !found {
			sum.Quantities = append(sum.Quantities, q)
		}
	}
}
