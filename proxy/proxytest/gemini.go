package proxytest

import (
	"encoding/json"
	"net/http"
)

// content answers the calls of a Gemini model.
// https://ai.google.dev/api/generate-content
func content(x *exchange) {
	p := newPrompt(gemini)
	asked := x.body
	if wrapped, ok := x.body["generateContentRequest"].(document); ok && x.method == "countTokens" {
		asked = wrapped
	}
	p.definitions(list(asked["tools"]))
	for _, name := range []string{"systemInstruction", "system_instruction"} {
		p.content(asked[name], false)
	}
	p.conversation(asked["contents"])
	switch x.method {
	case "generateContent", "streamGenerateContent", "countTokens":
	default:
		x.failModel()
		return
	}
	if len(list(asked["contents"])) == 0 {
		x.fail(http.StatusBadRequest, "", "* GenerateContentRequest.contents: contents is not specified")
		return
	}
	if x.method == "countTokens" {
		x.fault = fault{} // nothing is generated that could break off
		x.send(http.StatusOK, object{{"totalTokens", p.count}, {"promptTokensDetails", modalities(p.count, p.images, p.sound)}})
		return
	}
	c := &contents{exchange: x, g: x.generate(p, x.geminiWishes())}
	x.record.Object = x.seed[:22]
	if x.method == "streamGenerateContent" {
		c.stream()
		return
	}
	var candidates []object
	for i, choice := range c.g.choices {
		candidates = append(candidates, candidate(i, parts(choice), geminiEnd(choice)))
	}
	x.answer(c.frame(candidates, c.g.output()-c.g.reasoning), c.g)
}

// geminiWishes reads what a request asks of the answer.
func (x *exchange) geminiWishes() wishes {
	config := func(names ...string) any {
		if v := inside(x.body["generationConfig"], names...); v != nil {
			return v
		}
		return inside(x.body["generation_config"], names...)
	}
	w := wishes{
		limit: whole(config("maxOutputTokens")), choices: max(1, min(whole(config("candidateCount")), 8)), stops: stops(config("stopSequences")),
		reasoning: thoughts(x.model), json: config("responseMimeType") == "application/json", schema: anyObject(),
	}
	if budget := config("thinkingConfig", "thinkingBudget"); budget != nil {
		if n, ok := budget.(float64); ok && n >= 0 { // below zero the model chooses
			w.reasoning = min(64, whole(budget))
		}
	}
	for _, name := range []string{"responseSchema", "response_schema", "responseJsonSchema", "response_json_schema"} {
		if d, ok := config(name).(document); ok {
			w.json, w.schema = true, d
		}
	}
	for _, t := range list(x.body["tools"]) {
		declared := append(list(inside(t, "functionDeclarations")), list(inside(t, "function_declarations"))...)
		for _, f := range declared {
			in, _ := inside(f, "parameters").(document)
			for _, name := range []string{"parametersJsonSchema", "parameters_json_schema"} {
				if d, ok := inside(f, name).(document); ok {
					in = d
				}
			}
			w.tools = append(w.tools, tool{text(inside(f, "name")), in})
		}
	}
	calling := inside(x.body, "toolConfig", "functionCallingConfig")
	w.force, w.never = inside(calling, "mode") == "ANY", inside(calling, "mode") == "NONE"
	if allowed := list(inside(calling, "allowedFunctionNames")); len(allowed) > 0 && w.force {
		w.only = text(allowed[0])
	}
	return w
}

// contents is an answer of generateContent on its way.
type contents struct {
	*exchange
	g *generation
}

func geminiEnd(c choice) any {
	if c.end == limited {
		return "MAX_TOKENS"
	}
	return "STOP"
}

// parts are those of a whole candidate.
func parts(c choice) []object {
	out := []object{}
	if len(c.pieces) > 0 {
		out = append(out, object{{"text", c.text()}})
	}
	for _, made := range c.calls {
		out = append(out, functionCall(made))
	}
	return out
}

