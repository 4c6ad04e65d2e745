package dialect_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

func TestSocketRequest(t *testing.T) {
	t.Parallel()
	realtime := dialect.Route{Endpoint: "openai.realtime", Class: dialect.Metered}
	for _, tt := range []struct {
		route       dialect.Route
		query, want string
		err         error
	}{
		{realtime, "", "", nil},
		{realtime, "model=gpt-realtime", "gpt-realtime", nil},
		{realtime, "a=b&model=gpt%2Drealtime&model=gpt-realtime", "gpt-realtime", nil},
		{realtime, "mod%65l=gpt-realtime", "gpt-realtime", nil},
		{realtime, "api-version=2025-04-01-preview&deployment=mine", "mine", nil},
		{realtime, "model=a&model=b", "", metering.ErrInvalid},
		{realtime, "model=a&deployment=b", "", metering.ErrInvalid},
		{realtime, "model=%zz", "", metering.ErrInvalid},
		{realtime, "model=a%00", "", metering.ErrInvalid},
		{realtime, "model=" + strings.Repeat("m", 513), "", metering.ErrInvalid},
		{realtime, "model=a&call_id=rtc_1", "", dialect.ErrAttached},
		{dialect.Route{Endpoint: "openai.responses", Class: dialect.Metered}, "model=a", "", nil},
		{dialect.Route{Endpoint: "gemini.live", Class: dialect.Metered, Model: "m"}, "alt=x", "m", nil},
		{dialect.Route{Endpoint: "gemini.live", Class: dialect.Metered, Model: "m"}, "model=n", "", metering.ErrInvalid},
	} {
		q, err := dialect.SocketRequest(tt.route, tt.query)
		if !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: error %v, want %v", tt.query, err, tt.err)
		}
		if err == nil && (q.Model != tt.want || !q.Stream) {
			t.Errorf("%s: %+v", tt.query, q)
		}
	}
}
