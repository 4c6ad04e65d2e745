package dialect_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

// TestSubtitles: the length of what was transcribed is the end of the last cue,
// however the lines are cut; what only looks like one is none.
func TestSubtitles(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	for body, want := range map[string]string{
		"1\n00:00:00,000 --> 00:00:03,700\nA\n":                        "audio_seconds 3.7",
		"1\r\n00:00:00,000 --> 00:00:03,700\r\nA\r\n":                  "audio_seconds 3.7",
		"WEBVTT\n\n00:00.000 --> 00:59.999 line:0 position:20%\nA":     "audio_seconds 59.999",
		"WEBVTT\n\n99:00:00.000 --> 100:00:00.001\nA":                  "audio_seconds 360000.001",
		"1\n00:00:05,000 --> 00:00:09,000\n2\n00:00:00,0 --> x\nA":     "audio_seconds 9",
		"1\n00:00:05,000 --> 00:00:09,000\n2\n0:1 --> 00:00:07,000\nA": "audio_seconds 9",
		"A --> B\nC\n":                                                      "requests 1",
		"1\n00:00:00,000 --> 00:00:00,000\nA\n":                             "requests 1",
		"1\n00:00:00,000 --> 00:00:03,70\nA\n":                              "requests 1",
		"1\n00:00:00,000 --> 00000:00:03,700\nA\n":                          "requests 1",
		"1\n00:00:00,000 --> -1:00:03,700\nA\n":                             "requests 1",
		"1\n00:00:00,000 --> 1:2:3:4,700\nA\n":                              "requests 1",
		"1\n" + strings.Repeat(" ", 80) + "00:00:00,000 --> 00:00:03,700\n": "requests 1",
	} {
		for _, size := range []int{1, 2, 3, len(body)} {
			s := d.Scanner(d.Route("POST", "/v1/audio/transcriptions"), dialect.Request{}, dialect.Response{Status: 200, ContentType: "text/plain"})
			u := scan(s, []byte(body), size)
			if len(u.Quantities) != 1 || u.Quantities[0].Name+" "+u.Quantities[0].Amount.String() != want {
				t.Errorf("%q in pieces of %d: %v, want %s", body, size, u.Quantities, want)
			}
		}
	}
}
