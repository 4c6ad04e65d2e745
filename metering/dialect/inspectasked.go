package dialect

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// namesModelOf reports whether the member of that key says which model is asked
// for. Go's own decoder takes a key in any case, so "model" counts in any.
func namesModelOf(e Endpoint, key []byte) bool {
	if len(key) == len("model") && bytes.EqualFold(key, []byte("model")) {
		return true
	}
	switch e {
	case "watsonx.chat", "watsonx.generation", "watsonx.embeddings", "watsonx.rerank":
		return string(key) == "model_id"
	case "replicate.predictions":
		return string(key) == "version"
	case "openai.realtime":
		return string(key) == "session"
	default:
		return false
	}
}

// modelValue is the model in the value of such a member: a session has it inside.
func modelValue(e Endpoint, key, raw []byte) []byte {
	if e == "openai.realtime" && string(key) == "session" {
		return rawMember(raw, "model")
	}
	return raw
}

// streamsUnasked reports whether an endpoint streams unless it is told not to.
func streamsUnasked(e Endpoint) bool { return e == "ollama.chat" || e == "ollama.generate" }

// asked reads what is billed of calls whose answers do not say it, and the output
// caps of vendors' own protocols.
func (q *Request) asked(key, value []byte, r Route) {
	switch string(key) {
	case "maximum_tokens", "n_predict":
		q.OutputCap = max(q.OutputCap, requested(value))
	case "parameters", "options":
		for _, name := range [...]string{"max_new_tokens", "num_predict"} {
			q.OutputCap = max(q.OutputCap, requested(rawMember(value, name)))
		}
		switch r.Endpoint {
		case "gemini.predict": // of Imagen
			q.Resolution = readName(rawMember(value, "sampleImageSize"))
		case "gemini.long_running":
			q.video(value)
		}
	case "enable_thinking":
		q.Thinking = thinking(value)
	case "chat_template_kwargs":
		q.Thinking = cmp.Or(q.Thinking, thinking(rawMember(value, "enable_thinking")))
	case "tools":
		switch r.Endpoint {
		case "openai.responses":
			q.Container, q.ImageModel = containerSize(value), imageModel(value)
		case "anthropic.messages":
			q.Code = codeIncluded(value)
		}
	case "web_search_options":
		q.ContextSize = readName(rawMember(value, "search_context_size"))
	case "input", "text":
		switch r.Endpoint {
		case "openai.audio_speech", "deepgram.speak":
			q.ask("characters", metering.NumberOf(codePoints(value)))
		}
	default:
		q.form(string(key), value, r)
	}
}

// codePoints counts those of the text that a raw JSON string stands for.
func codePoints(raw []byte) int64 {
	if len(raw) == 0 || raw[0] != '"' {
		return 0
	}
	return int64(utf8.RuneCountInString(unquote(raw)))
}

// form reads what may stand in a JSON object or in a form: the kind of picture or
// video that is asked for.
func (q *Request) form(key string, value []byte, r Route) {
	switch r.Endpoint {
	case "openai.images", "openai.videos":
	default:
		return
	}
	switch key {
	case "size":
		q.Size = readName(value)
	case "resolution":
		q.Resolution = readName(value)
	case "width":
		q.sides(requested(value), 0)
	case "height":
		q.sides(0, requested(value))
	case "quality":
		q.Quality = readName(value)
	case "seconds", "duration":
		q.ask("video_seconds", readSeconds(value))
	}
}

// sides take the width or the height of a picture, which Together asks for apart;
// zero is the one that value is not.
func (q *Request) sides(width, height int64) {
	w, h, _ := strings.Cut(q.Size, "x")
	if width > 0 {
		w = strconv.FormatInt(width, 10)
	}
	if height > 0 {
		h = strconv.FormatInt(height, 10)
	}
	if w+h != "" {
		q.Size = w + "x" + h
	}
}

// ask keeps an amount that is asked for; of two with one name the last stands, as
// in any JSON object.
func (q *Request) ask(name string, n metering.Number) {
	asked := quantities(q.Asked)
	asked.put(name, n)
	q.Asked = asked
}

// askedFor is the amount of that name that was asked for.
func (q *Request) askedFor(name string) metering.Number {
	asked := quantities(q.Asked)
	return asked.of(name)
}
