package proxytest

import (
	"encoding/base64"
	"hash"
	"hash/fnv"
	"strings"
	"time"
)

// Tokens that a prompt and each of its messages have beside their text, as
// https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken has it.
const (
	perPrompt  = 3
	perMessage = 4
)

// block is the grain of a cache that needs no marks.
const block = 128

// prompt counts what a request asks a model to read, in the order in which the
// model reads it: functions, system, messages.
type prompt struct {
	api api

	count    int64
	images   int64 // tokens of images, within count
	sound    int64 // of sound, within count
	messages int64

	asked    string // text of the last message, if it is the user's
	answered bool   // the last message carries the result of a call

	read   hash.Hash
	blocks [][16]byte // name of the prompt up to each whole block
	marks  []mark     // where the request has cache_control
}

// mark is a place up to which Anthropic caches.
type mark struct {
	at   int64 // tokens
	name [16]byte
	keep time.Duration
}

func newPrompt(which api) *prompt {
	return &prompt{api: which, count: perPrompt, read: fnv.New128a()}
}

// add counts n tokens of a content.
func (p *prompt) add(n int64, content string) {
	_, _ = p.read.Write([]byte(content)) // a hash takes everything
	_, _ = p.read.Write([]byte{0})
	for p.count += n; int64(len(p.blocks)) < p.count/block; {
		p.blocks = append(p.blocks, p.name())
	}
}

func (p *prompt) name() [16]byte { return [16]byte(p.read.Sum(nil)) }

func (p *prompt) text(s string) {
	for s != "" {
		n := token(s)
		p.add(1, s[:n])
		s = s[n:]
	}
}

// value counts the JSON of a value that is no text.
func (p *prompt) value(v any) {
	switch v := v.(type) {
	case nil:
	case string:
		p.text(v)
	default:
		if b, err := encode(v); err == nil {
			p.text(string(b))
		}
	}
}

// definitions counts functions.
func (p *prompt) definitions(tools []any) {
	for _, tool := range tools {
		d, _ := tool.(document)
		clean := make(document, len(d))
		for name, v := range d {
			if name != "cache_control" {
				clean[name] = v
			}
		}
		p.value(clean)
		p.cache(d)
	}
}

// conversation counts messages. Content that stands alone is one of the user.
func (p *prompt) conversation(messages any) {
	all, ok := messages.([]any)
	if !ok {
		all = []any{messages}
	}
	for _, m := range all {
		if m == nil {
			continue
		}
		p.messages++
		p.asked, p.answered = "", false
		p.add(perMessage, "message")
		d, _ := m.(document)
		role := text(d["role"])
		switch {
		case role == "tool", role == "function", d["type"] == "function_call_output":
			p.answered = true
		}
		p.content(m, (role == "user" || role == "") && d["type"] != "function_call")
	}
}

// content counts content of any shape; asking says that it is the user's.
func (p *prompt) content(v any, asking bool) {
	switch v := v.(type) {
	case string:
		p.text(v)
		if asking {
			p.asked += v + "\n"
		}
	case []any:
		for _, item := range v {
			p.content(item, asking)
		}
	case document:
		if !p.media(v) {
			p.members(v, asking)
		}
		p.cache(v)
	}
}

// members counts the parts of an object that a model reads.
func (p *prompt) members(d document, asking bool) {
	if kind := d["type"]; kind == "tool_result" || d["functionResponse"] != nil {
		p.answered, asking = true, false
	} else if kind == "thinking" || kind == "redacted_thinking" || kind == "reasoning" {
		return // thoughts of earlier turns are not read again
	}
	for _, name := range []string{"name", "text", "content", "parts", "function", "tool_calls", "functionCall", "functionResponse"} {
		p.content(d[name], asking && (name == "text" || name == "content" || name == "parts"))
	}
	for _, name := range []string{"input", "arguments", "args", "output", "response", "refusal"} {
		p.value(d[name])
	}
}

// media counts an object that is an image, sound or a document, and reports
// whether it is one.
func (p *prompt) media(d document) bool {
	inline, _ := d["inlineData"].(document)
	if inline == nil {
		inline, _ = d["inline_data"].(document)
	}
	source, _ := d["source"].(document)
	switch kind := text(d["type"]); {
	case kind == "image_url":
		p.image(pictureAt(text(inside(d, "image_url", "url"))), inside(d, "image_url", "detail") == "low", inside(d, "image_url", "url"))
	case kind == "input_image":
		p.image(pictureAt(text(d["image_url"])), d["detail"] == "low", d["image_url"])
	case kind == "image" && source["type"] == "base64":
		p.image(pictureOf(text(source["data"])), false, source["data"])
	case kind == "image":
		p.image(unseen(), false, source["url"])
	case kind == "input_audio":
		p.audio(text(inside(d, "input_audio", "data")), 4800)
	case kind == "document" && source["type"] == "text":
		p.text(text(source["data"]))
	case kind == "document", kind == "file", kind == "input_file", d["fileData"] != nil, d["file_data"] != nil:
		p.add(1500, "document")
	case inline != nil:
		p.inline(inline)
	default:
		return false
	}
	return true
}

func (p *prompt) image(size picture, low bool, content any) {
	n := size.tokens(p.api, low)
	p.images += n
	p.add(n, text(content))
}

func (p *prompt) audio(encoded string, bytesPerToken int) {
	size := base64.StdEncoding.DecodedLen(len(encoded))
	n := max(1, int64((size+bytesPerToken-1)/bytesPerToken))
	p.sound += n
	p.add(n, encoded)
}

// inline counts Gemini's inlineData.
func (p *prompt) inline(d document) {
	kind := text(d["mimeType"]) + text(d["mime_type"])
	switch {
	case strings.HasPrefix(kind, "image/"):
		p.image(pictureOf(text(d["data"])), false, d["data"])
	case strings.HasPrefix(kind, "audio/"):
		p.audio(text(d["data"]), 1500)
	default:
		p.add(1500, "document")
	}
}

// cache notes where the request wants the prompt cached.
func (p *prompt) cache(d document) {
	control, ok := d["cache_control"].(document)
	if !ok {
		return
	}
	keep := 5 * time.Minute
	if control["ttl"] == "1h" {
		keep = time.Hour
	}
	p.marks = append(p.marks, mark{p.count, p.name(), keep})
}
