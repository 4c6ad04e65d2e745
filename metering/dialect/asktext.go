package dialect

import (
	"bytes"

	"github.com/weirhq/weir/metering/estimate"
)

// ask is what a request says that its answer is made from, for an estimate.
type ask struct {
	texts    []string // messages and instructions
	schemas  []string // tools, and what form the answer is to have
	messages int64
	media    int64 // images, audio and files that stand in the body
	open     int64 // references to what does not: files, earlier answers, addresses
}

const (
	// perMessage and perAsk are what OpenAI's chat format adds to the text: three
	// tokens and the role to a message, and three that begin the answer
	// (https://github.com/openai/openai-cookbook, "How to count tokens with
	// tiktoken"). Other vendors do not publish theirs.
	perMessage = 4
	perAsk     = 3

	// perMedia bounds what an image costs beyond its bytes: 4,784 tokens is the most
	// that any of the vendors states for one.
	perMedia = 4_784
	// perReference bounds what is not in the body: a context window.
	perReference = 1 << 20
)

// framing is what the format adds to the texts.
func (a *ask) framing() int64 {
	if a.messages == 0 {
		return 0
	}
	return perMessage*a.messages + perAsk
}

// beyond bounds what is not text.
func (a *ask) beyond() int64 { return perMedia*a.media + perReference*a.open }

// maxAskDepth is how deep a request is read. The deepest of the APIs' own
// structures, the output of a tool inside a message, has ten levels.
const maxAskDepth = 24

// readAsk reads the text of a request of any of the APIs. Their names for what
// is text differ, and none has another meaning elsewhere.
func readAsk(body []byte) ask {
	var a ask
	c := cursor{b: bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))}
	if !c.enter('{') {
		return a
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "messages", "contents", "input", "system", "instructions", "systemInstruction", "system_instruction",
			"prompt", "suffix", "query", "documents", "texts", "inputs", "chat_history", "message", "preamble", "content":
			a.read(&c, 0)
		case "tools", "functions", "response_format", "text", "toolConfig", "output_config":
			a.schema(&c)
		case "previous_response_id", "conversation", "cachedContent", "cached_content", "file_ids", "container":
			if !isNull(c.value()) {
				a.open++
			}
		default:
			c.value()
		}
	}
	return a
}

// schema takes the words of a schema. It reaches the model in a form of the
// vendor's own with less punctuation than JSON: OpenAI's is TypeScript.
func (a *ask) schema(c *cursor) {
	var words []byte
	words = schemaWords(words, c, 0)
	if len(words) > 0 {
		a.schemas = append(a.schemas, string(words))
	}
}

func schemaWords(words []byte, c *cursor, depth int) []byte {
	switch {
	case depth > maxAskDepth:
		c.value()
	case c.enter('['):
		for c.element() {
			words = schemaWords(words, c, depth+1)
		}
	case c.enter('{'):
		for key, ok := c.member(); ok; key, ok = c.member() {
			switch string(key) {
			case "properties", "parameters", "input_schema", "function", "items":
			case "required", "additionalProperties", "strict", "$schema":
				c.value()
				continue
			default:
				words = append(append(words, key...), ':')
			}
			words = schemaWords(words, c, depth+1)
		}
		words = append(words, "}\n"...)
	default:
		raw := c.value()
		if len(raw) > 1 && raw[0] == '"' {
			words = estimate.Unquote(words, raw)
		} else {
			words = append(words, raw...)
		}
		words = append(words, '\n')
	}
	return words
}

// whole takes a value as it stands.
func (a *ask) whole(raw []byte) {
	if !isNull(raw) {
		a.texts = append(a.texts, string(raw))
	}
}

// text takes a raw string.
func (a *ask) text(raw []byte) {
	if len(raw) > 2 && raw[0] == '"' {
		a.texts = append(a.texts, string(estimate.Unquote(make([]byte, 0, len(raw)), raw)))
	}
}

// read reads a value that is text, or what text stands in.
func (a *ask) read(c *cursor, depth int) {
	switch {
	case depth > maxAskDepth:
		a.whole(c.value())
	case c.enter('['):
		for c.element() {
			a.read(c, depth+1)
		}
	case c.enter('{'):
		a.object(c, depth)
	default:
		a.text(c.value())
	}
}

// object reads a message, a part of one, or an item.
func (a *ask) object(c *cursor, depth int) {
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "role":
			a.messages++
			c.value()
		case "content", "text", "parts", "thinking", "reasoning_content", "refusal", "output", "summary", "source", "title":
			a.read(c, depth+1)
		case "name", "arguments", "description":
			a.text(c.value())
		case "input", "args", "response", "functionCall", "functionResponse", "function_call", "function_response",
			"function", "tool_calls", "executableCode", "toolUse", "toolResult":
			a.argument(c, depth)
		case "data", "bytes", "image", "audio", "video", "inlineData", "inline_data", "input_audio", "file_data", "image_url":
			a.media++ // an image costs what an image does, wherever it is
			c.value()
		case "file_id", "file_url", "fileData", "file", "url", "uri":
			a.open++
			c.value()
		default:
			c.value()
		}
	}
}

// argument takes what a call of a tool was given or gave: text as it is, and
// objects as they stand.
func (a *ask) argument(c *cursor, depth int) {
	switch {
	case c.peek() == '"':
		a.text(c.value())
	case c.peek() == '[':
		a.read(c, depth+1)
	default:
		a.whole(c.value())
	}
}
