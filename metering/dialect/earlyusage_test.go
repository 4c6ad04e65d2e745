package dialect_test

import (
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// TestEarlyUsage: usage in an event that begins a response is not what it has
// used, whatever becomes of the stream. The last event's is.
func TestEarlyUsage(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	const (
		created   = `data: {"type":"response.created","response":{"id":"r","model":"m","status":"in_progress","usage":{"input_tokens":0,"output_tokens":0,"total_tokens":0}}}` + "\n\n"
		delta     = `data: {"type":"response.output_text.delta","delta":"four words of text"}` + "\n\n"
		completed = `data: {"type":"response.completed","response":{"id":"r","model":"m","status":"completed","usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}}` + "\n\n"
	)
	for _, tt := range []struct {
		name, stream string
		end          dialect.End
		want         metering.UsageState
	}{
		{"whole", created + delta + completed, dialect.Ended, metering.UsageExact},
		{"cut", created + delta, dialect.Truncated, metering.UsagePartial},
		{"hung up", created + delta, dialect.Abandoned, metering.UsagePartial},
		{"a clean end without the last event", created + delta, dialect.Ended, metering.UsagePartial},
	} {
		s := d.Scanner(d.Route("POST", "/v1/responses"), dialect.Request{Stream: true, Model: "m", BodyBytes: 400},
			dialect.Response{Status: 200, ContentType: "text/event-stream"})
		s.Scan([]byte(tt.stream))
		u := s.Close(tt.end)
		if u.State != tt.want || tt.want == metering.UsageExact && (u.Input != 9 || u.Output != 4) {
			t.Errorf("%s: %s, %d in, %d out, want %s", tt.name, u.State, u.Input, u.Output, tt.want)
		}
		if tt.want != metering.UsageExact && u.Output == 0 {
			t.Errorf("%s: text has come and nothing is counted: %+v", tt.name, u)
		}
	}
}
