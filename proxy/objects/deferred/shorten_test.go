package deferred

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestShortener: long texts are cut, what is around them stays, and what is left is
// JSON however the bytes come.
func TestShortener(t *testing.T) {
	t.Parallel()
	for _, before := range []int{0, 1, 2, 3, 4, 5, 6} {
		long := strings.Repeat("a", mostText-before) + strings.Repeat(`\u003d\"\\`, 40)
		for _, piece := range []int{1, 7, 1 << 20} {
			text := `{"a":["` + long + `","` + long + `"],"\"b":"c\\"}`
			var s shortener
			var got []byte
			for rest := []byte(text); len(rest) > 0; {
				n := min(piece, len(rest))
				got = append(got, s.shorten(rest[:n])...)
				rest = rest[n:]
			}
			var o map[string]any
			if err := json.Unmarshal(got, &o); err != nil {
				t.Fatalf("%d before, pieces of %d: %v", before, piece, err)
			}
			if list, _ := o["a"].([]any); len(list) != 2 || o[`"b`] != `c\` || len(got) > 2*mostText+60 {
				t.Errorf("%d before, pieces of %d: %d bytes, %d texts, %q", before, piece, len(got), len(list), o[`"b`])
			}
		}
	}
}
