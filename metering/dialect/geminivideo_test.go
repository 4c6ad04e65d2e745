package dialect_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

// TestRemembered: what a request to Veo asks for is kept for when its operation has
// ended, with what Veo does unasked; of nothing else anything is.
func TestRemembered(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("gemini")
	f := func(path, body, want string) {
		t.Helper()
		r := d.Route("POST", path)
		q, err := d.Inspect(r, "application/json", []byte(body))
		if got := q.Remembered(r); err != nil || got != want {
			t.Errorf("%s %s: %q (%v), want %q", path, body, got, err, want)
		}
	}
	const veo = "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"
	f(veo, `{"instances":[{"prompt":"a weir"}]}`, "resolution=720p&video_seconds=8")
	f(veo, `{"instances":[{"prompt":"a weir"}],"parameters":{"durationSeconds":4,"resolution":"1080p","sampleCount":2}}`, "resolution=1080p&video_seconds=4")
	f(veo, `{"parameters":{"durationSeconds":"6","resolution":"4k"}}`, "resolution=4k&video_seconds=6")
	f(veo, `{"parameters":{"resolution":"4K","generateAudio":true}}`, "resolution=4k&video_seconds=8")
	f(veo, `{"parameters":{"generateAudio":false}}`, "audio=off&resolution=720p&video_seconds=8")
	f(veo, `{"parameters":{"durationSeconds":-1}}`, "resolution=720p&video_seconds=8")
	f("/v1/projects/p/locations/l/publishers/google/models/veo-3.1-fast-generate-001%3ApredictLongRunning", `{"parameters":{"durationSeconds":6}}`, "resolution=720p&video_seconds=6")
	f("/v1beta/models/other:predictLongRunning", `{"parameters":{"durationSeconds":6}}`, "")
	f("/v1beta/models/veo-3:generateContent", `{"parameters":{"durationSeconds":6}}`, "")
	f("/v1beta/models/veo-3:batchGenerateContent", `{}`, "")
}

// TestVideos: each video is as long as was asked for, none is nothing, and what cannot
// be read is unknown.
func TestVideos(t *testing.T) {
	t.Parallel()
	f := func(n int64, remembered, want string) {
		t.Helper()
		u := dialect.Videos(n, remembered)
		if got := fmt.Sprint(u.State, u.Quantities, u.Attributes); got != want {
			t.Errorf("%d of %q: %s, want %s", n, remembered, got, want)
		}
	}
	f(2, "resolution=720p&video_seconds=8", "exact[{video_seconds 16}] [{resolution 720p}]")
	f(1, "audio=off&resolution=720p&video_seconds=8", "exact[{video_seconds 8}] [{audio off} {resolution 720p}]")
	f(0, "resolution=720p&video_seconds=8", "none[] []")
	f(1, "resolution=720p", "unknown[] []")
	f(1, "video_seconds=-8", "unknown[] []")
	f(1, "%", "unknown[] []")
}
