package dialect_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// awsFrame is a frame of an event stream with text headers, name and value in
// turn.
func awsFrame(payload string, headers ...string) []byte {
	var head []byte
	for i := 0; i < len(headers); i += 2 {
		head = append(append(head, byte(len(headers[i]))), headers[i]...)
		head = append(head, 7)
		head = binary.BigEndian.AppendUint16(head, uint16(len(headers[i+1])))
		head = append(head, headers[i+1]...)
	}
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(head)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(head)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(append(b, head...), payload...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func eventFrame(name, payload string) []byte {
	return awsFrame(payload, ":event-type", name, ":content-type", "application/json", ":message-type", "event")
}

// chunkFrame is a frame of invoke-with-response-stream.
func chunkFrame(object string) []byte {
	return eventFrame("chunk", `{"bytes":"`+base64.StdEncoding.EncodeToString([]byte(object))+`","p":"abc"}`)
}

// bedrockCall is a call of one of Bedrock's streaming operations.
func bedrockCall(operation string) prepared {
	d, _ := dialect.Named("bedrock")
	e := exchange{Status: 200, Headers: map[string]string{"content-type": "application/vnd.amazon.eventstream"}}
	return prepared{e, d, d.Route("POST", "/model/m/"+operation), dialect.Request{BodyBytes: 400, OutputCap: 100}, nil}
}

// converseFrames is a stream with all that metadata can have.
func converseFrames() []byte {
	return bytes.Join([][]byte{
		eventFrame("messageStart", `{"role":"assistant","p":"a"}`),
		eventFrame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"Hello"}}`),
		eventFrame("contentBlockDelta", `{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"Hm"}}}`),
		eventFrame("messageStop", `{"stopReason":"end_turn"}`),
		eventFrame("metadata", `{"usage":{"inputTokens":5,"outputTokens":7,"totalTokens":32,"cacheReadInputTokens":8,"cacheWriteInputTokens":12,`+
			`"cacheDetails":[{"ttl":"5m","inputTokens":2},{"ttl":"1h","inputTokens":10}],"serverToolUsage":{"webSearchRequests":2}},"metrics":{"latencyMs":1},`+
			`"serviceTier":{"type":"priority"},"trace":{"promptRouter":{"invokedModelId":"arn:aws:bedrock:us-east-1::foundation-model/x"}}}`),
	}, nil)
}

// TestEventStream reads streams that no recording has.
func TestEventStream(t *testing.T) {
	t.Parallel()
	start, delta := eventFrame("messageStart", `{"role":"assistant"}`), eventFrame("contentBlockDelta", `{"delta":{"text":"Hello, you"}}`)
	throttled := awsFrame(`{"message":"slow down"}`, ":exception-type", "throttlingException", ":message-type", "exception")
	failed := awsFrame(``, ":error-code", "InternalFailure", ":error-message", "broke", ":message-type", "error")
	corrupt := bytes.Replace(converseFrames(), []byte(`"outputTokens":7`), []byte(`"outputTokens":9`), 1)
	badPrelude := bytes.Clone(start)
	badPrelude[9]++
	anthropicStart := chunkFrame(`{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":9,"output_tokens":1}}}`)
	for _, tt := range []struct {
		name, operation string
		body            []byte
		end             dialect.End
		want            string
	}{
		{"converse", "converse-stream", converseFrames(), dialect.Ended,
			"state exact\ncells input=5 cache_read=8 cache_write_5m=2 cache_write_1h=10 output=7\ninput 25\noutput 7\ntotal 32\nquantity web_search_requests 2\n" +
				"reports arn:aws:bedrock:us-east-1::foundation-model/x\ntier priority\nfinish end_turn\nterminal metadata\n"},
		{"exception first", "converse-stream", throttled, dialect.Ended,
			"state none\nerror stream \"throttlingException\" \"\"\nterminal exception\n"},
		{"exception behind text", "converse-stream", bytes.Join([][]byte{start, delta, throttled}, nil), dialect.Ended,
			"state estimated\ncells input=100 output=3\ninput 100\noutput 3\nestimate bytes/4 between 0 and 500\nerror stream \"throttlingException\" \"\"\nterminal exception\n"},
		{"error", "invoke-with-response-stream", failed, dialect.Ended,
			"state none\nerror stream \"InternalFailure\" \"\"\nterminal error\n"},
		{"cut in the last frame", "converse-stream", converseFrames()[:len(converseFrames())-3], dialect.Truncated,
			"state estimated\ncells input=100 output=2\ninput 100\noutput 2\nestimate bytes/4 between 0 and 500\nfinish end_turn\nterminal eof_after_finish_reason\n"},
		{"a corrupt frame is not believed", "converse-stream", corrupt, dialect.Ended,
			"state unknown\ncells input=100 output=2\ninput 100\noutput 2\nflag unreadable\nestimate bytes/4 between 0 and 500\nfinish end_turn\nterminal eof_after_finish_reason\n"},
		{"nothing is read behind a corrupt prelude", "converse-stream", append(badPrelude, converseFrames()...), dialect.Ended,
			"state unknown\ncells input=100\ninput 100\nflag unreadable\nestimate bytes/4 between 0 and 500\nterminal eof\n"},
		{"a maker's stream without metrics is cut", "invoke-with-response-stream", bytes.Join([][]byte{anthropicStart,
			chunkFrame(`{"type":"content_block_delta","delta":{"type":"text_delta","text":"12345678"}}`)}, nil), dialect.Ended,
			"state partial\ncells input=9 output=3\ninput 9\noutput 3\nestimate bytes/4 between 10 and 109\nreports claude\nid msg_1\nterminal eof\n"},
		{"metrics where message_delta is missing", "invoke-with-response-stream", bytes.Join([][]byte{anthropicStart,
			chunkFrame(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":9,"outputTokenCount":30}}`)}, nil), dialect.Ended,
			"state exact\ncells input=9 output=30\ninput 9\noutput 30\nreports claude\nid msg_1\nterminal message_stop\n"},
		{"what was counted is not estimated again", "invoke-with-response-stream", bytes.Join([][]byte{
			chunkFrame(`{"generation":"12345678","prompt_token_count":10,"generation_token_count":3,"stop_reason":null}`),
			chunkFrame(`{"generation":"12345678","prompt_token_count":null,"generation_token_count":6,"stop_reason":null}`)}, nil), dialect.Truncated,
			"state partial\ncells input=10 output=6\ninput 10\noutput 6\nestimate bytes/4 between 16 and 110\nterminal eof\n"},
		{"OpenAI's chunks", "invoke-with-response-stream", bytes.Join([][]byte{
			chunkFrame(`{"id":"c1","model":"gpt-oss","choices":[{"index":0,"delta":{"content":"Hi"}}]}`),
			chunkFrame(`{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"amazon-bedrock-invocationMetrics":{"inputTokenCount":70,"outputTokenCount":43}}`)}, nil), dialect.Ended,
			"state exact\ncells input=70 output=43\ninput 70\noutput 43\nreports gpt-oss\nid c1\nfinish stop\nterminal invocation_metrics\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := bedrockCall(tt.operation)
			for piece := 1; piece <= len(tt.body); piece += 1 + piece/4 {
				s := p.scanner("")
				for rest := tt.body; len(rest) > 0; {
					n := min(piece, len(rest))
					s.Scan(rest[:n])
					rest = rest[n:]
				}
				var got strings.Builder
				for line := range strings.Lines(text(s.Close(tt.end))) {
					if !strings.HasPrefix(line, "raw ") && !strings.HasPrefix(line, "objects ") {
						got.WriteString(line)
					}
				}
				if diff := cmp.Diff(tt.want, got.String()); diff != "" {
					t.Fatalf("in pieces of %d (-want +got):\n%s", piece, diff)
				}
			}
		})
	}
}

// TestEventStream_bounded: a frame of more than is ever kept is passed over, and
// what follows is read; memory grows with what comes, not with what a prelude
// announces.
func TestEventStream_bounded(t *testing.T) { // not parallel: it measures memory
	p := bedrockCall("converse-stream")
	s := p.scanner("")
	s.Scan(eventFrame("contentBlockDelta", `{"delta":{"text":"`+strings.Repeat("x", 9<<20)+`"}}`))
	s.Scan(converseFrames())
	if u := s.Close(dialect.Ended); u.State != metering.UsageExact || u.Output != 7 {
		t.Errorf("behind a frame of 9 MiB: %s", text(u))
	}
	announced := binary.BigEndian.AppendUint32(nil, 7<<20)
	announced = binary.BigEndian.AppendUint32(announced, 0)
	announced = binary.BigEndian.AppendUint32(announced, crc32.ChecksumIEEE(announced))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s = p.scanner("")
	s.Scan(announced)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64<<10 {
		t.Errorf("%d bytes allocated for a prelude alone", n)
	}
	s.Close(dialect.Truncated)
}

// FuzzEventStream: whatever comes as frames never panics and reads the same
// however it is cut; frames with right checksums around any payload are made of
// the input too, so that what is behind the checksums is reached.
func FuzzEventStream(f *testing.F) {
	f.Add(converseFrames(), "metadata", uint64(1))
	f.Add([]byte(`{"usage":{"inputTokens":1e400}}`), "metadata", uint64(2))
	f.Add([]byte(`{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":-1}}`), "chunk", uint64(3))
	f.Add([]byte(`{"metadata":{"metadata":{"usage":{"inputTokens":1}}},"amazon-bedrock-trace":{"guardrail":[[[]]]}}`), "x", uint64(4))
	f.Fuzz(func(t *testing.T, data []byte, name string, cuts uint64) {
		name = name[:min(len(name), 200)]
		for _, operation := range []string{"converse-stream", "invoke-with-response-stream"} {
			p := bedrockCall(operation)
			for _, body := range [][]byte{data, append(eventFrame(name, string(data)), data...), append(chunkFrame(string(data)), chunkFrame(name)...),
				awsFrame(string(data), name+"x", name, ":message-type", "exception")} {
				want := scan(p.scanner(""), body, len(body)+1)
				notNegative(t, want)
				s, r := p.scanner(""), rand.New(rand.NewPCG(cuts, 2))
				for rest := body; len(rest) > 0; {
					n := 1 + r.IntN(min(len(rest), 64))
					s.Scan(rest[:n])
					notNegative(t, s.Snapshot())
					rest = rest[n:]
				}
				if got := s.Close(dialect.Ended); !reflect.DeepEqual(got, want) {
					t.Fatalf("%q (-whole +cut):\n%s", body, cmp.Diff(want, got))
				}
			}
		}
	})
}
