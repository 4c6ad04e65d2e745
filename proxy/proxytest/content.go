package proxytest

import (
	"encoding/json"
	"hash/fnv"
	"math/rand/v2"
	"strings"
)

// Models are the names that answer.
func Models() []string {
	return []string{
		"claude-haiku-4-5", "claude-opus-4-1", "claude-sonnet-4-5", "gemini-2.5-flash", "gemini-2.5-pro", "gpt-3.5-turbo-instruct",
		"gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "o4-mini", "text-embedding-3-large", "text-embedding-3-small",
	}
}

func exists(model string) bool {
	for _, m := range append(Models(), "sim-reset", "sim-no-usage", "sim-slow") {
		if m == model {
			return true
		}
	}
	return false
}

// reasons reports whether a model thinks before it answers.
func reasons(model string) bool {
	return strings.HasPrefix(model, "o4") || strings.HasPrefix(model, "gpt-5") || strings.HasPrefix(model, "gemini-2.5-pro")
}

// prompt collects the text that a request consists of, in order, and how many
// messages it has.
type prompt struct {
	text     strings.Builder
	messages int64
}

// add walks through content of any shape: strings, lists of parts, messages.
func (p *prompt) add(v any) {
	switch v := v.(type) {
	case string:
		p.text.WriteString(v)
	case []any:
		for _, item := range v {
			if m, ok := item.(object); ok && (m["role"] != nil || m["parts"] != nil) {
				p.messages++
			}
			p.add(item)
		}
	case object:
		for _, name := range []string{"content", "parts", "text", "input", "output", "arguments", "functionResponse", "functionCall", "name", "description"} {
			if member, ok := v[name]; ok {
				p.add(member)
			}
		}
		if v["image_url"] != nil || v["inlineData"] != nil || v["source"] != nil {
			p.text.WriteString(strings.Repeat("image", 68)) // 85 tokens, OpenAI's low detail
		}
	}
}

// tokens is the count of the rule in the package comment.
func (p *prompt) tokens() int64 {
	return (int64(p.text.Len())+3)/4 + 4*p.messages + 3
}

// cached returns how many tokens of a prompt an earlier one with the same model
// left in the cache, and leaves this one there.
func (s *Simulator) cached(model string, p *prompt) int64 {
	const least, block, most = 1024, 128, 10_000
	tokens := p.tokens()
	if tokens < least {
		return 0
	}
	text := p.text.String()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.seen) > most {
		clear(s.seen)
	}
	var hit int64
	for n := least - least%block; int64(n) <= tokens; n += block {
		name := digest(model, text[:min(len(text), 4*(n-7))])
		if s.seen[name] {
			hit = int64(n)
		}
		s.seen[name] = true
	}
	return min(hit, tokens-1)
}

// pieces is the answer to a request, cut as it is streamed: each piece is one
// token. The same request gets the same.
func pieces(a *asked, limit int64) (out []string, cut bool) {
	h := fnv.New64a()
	_, _ = h.Write([]byte(a.model + a.prompted())) // never fails
	random := rand.New(rand.NewPCG(h.Sum64(), 7))
	words := strings.Fields("a weir raises the water behind it and lets it fall over an edge of known shape so the depth above the crest tells how much flows " +
		"per second without holding the stream up and engineers have read rivers that way for centuries because the law is simple exact and cheap to keep")
	n := 18 + random.IntN(30)
	start := random.IntN(len(words) - 12)
	for i := range n {
		word := words[(start+i)%len(words)]
		switch {
		case i == 0:
			word = strings.ToUpper(word[:1]) + word[1:]
		default:
			word = " " + word
		}
		if i == n-1 {
			word += "."
		}
		out = append(out, word)
	}
	return cutAt(out, limit)
}

// prompted is the part of a request that its answer depends on: not whether it
// is streamed.
func (a *asked) prompted() string {
	kept := make(object, len(a.body))
	for name, v := range a.body {
		if name != "stream" && name != "stream_options" {
			kept[name] = v
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return a.text
	}
	return string(b)
}

func cutAt(all []string, limit int64) ([]string, bool) {
	if limit > 0 && int64(len(all)) > limit {
		return all[:limit], true
	}
	return all, false
}

// whole reads a number that may be absent.
func whole(v any) int64 {
	f, ok := v.(float64)
	if !ok || f < 0 || f > 1e9 {
		return 0
	}
	return int64(f)
}

// example makes a value that a JSON schema allows.
func example(schema any) any {
	s, ok := schema.(object)
	if !ok {
		return "weir"
	}
	if choices, ok := s["enum"].([]any); ok && len(choices) > 0 {
		return choices[0]
	}
	if constant, ok := s["const"]; ok {
		return constant
	}
	for _, name := range []string{"anyOf", "oneOf"} {
		if choices, ok := s[name].([]any); ok && len(choices) > 0 {
			return example(choices[0])
		}
	}
	kind, _ := s["type"].(string)
	switch strings.ToLower(kind) {
	case "object", "":
		out := make(object)
		properties, _ := s["properties"].(object)
		for name, property := range properties {
			out[name] = example(property)
		}
		return out
	case "array":
		return []any{example(s["items"])}
	case "number", "integer":
		return 21
	case "boolean":
		return true
	case "null":
		return nil
	default:
		return "weir"
	}
}

// arguments is what a tool is called with, as text, cut into pieces.
func arguments(schema any) (text string, cut []string) {
	b, err := json.Marshal(example(schema))
	if err != nil {
		b = []byte("{}")
	}
	text = string(b)
	for rest := text; rest != ""; {
		n := min(6, len(rest))
		cut = append(cut, rest[:n])
		rest = rest[n:]
	}
	return text, cut
}
