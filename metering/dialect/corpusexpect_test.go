package dialect_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// expect are the facts that the corpus states of an exchange.
type expect struct {
	Usage        string           `json:"usage"`
	Model        *string          `json:"model"`
	ServiceTier  string           `json:"service_tier"`
	Input        *int64           `json:"input_tokens"`
	Output       *int64           `json:"output_tokens"`
	Cached       int64            `json:"cached_input_tokens"`
	CacheWrite   int64            `json:"cache_write_tokens"`
	CacheWrite5m int64            `json:"cache_write_5m_tokens"`
	CacheWrite1h int64            `json:"cache_write_1h_tokens"`
	Reasoning    int64            `json:"reasoning_tokens"`
	AudioInput   int64            `json:"audio_input_tokens"`
	AudioOutput  int64            `json:"audio_output_tokens"`
	ImageInput   int64            `json:"image_input_tokens"`
	ImageOutput  int64            `json:"image_output_tokens"`
	Images       int64            `json:"images"`
	AudioSeconds string           `json:"audio_seconds"`
	Total        *int64           `json:"total_tokens_reported"`
	ObjectID     *string          `json:"usage_object_id"`
	Earlier      bool             `json:"usage_of_earlier_request"`
	Tools        map[string]int64 `json:"server_tools"`
	Cost         *expectedCost    `json:"provider_cost"`
	ByModel      []expectedModel  `json:"by_model"`
	Error        *expectedError   `json:"error"`
	Terminal     string           `json:"terminal"`
	Objects      int              `json:"usage_events"`
	Finish       any              `json:"finish"`
	Flags        []string         `json:"flags"`
	Units        map[string]any   `json:"units"`
}

type expectedCost struct {
	Amount string `json:"amount"`
	Unit   string `json:"unit"`
	Field  string `json:"field"`
}

type expectedModel struct {
	Model        string `json:"model"`
	Input        int64  `json:"input_tokens"`
	Cached       int64  `json:"cached_input_tokens"`
	CacheWrite5m int64  `json:"cache_write_5m_tokens"`
	CacheWrite1h int64  `json:"cache_write_1h_tokens"`
	Output       int64  `json:"output_tokens"`
}

type expectedError struct {
	Where   string `json:"where"`
	Type    any    `json:"type"`
	Code    any    `json:"code"`
	Message any    `json:"message"`
}

// corrected is what e must yield, where what the corpus says is not what it must.
func corrected(e exchange) expect {
	x := e.Expect
	switch e.ID {
	case "gemini-generate_content-03e555c71538", "gemini-generate_content-860977254f2d",
		"gemini-generate_content-fe765fc79069", "gemini-stream_generate_content-9f27df51fdf9":
		// "webSearchQueries":["","…"]: the corpus counts the empty one, Google's bill
		// does not (https://ai.google.dev/gemini-api/docs/google-search).
		x.Tools = map[string]int64{"grounded": 1, "web_search_queries": 1}
	case "pydantic-gateway-generate_content-369321c6054d":
		x.Cost = gatewayCost("0.0001546")
	case "pydantic-gateway-messages-1b4ca350a14d":
		x.Cost = gatewayCost("0.00019199999999999998")
	case "pydantic-gateway-responses-f4a41ea1b81d":
		x.Cost = gatewayCost("9.625000000000001e-05")
	case "openrouter-chat-fefc86a8488f":
		// All but seven of 2168 tokens are both read from and written to the cache.
		x.Flags = append(x.Flags, "cached_exceeds_input")
		// Twelve decimals are the resolution of a quantity.
		x.Units = map[string]any{"upstream_inference_cost": "0.000497013333"}
	case "pydantic-gateway-converse-a834f1d3967b":
		x.Cost = gatewayCost("1.1165000000000002e-05")
	default:
		switch {
		case strings.HasPrefix(e.Endpoint, "cohere."):
			return correctedCohere(x)
		case strings.HasPrefix(e.Endpoint, "bedrock."):
			return correctedBedrock(e)
		}
	}
	if n := len(e.containers()); n > 0 {
		if x.Tools = maps.Clone(x.Tools); x.Tools == nil {
			x.Tools = map[string]int64{}
		}
		x.Tools["containers"] = int64(n) // which the corpus does not count
	}
	return wantedOfStated(e, wantedOfAnthropic(e, wantedOfGoogle(e, wanted(e, x))))
}

