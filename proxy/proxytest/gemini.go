package proxytest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// gemini answers the calls of a model: its name and the method, joined by a
// colon.
func (s *Simulator) gemini(w http.ResponseWriter, a *asked) {
	_, method, _ := strings.Cut(a.PathValue("call"), ":")
	var p prompt
	p.add(a.body["systemInstruction"])
	p.add(a.body["contents"])
	p.messages = max(1, p.messages)
	switch method {
	case "countTokens":
		s.write(w, http.StatusOK, object{"totalTokens": p.tokens(), "promptTokensDetails": []any{object{"modality": "TEXT", "tokenCount": p.tokens()}}})
	case "generateContent", "streamGenerateContent":
		s.geminiContent(w, a, &p, method == "streamGenerateContent")
	default:
		s.fail(w, gemini, http.StatusNotFound, "not_found", "no such method: "+method)
	}
}

func geminiUsage(g generation, output int64) object {
	u := object{"promptTokenCount": g.input, "candidatesTokenCount": output, "totalTokenCount": g.input + output + g.reasoning,
		"promptTokensDetails": []any{object{"modality": "TEXT", "tokenCount": g.input}}}
	if g.reasoning > 0 {
		u["thoughtsTokenCount"] = g.reasoning
	}
	if g.cached > 0 {
		u["cachedContentTokenCount"] = g.cached
		u["cacheTokensDetails"] = []any{object{"modality": "TEXT", "tokenCount": g.cached}}
	}
	return u
}

func (s *Simulator) geminiContent(w http.ResponseWriter, a *asked, p *prompt, streamed bool) {
	config, _ := a.body["generationConfig"].(object)
	tools, _ := a.body["tools"].([]any)
	g := s.generate(a, p, whole(config["maxOutputTokens"]), tools, len(tools) > 0)
	g.output = int64(len(g.pieces))
	id := digest(a.prompted())[:22]
	finish := map[string]string{"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP"}[g.finish]
	frame := func(part object, finish any, output int64) object {
		candidate := object{"content": object{"role": "model", "parts": []any{part}}, "index": 0}
		if finish != nil {
			candidate["finishReason"] = finish
		}
		body := object{"candidates": []any{candidate}, "modelVersion": a.model, "responseId": id}
		if a.model != "sim-no-usage" {
			body["usageMetadata"] = geminiUsage(g, output)
		}
		return body
	}
	part := object{"text": g.text()}
	if g.tool != "" {
		part = object{"functionCall": object{"name": g.tool, "args": json.RawMessage(g.arguments)}}
	}
	record := Served{ID: id, Endpoint: "gemini.generate_content", Model: a.model, Input: g.input, Cached: g.cached, Output: g.output + g.reasoning, Whole: true}
	switch {
	case !streamed:
		s.record(record)
		s.write(w, http.StatusOK, frame(part, finish, g.output))
	case a.URL.Query().Get("alt") == "sse":
		out := s.begin(w, a)
		if g.tool != "" {
			out.data(frame(part, finish, g.output))
		} else {
			for i, piece := range g.pieces {
				var end any
				if i == len(g.pieces)-1 {
					end = finish
				}
				out.data(frame(object{"text": piece}, end, int64(i+1)))
			}
		}
		record.Whole = !out.gone
		s.record(record)
	default: // an array, streamed element by element
		s.geminiArray(w, g, frame, part, finish)
		s.record(record)
	}
}

func (s *Simulator) geminiArray(w http.ResponseWriter, g generation, frame func(object, any, int64) object, part object, finish string) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(http.StatusOK)
	parts := []object{part}
	if g.tool == "" {
		parts = parts[:0]
		for _, piece := range g.pieces {
			parts = append(parts, object{"text": piece})
		}
	}
	separator := "["
	for i, p := range parts {
		var end any
		if i == len(parts)-1 {
			end = finish
		}
		b, err := json.Marshal(frame(p, end, int64(i+1)))
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if _, err := fmt.Fprintf(w, "%s%s", separator, b); err != nil || http.NewResponseController(w).Flush() != nil {
			return // the client is gone
		}
		separator = ",\r\n"
	}
	_, _ = fmt.Fprint(w, "]\n") // a client that is gone needs no end
}

func (s *Simulator) geminiModels(w http.ResponseWriter, _ *http.Request) {
	var all []any
	for _, m := range Models() {
		if strings.HasPrefix(m, "gemini") {
			all = append(all, object{"name": "models/" + m, "displayName": m, "inputTokenLimit": 1048576, "outputTokenLimit": 65536, "supportedGenerationMethods": []any{"generateContent", "countTokens"}})
		}
	}
	s.write(w, http.StatusOK, object{"models": all})
}
