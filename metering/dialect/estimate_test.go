package dialect_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/estimate"
)

// patient counts whatever it is given.
type patient struct{ t *estimate.Tokenizer }

func (c patient) Count(e estimate.Encoding, texts []string) (int64, bool) {
	return c.t.Count(e, texts, false)
}

// closeWith reads an answer and estimates it with everything there is.
func closeWith(t *testing.T, name, path, ask, answer string, end dialect.End, e dialect.Evidence) metering.Usage {
	t.Helper()
	d, _ := dialect.Named(name)
	route := d.Route("POST", path)
	q, err := d.Inspect(route, "application/json", []byte(ask))
	if err != nil {
		t.Fatal(err)
	}
	s := d.Scanner(route, q, dialect.Response{Status: 200, Text: new(estimate.Text)})
	s.Scan([]byte(answer))
	return s.(dialect.Estimating).CloseWith(end, e)
}

// ratio is the reported tokens in hundredths of the estimated ones.
func ratio(exact, estimated int64) int64 { return exact * 100 / max(estimated, 1) }

// TestEstimate_Corpus takes the usage out of recorded answers of OpenAI's chat
// and compares the estimate with it. Half of them are within 5 % in either
// direction, and what the vendor counted is within the bounds.
func TestEstimate_Corpus(t *testing.T) {
	t.Parallel()
	counter := patient{estimate.New()}
	hide := strings.NewReplacer(`"usage"`, `"usagX"`)
	var in, out []int64
	for _, e := range exchanges(t) {
		// Images have a price of their own, and in web searches the vendor adds pages.
		if e.Expect.Usage != "present" || e.Status != 200 || e.Provider != "openai" || e.Endpoint != "openai.chat" || e.Expect.Reasoning != 0 ||
			e.Expect.AudioInput != 0 || e.RequestBody == "" || strings.Contains(e.RequestBody, "image_url") || strings.Contains(e.RequestBody, "\"file\"") {
			continue
		}
		p := prepare(t, e)
		s := p.dialect.Scanner(p.route, p.request, dialect.Response{Status: 200, Text: new(estimate.Text)})
		s.Scan([]byte(hide.Replace(string(p.answer))))
		u := s.(dialect.Estimating).CloseWith(dialect.Ended, dialect.Evidence{Provider: "openai", Body: decoded(t, e.RequestBody, e.RequestEncoding), Counter: counter})
		if u.State != metering.UsageEstimated || !strings.HasPrefix(u.Estimate.Method, "tiktoken/") {
			t.Errorf("%s: %s by %+v", e.ID, u.State, u.Estimate)
			continue
		}
		total := *e.Expect.Input + *e.Expect.Output
		if u.Estimate.Low > total || u.Estimate.High < total {
			t.Errorf("%s: %d tokens are not within %d and %d", e.ID, total, u.Estimate.Low, u.Estimate.High)
		}
		in = append(in, ratio(*e.Expect.Input, u.Estimate.Input))
		if *e.Expect.Output >= 30 {
			out = append(out, ratio(*e.Expect.Output, u.Estimate.Output))
		}
	}
	if len(in) < 30 || len(out) < 20 {
		t.Fatalf("%d inputs and %d outputs are too few to say anything", len(in), len(out))
	}
	for name, all := range map[string][]int64{"input": in, "output": out} {
		slices.Sort(all)
		if m := all[len(all)/2]; m < 95 || m > 105 {
			t.Errorf("%s: the median is %d %% of the estimate; all: %d", name, m, all)
		}
	}
}

const (
	estimateAsk = `{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Why does a weir have a crest?"}]}`
	dataLine    = "data: "
)

// delta is a frame of one choice.
func delta(index, fields string) string {
	return dataLine + `{"choices":[{"index":` + index + `,"delta":{` + fields + `},"finish_reason":null}]}` + "\n\n"
}

// tokens is what the encoding counts.
func tokens(t *testing.T, c patient, texts ...string) int64 {
	t.Helper()
	n, ok := c.Count(estimate.O200k, texts)
	if !ok {
		t.Fatal("not counted")
	}
	return n
}