// wantedOfStated adds what is known of a cost that is stated, where it is not the
// whole.
func wantedOfStated(e exchange, x expect) expect {
	switch {
	case x.Cost == nil:
	case e.Provider == "perplexity" && e.Endpoint == "openai.chat":
		x.Flags = append(x.Flags, "stated_cost_rounded")
	case strings.Contains(e.Body, `"is_byok":true`):
		x.Flags = append(x.Flags, "stated_cost_fee")
	}
	return x
}

var containerID = regexp.MustCompile(`"container_id": ?"(cntr_[0-9a-f]+)"`)

var ownContainer = regexp.MustCompile(`"container": ?\{\s*(?:"expires_at": ?"[^"]*",\s*)?"id": ?"(container_\w+)"`)

// containers are those in which tools of OpenAI's have run, or that of a message of
// Anthropic's.
func (e *exchange) containers() map[string]bool {
	ids := map[string]bool{}
	if e.Endpoint == "anthropic.messages" {
		for _, found := range ownContainer.FindAllStringSubmatch(e.Body, -1) {
			ids[found[1]] = true
		}
		return ids
	}
	if e.Expect.Tools["code_interpreter_call"]+e.Expect.Tools["shell_call"] == 0 {
		return ids
	}
	for _, found := range containerID.FindAllStringSubmatch(e.Body, -1) {
		ids[found[1]] = true
	}
	return ids
}

// gatewayCost is the estimate that Pydantic's gateway adds to usage objects of
// all dialects; the corpus lists it for chat alone.
func gatewayCost(amount string) *expectedCost {
	return &expectedCost{Amount: amount, Unit: "usd", Field: "usage.pydantic_ai_gateway.cost_estimate"}
}

// differing collects in what a usage differs from what is expected of it.
type differing []string

func (d *differing) number(what string, got, want int64) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s is %d, want %d", what, got, want))
	}
}

func (d *differing) text(what, got, want string) {
	if got != want {
		*d = append(*d, fmt.Sprintf("%s is %q, want %q", what, got, want))
	}
}

// differences lists what u says otherwise than e must yield.
func differences(e exchange, u metering.Usage) []string {
	var d differing
	x := corrected(e)
	for c, v := range u.Tokens {
		if v < 0 {
			d = append(d, fmt.Sprintf("%s is negative: %d", metering.Cell(c), v))
		}
	}
	d.text("terminal", u.Terminal, x.Terminal)
	d.text("finish", u.Finish, plain(x.Finish))
	d.number("usage objects", int64(u.Objects), int64(x.Objects))
	d.failure(u.Error, x.Error)
	d.quantities(u, x)
	if u.State != metering.UsageNone {
		d.text("attributes", fmt.Sprint(u.Attributes), fmt.Sprint(e.attributes()))
	}
	if x.Model != nil {
		d.text("model", u.Model, *x.Model)
	}
	d.text("tier", u.ServiceTier, x.ServiceTier)
	if x.ObjectID != nil {
		d.text("object id", u.ObjectID, *x.ObjectID)
	}
	if x.Usage != "present" {
		if u.State == metering.UsageExact {
			d = append(d, fmt.Sprintf("state is exact (%d in, %d out), want %s", u.Input, u.Output, x.Usage))
		}
		return d
	}
	d.text("state", string(u.State), string(metering.UsageExact))
	if x.Input != nil {
		d.number("input", u.Input, *x.Input)
	}
	if x.Output != nil {
		d.number("output", u.Output, *x.Output)
	}
	d.cells(&u.Tokens, x)
	if x.Total != nil {
		d.number("total", u.Total, *x.Total)
	}
	d.models(u.ByModel, x.ByModel)
	d.cost(u.StatedCost, x.Cost)
	d.flags(u, x)
	return d
}

