package dialect_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// vendorShapes are answers of vendors' own protocols; IN and OUT are their counts.
var vendorShapes = []struct{ method, path, body string }{
	{"POST", "/api/generate", `{"model":"m","response":"four","done":true,"prompt_eval_count":IN,"eval_count":OUT}`},
	{"POST", "/completion", `{"content":"four","stop":true,"tokens_evaluated":IN,"tokens_predicted":OUT}`},
	{"POST", "/complete", `{"completions":[{"completion":"four"}],"num_tokens_prompt_total":IN,"num_tokens_generated":OUT}`},
	{"POST", "/ml/v1/text/generation", `{"results":[{"generated_text":"four","generated_token_count":OUT,"input_token_count":IN,"stop_reason":"x"}]}`},
	{"POST", "/v1/predictions", `{"id":"p","status":"succeeded","metrics":{"predict_time":1,"input_token_count":IN,"output_token_count":OUT}}`},
	{"POST", "/v1/images/generations", `{"data":[{}],"usage":{"input_tokens":IN,"output_tokens":OUT}}`},
	{"POST", "/v1/audio/transcriptions", `{"text":"four","usage":{"type":"tokens","input_tokens":IN,"output_tokens":OUT}}`},
	{"GET", "/v1/batches/b", `{"id":"b","status":"completed","usage":{"input_tokens":IN,"output_tokens":OUT}}`},
	{"GET", "/v1/batch/jobs/b", `{"id":"b","status":"SUCCESS","outputs":[{"custom_id":"0","response":{"body":{"usage":{"prompt_tokens":IN,"completion_tokens":OUT}}}}]}`},
	{"GET", "/v1/files/f/content", `{"custom_id":"0","response":{"body":{"usage":{"prompt_tokens":IN,"completion_tokens":OUT}}}}` + "\n"},
	{"GET", "/v1/threads/t/runs/r", `{"id":"r","object":"thread.run","status":"completed","usage":{"prompt_tokens":IN,"completion_tokens":OUT}}`},
}

// TestOddUsage_vendors: T29, S19. A count that is none is flagged and never exact,
// whoever counts, and what is beside it stays.
func TestOddUsage_vendors(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	read := func(method, path, body, in, out string) metering.Usage {
		s := d.Scanner(d.Route(method, path), dialect.Request{BodyBytes: 40}, dialect.Response{Status: 200})
		return scan(s, []byte(strings.NewReplacer("IN", in, "OUT", out).Replace(body)), 11)
	}
	for _, v := range vendorShapes {
		if u := read(v.method, v.path, v.body, "7", "5"); u.State != metering.UsageExact || u.Input != 7 || u.Output != 5 {
			t.Errorf("%s: %+v, want 7 and 5 exact", v.path, u)
		}
		for _, bad := range []string{`"5"`, "-1", "5.5", "1e400", "1000000001", "99999999999999999999", "true", "{}", "[5]"} {
			u := read(v.method, v.path, v.body, "7", bad)
			if notNegative(t, u); u.State != metering.UsagePartial || u.Input != 7 || !u.Flagged(metering.FlagInvalidNumber) {
				t.Errorf("%s output %s: %+v", v.path, bad, u)
			}
			u = read(v.method, v.path, v.body, bad, "5")
			if notNegative(t, u); u.State != metering.UsagePartial || u.Output != 5 || !u.Flagged(metering.FlagInvalidNumber) {
				t.Errorf("%s input %s: %+v", v.path, bad, u)
			}
			u = read(v.method, v.path, v.body, bad, bad)
			if notNegative(t, u); u.State == metering.UsageExact || !u.Flagged(metering.FlagInvalidNumber) {
				t.Errorf("%s both %s: %+v", v.path, bad, u)
			}
		}
	}
}

// TestOddUsage_units: amounts that are none are not counted, and a call of which
// nothing is known is never free.
func TestOddUsage_units(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	for _, v := range []struct{ path, body, quantity string }{
		{"/v1/ocr", `{"pages":[],"usage_info":{"pages_processed":N}}`, "pages_processed"},
		{"/v1/listen", `{"metadata":{"duration":N},"results":{}}`, "audio_seconds"},
		{"/v1/audio/transcriptions", `{"text":"x","usage":{"type":"duration","seconds":N}}`, "audio_seconds"},
		{"/v1/stt", `{"text":"x","duration":N}`, "audio_seconds"},
		{"/v1/videos", `{"id":"v","status":"queued","seconds":N}`, "video_seconds"},
		{"/v1/predictions", `{"id":"p","status":"succeeded","metrics":{"predict_time":N}}`, "predict_seconds"},
		{"/v1/rerank", `{"results":[],"meta":{"billed_units":{"search_units":N}}}`, "search_units"},
	} {
		for _, bad := range []string{"-1", "1e400", "1e12", "1e-400", `"x"`, "true", "{}", "null", "99999999999999999999999"} {
			s := d.Scanner(d.Route("POST", v.path), dialect.Request{BodyBytes: 40}, dialect.Response{Status: 200})
			u := scan(s, []byte(strings.Replace(v.body, "N", bad, 1)), 5)
			notNegative(t, u)
			for _, q := range u.Quantities {
				if q.Name == v.quantity {
					t.Errorf("%s: %s counted as %s", v.path, bad, q.Amount)
				}
			}
			if u.State == metering.UsageExact && len(u.Quantities) == 0 {
				t.Errorf("%s: %s is exactly nothing", v.path, bad)
			}
		}
	}
}
