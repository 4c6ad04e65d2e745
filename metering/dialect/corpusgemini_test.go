package dialect_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"time"
)

// geminiEndpoints are the recorded endpoints of Google.
var geminiEndpoints = map[string]string{
	"gemini.generate_content":        "gemini",
	"gemini.stream_generate_content": "gemini",
	"gemini.count_tokens":            "gemini",
	"gemini.embed_content":           "gemini",
	"gemini.batches":                 "gemini",
	"gemini.cached_contents":         "gemini",
	"gemini.files":                   "gemini",
	"gemini.interactions":            "gemini",
	"gemini.long_running":            "gemini",
	"vertex.predict":                 "gemini",
}

// wantedOfGoogle is what e must yield beside what the corpus says, which lists
// what answers report as usage: storage is billed by time too, videos one by one,
// and a search costs whether or not the usage mentions it.
func wantedOfGoogle(e exchange, x expect) expect {
	units := maps.Clone(x.Units)
	if units == nil {
		units = map[string]any{}
	}
	switch e.Endpoint {
	case "gemini.cached_contents":
		var cache struct{ CreateTime, ExpireTime time.Time }
		if json.Unmarshal([]byte(e.Body), &cache) == nil && !cache.ExpireTime.IsZero() {
			units["cached_content_seconds"] = int64((cache.ExpireTime.Sub(cache.CreateTime) + time.Second - 1) / time.Second)
		}
	case "gemini.long_running":
		if n := strings.Count(e.Body, `"video":`); n > 0 {
			units["videos"] = n
		}
	case "gemini.interactions":
		if bytes.Contains([]byte(e.Body), []byte(`"type":"google_search_call"`)) {
			x.Tools = map[string]int64{"grounded": 1}
		}
	}
	x.Units = units
	return x
}