// sum adds the cells that match.
func sum(t *metering.Tokens, match func(metering.Cell) bool) int64 {
	var n int64
	for i, v := range t {
		if match(metering.Cell(i)) {
			n += v
		}
	}
	return n
}

func inCache(c metering.Cache) func(metering.Cell) bool {
	return func(cell metering.Cell) bool { return cell.IsInput() && cell.Cache() == c }
}

func (d *differing) cells(t *metering.Tokens, x expect) {
	d.number("cached", sum(t, inCache(metering.CacheRead)), x.Cached)
	d.number("cache write 1h", sum(t, inCache(metering.CacheWrite1h)), x.CacheWrite1h)
	written := sum(t, inCache(metering.CacheWrite5m))
	if x.CacheWrite5m != 0 || x.CacheWrite1h != 0 {
		d.number("cache write 5m", written, x.CacheWrite5m)
	}
	d.number("cache write", written+sum(t, inCache(metering.CacheWrite30m))+sum(t, inCache(metering.CacheWrite1h)), x.CacheWrite)
	d.number("reasoning", sum(t, metering.Cell.Reasoning), x.Reasoning)
	by := func(m metering.Modality, input bool) int64 {
		return sum(t, func(c metering.Cell) bool { return c.Modality() == m && c.IsInput() == input })
	}
	d.number("audio input", by(metering.Audio, true), x.AudioInput)
	d.number("audio output", by(metering.Audio, false), x.AudioOutput)
	d.number("image input", by(metering.Image, true), x.ImageInput)
	d.number("image output", by(metering.Image, false), x.ImageOutput)
	d.text("video input", fmt.Sprint(by(metering.Video, true)), unit(x, "video_input_tokens"))
	d.text("document input", fmt.Sprint(by(metering.Document, true)), unit(x, "document_input_tokens"))
}

// unit is a number among the units of an exchange, as text.
func unit(x expect, name string) string {
	if v, ok := x.Units[name]; ok {
		return plain(v)
	}
	return "0"
}