func functionCall(made call) object {
	arguments := json.RawMessage(made.arguments)
	if !json.Valid(arguments) { // cut by the limit
		arguments = json.RawMessage("{}")
	}
	return object{{"functionCall", object{{"name", made.name}, {"args", arguments}}}}
}

func candidate(i int, parts []object, end any) object {
	c := object{{"content", object{{"parts", parts}, {"role", "model"}}}}
	if end != nil {
		c = c.with("finishReason", end)
	}
	return c.with("index", i)
}

// frame is an answer or an element of a streamed one, after so many tokens of
// output without thoughts.
func (c *contents) frame(candidates []object, output int64) object {
	f := object{{"candidates", candidates}}
	if !c.fault.noUsage {
		f = f.with("usageMetadata", c.usage(output))
	}
	return f.with("modelVersion", dated(c.model)).with("responseId", c.record.Object)
}

// usage is cumulative. Thoughts are not within candidatesTokenCount, which is
// absent while it is zero.
func (c *contents) usage(output int64) object {
	u := object{{"promptTokenCount", c.g.input}}
	if output > 0 {
		u = u.with("candidatesTokenCount", output)
	}
	u = u.with("totalTokenCount", c.g.input+output+c.g.reasoning)
	if c.g.read > 0 {
		u = u.with("cachedContentTokenCount", c.g.read)
	}
	u = u.with("promptTokensDetails", modalities(c.g.input, c.g.images, c.g.sound))
	if c.g.read > 0 {
		u = u.with("cacheTokensDetails", modalities(c.g.read, 0, 0))
	}
	if c.g.reasoning > 0 {
		u = u.with("thoughtsTokenCount", c.g.reasoning)
	}
	return u
}

// modalities splits tokens.
func modalities(all, images, sound int64) []object {
	out := []object{{{"modality", "TEXT"}, {"tokenCount", all - images - sound}}}
	if images > 0 {
		out = append(out, object{{"modality", "IMAGE"}, {"tokenCount", images}})
	}
	if sound > 0 {
		out = append(out, object{{"modality", "AUDIO"}, {"tokenCount", sound}})
	}
	return out
}

// sse reports whether a stream is asked for as events; otherwise it is an array.
func (x *exchange) sse() bool { return x.r.URL.Query().Get("alt") == "sse" }

// stream sends the candidates piece by piece, one after the other.
func (c *contents) stream() {
	kind := "application/json; charset=UTF-8"
	if c.sse() {
		kind = "text/event-stream"
	}
	out := c.begin(kind, c.g)
	var output int64
	element := func(i int, n int64, parts []object, end any) {
		output += n
		c.element(out, n, c.frame([]object{candidate(i, parts, end)}, output))
	}
	for i, choice := range c.g.choices {
		steps := len(choice.pieces) + len(choice.calls)
		end := func(step int) any {
			if step < steps-1 {
				return nil
			}
			return geminiEnd(choice)
		}
		for j, piece := range choice.pieces {
			element(i, 1, []object{{{"text", piece}}}, end(j))
		}
		for j, made := range choice.calls {
			element(i, Tokens(made.name)+int64(len(made.pieces)), []object{functionCall(made)}, end(len(choice.pieces)+j))
		}
		if steps == 0 { // the thoughts took all there was
			element(i, 0, []object{}, end(0))
		}
	}
	if !c.sse() {
		out.raw("]\n")
	}
	out.end()
}

// element sends one answer of a stream.
func (c *contents) element(out *stream, n int64, frame object) {
	b, err := encode(frame)
	if err == nil && !c.sse() {
		b, err = pretty(b)
	}
	if err != nil {
		panic(http.ErrAbortHandler) // a value of ours that cannot be encoded
	}
	switch {
	case c.sse():
		out.count(n, "data: "+spaced(b)+"\r\n\r\n")
	case out.events == 0:
		out.count(n, "["+string(b))
	default:
		out.count(n, ",\r\n"+string(b))
	}
}
