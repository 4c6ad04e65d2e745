package dialect

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// maxModelName is the longest model name that is taken; ARNs of Bedrock have up
// to 2048 characters in principle and 120 in practice.
const maxModelName = 512

// Inspect implements [Dialect].
func (openAI) Inspect(r Route, contentType string, body []byte) (Request, error) {
	return inspect(r, contentType, body)
}

// inspect reads the outermost members of a JSON request. What it does not
// understand it leaves to the upstream to refuse; it refuses only what two
// parsers could understand differently: two models.
func inspect(r Route, contentType string, body []byte) (Request, error) {
	q := Request{Model: r.Model, Stream: r.Stream || streamsUnasked(r.Endpoint), BodyBytes: int64(len(body)), Stored: r.Creates == KindResponse || r.Creates == KindInteraction}
	if isMultipart(contentType) {
		err := q.readForm(r, contentType, body)
		return q, err
	}
	if rulesFor(r) != rulesNone && bytes.IndexByte(body[:min(len(body), 4)], 0) >= 0 {
		return q, ErrReferences // some servers read JSON of two or four bytes a character
	}
	c := cursor{b: bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))}
	if !c.enter('{') {
		return q, nil
	}
	model := modelField{}
	scan := referenceScan{rules: rulesFor(r), depth: 1, base: 1}
	for key, ok := c.member(); ok; key, ok = c.member() {
		if namesModelOf(r.Endpoint, key) {
			if err := model.see(modelValue(r.Endpoint, key, c.value())); err != nil {
				return q, err
			}
			continue
		}
		q.member(key, c.named(&scan, key), r)
	}
	q.References = scan.found
	if q.Model == "" {
		q.Model = model.name
	}
	switch r.Endpoint {
	case "openai.chat", "openai.completions":
		q.Spliceable = q.Stream && q.IncludeUsage != IncludeTrue
	}
	if scan.bad {
		return q, ErrReferences
	}
	return q, nil
}

// member reads a member other than the model.
func (q *Request) member(key, value []byte, r Route) {
	switch string(key) {
	case "stream":
		q.Stream = r.Stream || string(value) == "true"
	case "max_tokens", "max_completion_tokens", "max_output_tokens", "max_tokens_to_sample":
		q.OutputCap = max(q.OutputCap, requested(value))
	case "n", "best_of":
		q.Choices = max(q.Choices, requested(value))
	case "stream_options":
		q.IncludeUsage = readInclude(value)
	case "store":
		q.Stored = string(value) == "true" || q.Stored && string(value) != "false"
	case "background":
		q.Background = string(value) == "true"
	case "generationConfig", "generation_config":
		q.readGeneration(value)
	case "max_gen_len", "maxTokens": // bodies of InvokeModel
		q.OutputCap = max(q.OutputCap, requested(value))
	case "inferenceConfig", "textGenerationConfig": // Converse and Nova, Titan
		for _, name := range [...]string{"maxTokens", "max_new_tokens", "maxTokenCount"} {
			q.OutputCap = max(q.OutputCap, requested(rawMember(value, name)))
		}
	case "num_generations": // Cohere
		q.Choices = max(q.Choices, requested(value))
	default:
		q.asked(key, value, r)
	}
}

// modelField is what a body says its model is.
type modelField struct {
	raw  []byte
	name string
}

// see takes one member whose name is "model" in any case: Go's own decoder
// matches names so, and servers written with it would take either of two.
func (m *modelField) see(raw []byte) error {
	if len(raw) == 0 {
		return nil // the body ends in the middle of it
	}
	if len(raw) > 6*maxModelName+2 {
		return fmt.Errorf("model name is longer than %d bytes: %w", maxModelName, metering.ErrInvalid)
	}
	name, repeated := "", m.raw != nil
	if raw[0] == '"' {
		name = unquote(raw)
	}
	switch {
	case len(name) > maxModelName:
		return fmt.Errorf("model name is longer than %d bytes: %w", maxModelName, metering.ErrInvalid)
	case strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return fmt.Errorf("model name has control characters: %w", metering.ErrInvalid)
	case repeated && (name != m.name || (raw[0] == '"') != (m.raw[0] == '"')):
		return fmt.Errorf("body names two different models: %w", metering.ErrInvalid)
	}
	m.raw, m.name = raw, name
	return nil
}

// requested is a number that a request asks for; 0 if it is no count.
func requested(raw []byte) int64 {
	if len(raw) == 0 || len(raw) > 64 {
		return 0
	}
	return readCount(gjson.ParseBytes(raw)).n
}

// readGeneration reads the configuration of a Gemini request, whose fields may
// be spelled either way of the JSON mapping of protocol buffers.
func (q *Request) readGeneration(raw []byte) {
	c := cursor{b: raw}
	if !c.enter('{') {
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "maxOutputTokens", "max_output_tokens":
			q.OutputCap = max(q.OutputCap, requested(c.value()))
		case "thinkingConfig", "thinking_config":
			q.Thinking = cmp.Or(budget(c.value()), q.Thinking)
		case "candidateCount", "candidate_count":
			q.Choices = max(q.Choices, requested(c.value()))
		default:
			c.value()
		}
	}
}

// readInclude reads stream_options.
func readInclude(raw []byte) IncludeUsage {
	switch string(rawMember(raw, "include_usage")) {
	case "true":
		return IncludeTrue
	case "false":
		return IncludeFalse
	default:
		return IncludeAbsent
	}
}