// plain is a scalar of the corpus as text.
func plain(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func (d *differing) models(got []metering.ModelTokens, want []expectedModel) {
	have := make([]expectedModel, len(got))
	for i, m := range got {
		have[i] = expectedModel{
			Model: m.Model, Input: m.Input, Output: m.Output,
			Cached:       sum(&m.Tokens, inCache(metering.CacheRead)),
			CacheWrite5m: sum(&m.Tokens, inCache(metering.CacheWrite5m)),
			CacheWrite1h: sum(&m.Tokens, inCache(metering.CacheWrite1h)),
		}
	}
	if !slices.Equal(have, want) {
		*d = append(*d, fmt.Sprintf("by model %+v, want %+v", have, want))
	}
}

func (d *differing) cost(got *metering.StatedCost, want *expectedCost) {
	have, need := "none", "none"
	if got != nil {
		have = fmt.Sprintf("%s %s in %s", got.Amount, got.Unit, got.Field)
	}
	if want != nil {
		need = fmt.Sprintf("%s %s in %s", want.Amount, want.Unit, want.Field)
	}
	d.text("cost", have, need)
}

func (d *differing) failure(got *metering.UpstreamError, want *expectedError) {
	if got == nil && want == nil {
		return
	}
	if got == nil || want == nil {
		*d = append(*d, fmt.Sprintf("error %+v, want %+v", got, want))
		return
	}
	d.text("error's place", got.Where, want.Where)
	d.text("error's type", got.Type, plain(want.Type))
	d.text("error's code", got.Code, plain(want.Code))
	message := plain(want.Message)
	if len(message) > 200 {
		message = message[:200] // both sides cut it, at different lengths
	}
	if !strings.HasPrefix(got.Message, message) {
		d.text("error's message", got.Message, message)
	}
}

// quantities compares what is not a token, in both directions.
func (d *differing) quantities(u metering.Usage, x expect) {
	want := map[string]string{}
	for name, n := range x.Tools {
		want[name] = fmt.Sprint(n)
	}
	if x.Images > 0 {
		want["images"] = fmt.Sprint(x.Images)
	}
	if x.AudioSeconds != "" {
		want["audio_seconds"] = x.AudioSeconds
	}
	for name, v := range x.Units {
		switch name {
		case "upstream_inference_cost", "counted_tokens", "characters", "requests", "pages_processed",
			"predict_seconds", "video_seconds", "trained_tokens", "search_units", "billable_characters",
			"cached_content_tokens", "cached_content_seconds", "videos", "cached_tokens",
			"tokens_processed.input_tokens", "tokens_processed.output_tokens":
			want[name] = plain(v)
		case "duration_in_body":
			// xAI bills by the second and has no usage: the length it states is what counts.
			want["audio_seconds"] = plain(v)
		case "response_bytes", "lines", "size", "quality", "output_format", "background":
			// Nobody bills by the bytes of speech, and lines are compared as usage objects;
			// size and quality are attributes. The rest has no price.
		case "declined_attempts":
			list, _ := v.([]any)
			want[name] = fmt.Sprint(len(list))
		case "inference_geo":
			d.text("region", u.Region, plain(v))
		case "document_input_tokens", "video_input_tokens":
			// Cells.
		case "tool_use_prompt_tokens", "search_context_size", "traffic_type", "incomplete_reason":
			// Inside the input, or of no use to a bill.
		default:
			if strings.HasPrefix(name, "server_side_tool_usage_details.") ||
				strings.HasPrefix(name, "batch_requests.") || strings.HasPrefix(name, "guardrail_") {
				want[name] = plain(v)
				continue
			}
			*d = append(*d, fmt.Sprintf("unit %q of the corpus is not compared", name))
		}
	}
	for _, q := range u.Quantities {
		text, ok := want[q.Name]
		delete(want, q.Name)
		n, err := metering.ParseNumber(text)
		if !ok || err != nil || n != q.Amount {
			*d = append(*d, fmt.Sprintf("%s is %s, want %q", q.Name, q.Amount, text))
		}
	}
	for name, text := range want {
		if n, err := metering.ParseNumber(text); err != nil || n != (metering.Number{}) {
			*d = append(*d, fmt.Sprintf("%s is absent, want %s", name, text))
		}
	}
}

// byTheUnit reports whether what is billed is no tokens at all, so that none of
// them is not odd.
func byTheUnit(x expect) bool {
	for _, name := range []string{"pages_processed", "predict_seconds", "video_seconds"} {
		if x.Units[name] != nil {
			return true
		}
	}
	return x.AudioSeconds != "" || x.Images > 0
}

// flags compares the oddities of which both sides know.
func (d *differing) flags(u metering.Usage, x expect) {
	want := map[metering.Flag]bool{}
	if x.Earlier {
		want[metering.FlagEarlierRequest] = true
	}
	for _, f := range x.Flags {
		name, _, _ := strings.Cut(f, ":")
		switch name {
		case "cached_exceeds_input":
			want[metering.FlagCachedExceedInput] = true
		case "reasoning_exceeds_output":
			want[metering.FlagReasoningExceeds] = true
		case "total_gap":
			want[metering.FlagTotalMismatch] = true
		case "all_zero_usage":
			want[metering.FlagAllZero] = true
		case "usage_repeated", "usage_in_both_x_groq_and_top_level":
			want[metering.FlagRepeated] = true
		case "cache_write_ttl_not_reported":
			want[metering.FlagTTLNotReported] = true
		case "stated_cost_rounded":
			want[metering.FlagStatedRounded] = true
		case "stated_cost_fee":
			want[metering.FlagStatedFee] = true
		case "batch_price":
			want[metering.FlagBatchPrice] = true
		}
	}
	if u.Input == 0 && u.Output == 0 && !byTheUnit(x) && x.Units["search_units"] == nil {
		want[metering.FlagAllZero] = true
	}
	if want[metering.FlagCachedExceedInput] || want[metering.FlagReasoningExceeds] {
		want[metering.FlagTotalMismatch] = true // a consequence
	}
	for f := range want {
		if !u.Flagged(f) {
			*d = append(*d, "flag "+string(f)+" is absent")
		}
	}
	for _, f := range u.Flags {
		if !want[f] {
			*d = append(*d, "flag "+string(f)+" is unexpected")
		}
	}
}