// TestEstimate_Visible covers T31 to T34: what an answer shows is counted, each
// choice for itself, and what it does not show is not.
func TestEstimate_Visible(t *testing.T) {
	t.Parallel()
	c := patient{estimate.New()}
	for _, tt := range []struct {
		name, answer string
		end          dialect.End
		shown        []string // a text each
	}{
		{"T31, no usage", delta("0", `"content":"The crest "`) + delta("0", `"content":"sets the level."`) + dataLine + "[DONE]\n\n", dialect.Ended, []string{"The crest sets the level."}},
		{"T32, an error half-way", delta("0", `"content":"The crest"`) + dataLine + `{"error":{"message":"` + strings.Repeat("overloaded ", 50) + `"}}` + "\n\n", dialect.Ended, []string{"The crest"}},
		{"T33, a call of a tool", delta("0", `"tool_calls":[{"index":0,"function":{"name":"gauge","arguments":""}}]`) +
			delta("0", `"tool_calls":[{"index":0,"function":{"arguments":"{\"site\":\"Thames"}}]`) + delta("0", `"tool_calls":[{"index":0,"function":{"arguments":" at Kingston\"}"}}]`), dialect.Truncated,
			[]string{`gauge{"site":"Thames at Kingston"}`}},
		{"T33, reasoning", delta("0", `"reasoning_content":"Water rises until "`) + delta("0", `"reasoning_content":"it spills."`), dialect.Abandoned, []string{"Water rises until it spills."}},
		{"T34, four choices that alternate", delta("0", `"content":"Over"`) + delta("1", `"content":"Under"`) + delta("2", `"content":"Along"`) + delta("3", `"content":"Through"`) +
			delta("0", `"content":"flowing water"`) + delta("1", `"content":"mining"`) + delta("2", `"content":"side"`) + delta("3", `"content":"out"`) + dataLine + "[DONE]\n\n", dialect.Ended,
			[]string{"Overflowing water", "Undermining", "Alongside", "Throughout"}},
		{"T34, logprobs", dataLine + `{"choices":[{"index":0,"delta":{"content":"Water"},"logprobs":{"content":[{"token":"Water","logprob":-0.1,"top_logprobs":[{"token":"Fluid","logprob":-3}]}]}}]}` + "\n\n", dialect.Ended, []string{"Water"}},
		{"T34, audio", delta("0", `"audio":{"data":"`+strings.Repeat("QUJD", 500)+`"}`) + delta("0", `"content":"Water"`), dialect.Ended, []string{"Water"}},
		{"usage is inside the content", delta("0", `"content":"\"usage\":{\"prompt_tokens\":999}"`), dialect.Ended, []string{`"usage":{"prompt_tokens":999}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			u := closeWith(t, "openai", "/v1/chat/completions", estimateAsk, tt.answer, tt.end, dialect.Evidence{Provider: "openai", Body: []byte(estimateAsk), Counter: c})
			if want := tokens(t, c, tt.shown...); u.State != metering.UsageEstimated || u.Output != want || u.Tokens.Output() != want {
				t.Errorf("%s, %d tokens of output, want %d", u.State, u.Output, want)
			}
			// The message, its role and what begins the answer.
			if want := tokens(t, c, "Why does a weir have a crest?") + 4 + 3; u.Input != want {
				t.Errorf("%d tokens of input, want %d", u.Input, want)
			}
			if e := u.Estimate; e == nil || e.Method != "tiktoken/o200k_base" || e.Low > u.Input+u.Output || e.High < u.Input+u.Output || e.Input != u.Input || e.Output != u.Output {
				t.Errorf("estimate is %+v", e)
			}
		})
	}
}

// TestEstimate_Reported covers T30: what is reported stays, an explicit zero too,
// and in an answer that was cut only the missing part is estimated.
func TestEstimate_Reported(t *testing.T) {
	t.Parallel()
	c := patient{estimate.New()}
	e := dialect.Evidence{Provider: "openai", Body: []byte(estimateAsk), Counter: c}
	zero := delta("0", `"content":"Water"`) + dataLine + `{"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}` + "\n\n" + dataLine + "[DONE]\n\n"
	if u := closeWith(t, "openai", "/v1/chat/completions", estimateAsk, zero, dialect.Ended, e); u.State != metering.UsageExact || u.Estimate != nil || u.Input+u.Output != 0 {
		t.Errorf("an explicit zero became %+v", u)
	}
	// Counts that grow with the answer: only what came after the last of them is
	// estimated.
	cut := dataLine + `{"choices":[{"index":0,"delta":{"content":"The crest"}}],"usage":{"prompt_tokens":20,"completion_tokens":2}}` + "\n\n" + delta("0", `"content":" sets the level"`)
	u := closeWith(t, "openai", "/v1/chat/completions", estimateAsk, cut, dialect.Abandoned, e)
	if want := 2 + tokens(t, c, " sets the level"); u.State != metering.UsagePartial || u.Input != 20 || u.Output != want || u.Estimate.Input != 0 || u.Estimate.Output != want-2 {
		t.Errorf("got %+v with %+v, want 20 and %d", u, u.Estimate, want)
	}
	claude := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-5\",\"usage\":{\"input_tokens\":21,\"output_tokens\":1}}}\n\n" +
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"The crest sets the level of the water above.\"}}\n\n"
	u = closeWith(t, "anthropic", "/v1/messages", estimateAsk, claude, dialect.Abandoned, dialect.Evidence{Provider: "anthropic", Counter: c})
	n := tokens(t, c, "The crest sets the level of the water above.")
	if want := 1 + (n*130+99)/100; u.State != metering.UsagePartial || u.Input != 21 || u.Output != want || u.Estimate.Method != "tiktoken/o200k_base*1.30" {
		t.Errorf("got %+v with %+v, want 21 and %d", u, u.Estimate, want)
	}
}

// TestEstimate_Bounds: no estimate is beyond the output cap, what is not there to
// be counted is estimated by bytes, and references widen the bounds.
func TestEstimate_Bounds(t *testing.T) {
	t.Parallel()
	c := patient{estimate.New()}
	long := delta("0", `"content":"`+strings.Repeat("water ", 200)+`"`)
	capped := strings.Replace(estimateAsk, `"stream"`, `"max_tokens":16,"stream"`, 1)
	u := closeWith(t, "openai", "/v1/chat/completions", capped, long, dialect.Abandoned, dialect.Evidence{Body: []byte(capped), Counter: c})
	if u.Output != 16 || u.Estimate.Output != 16 {
		t.Errorf("%d tokens of output with a cap of 16", u.Output)
	}
	u = closeWith(t, "openai", "/v1/chat/completions", estimateAsk, long, dialect.Abandoned, dialect.Evidence{Counter: c})
	if want := int64(len(estimateAsk)+3) / 4; u.Input != want || u.Estimate.Method != "tiktoken/o200k_base+bytes/4" {
		t.Errorf("without a body: %d tokens of input by %s, want %d", u.Input, u.Estimate.Method, want)
	}
	u = closeWith(t, "openai", "/v1/chat/completions", estimateAsk, long, dialect.Abandoned, dialect.Evidence{Body: []byte(estimateAsk)})
	if u.Output != 300 || u.Estimate.Method != "bytes/4" {
		t.Errorf("without a tokenizer: %d tokens of output by %s", u.Output, u.Estimate.Method)
	}
	image := `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"text","text":"What is this?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("A", 4000) + `"}}]}]}`
	u = closeWith(t, "openai", "/v1/chat/completions", image, long, dialect.Abandoned, dialect.Evidence{Body: []byte(image), Counter: c})
	if want := tokens(t, c, "What is this?") + 4 + 3; u.Input != want || u.Estimate.High < 4000+4784 {
		t.Errorf("with an image: %d tokens of input, want %d, bounds %+v", u.Input, want, u.Estimate)
	}
	earlier := `{"model":"gpt-4o","previous_response_id":"resp_1","input":"And then?"}`
	u = closeWith(t, "openai", "/v1/responses", earlier, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Then it spills.\"}\n\n", dialect.Abandoned, dialect.Evidence{Body: []byte(earlier), Counter: c})
	if u.Input != tokens(t, c, "And then?") || u.Output != tokens(t, c, "Then it spills.") || u.Estimate.High < 1<<20 {
		t.Errorf("with an earlier answer: %+v, %+v", u, u.Estimate)
	}
}

// TestEstimate_Deep: a request that is nested without end costs neither memory
// nor time beyond its length.
func TestEstimate_Deep(t *testing.T) {
	t.Parallel()
	c := patient{estimate.New()}
	bomb := `{"model":"gpt-4o","messages":` + strings.Repeat(`[{"content":`, 5000) + `"x"` + strings.Repeat("}]", 5000) + `,"tools":` + strings.Repeat(`[{"a":`, 5000) + "1" + strings.Repeat("}]", 5000) + "}"
	u := closeWith(t, "openai", "/v1/chat/completions", bomb, delta("0", `"content":"Water"`), dialect.Abandoned, dialect.Evidence{Body: []byte(bomb), Counter: c})
	if u.Estimate == nil || u.Input > int64(len(bomb)) {
		t.Errorf("got %+v", u)
	}
}
