package dialect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// TestBatchLines: T54. The lines of a batch are summed and kept apart by model; of
// more models than are kept apart no one is named, so that their sum has no price.
func TestBatchLines(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	for _, models := range []int{1, 2, 32, 33, 500} {
		var body strings.Builder
		for line := range 1000 {
			fmt.Fprintf(&body, `{"id":"%d","custom_id":"%d","response":{"status_code":200,"body":{"model":"m%d","usage":{"prompt_tokens":3,"completion_tokens":2}}}}`+"\n",
				line, line, line%models)
		}
		s := d.Scanner(d.Route("GET", "/v1/files/f/content"), dialect.Request{}, dialect.Response{Status: 200})
		u := scan(s, []byte(body.String()), 4<<10)
		if u.State != metering.UsageExact || u.Input != 3000 || u.Output != 2000 || u.Objects != 1000 || !u.Flagged(metering.FlagBatchPrice) {
			t.Errorf("%d models: %s, %d in, %d out of %d, %v", models, u.State, u.Input, u.Output, u.Objects, u.Flags)
		}
		split := int64(0)
		for _, m := range u.ByModel {
			split += m.Input + m.Output
		}
		switch {
		case models == 1 && (u.ByModel != nil || u.Model != "m0"),
			models > 1 && models <= 32 && (len(u.ByModel) != models || split != 5000),
			models > 32 && (u.ByModel != nil || u.Model != ""):
			t.Errorf("%d models: of %q by %d models, %d tokens", models, u.Model, len(u.ByModel), split)
		}
	}
}
