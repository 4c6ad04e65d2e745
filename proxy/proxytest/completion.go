package proxytest

import "net/http"

// completion answers a legacy completion: one choice or more for each prompt.
// https://platform.openai.com/docs/api-reference/completions
func completion(x *exchange) {
	prompts := texts(x.body["prompt"])
	if len(prompts) == 0 || len(prompts) > 2048 {
		x.fail(http.StatusBadRequest, "", "'prompt' must have between 1 and 2048 items")
		return
	}
	limit := int64(16) // the API's default
	if x.body["max_tokens"] != nil {
		limit = whole(x.body["max_tokens"])
	}
	n := max(1, min(whole(x.body["n"]), 128))
	all := new(generation)
	for _, content := range prompts {
		p := newPrompt(openAI)
		p.count = 0 // bare text: there is no conversation around it
		content.count(p)
		p.asked = content.text
		w := wishes{limit: limit, choices: max(n, min(whole(x.body["best_of"]), 128)), stops: stops(x.body["stop"])}
		g := x.generate(p, w)
		all.input += g.input
		all.read += g.read
		for i, c := range g.choices {
			if limit == 0 {
				c = choice{end: limited}
			}
			if int64(i) >= n { // the best of more are returned, but all are paid for
				all.unseen += c.tokens()
				continue
			}
			all.choices = append(all.choices, c)
		}
	}
	x.record.Input, x.record.Cached = all.input, all.read
	x.record.Object = "cmpl-" + x.seed[:29]
	if x.body["stream"] == true {
		x.completionStream(all)
		return
	}
	var choices []object
	for i, c := range all.choices {
		choices = append(choices, object{{"text", c.text()}, {"index", i}, {"logprobs", nil}, {"finish_reason", openAIEnd(c.end)}})
	}
	body := object{{"id", x.record.Object}, {"object", "text_completion"}, {"created", x.at.Unix()}, {"model", dated(x.model)}, {"choices", choices}}
	if !x.fault.noUsage {
		body = body.with("usage", completionUsage(all))
	}
	x.answer(body, all)
}

// completionUsage is usage as legacy completions frame it: nothing generated,
// and completion_tokens is absent.
func completionUsage(g *generation) object {
	u := object{{"prompt_tokens", g.input}}
	if n := g.output(); n > 0 {
		u = u.with("completion_tokens", n)
	}
	return u.with("total_tokens", g.input+g.output())
}

func (x *exchange) completionStream(g *generation) {
	s := x.begin("text/event-stream", g)
	usage := inside(x.body, "stream_options", "include_usage") == true && !x.fault.noUsage
	chunk := func(tokens int64, choices, numbers any) {
		c := object{{"id", x.record.Object}, {"object", "text_completion"}, {"created", x.at.Unix()}, {"choices", choices}, {"model", dated(x.model)}}
		if usage {
			c = c.with("usage", numbers)
		}
		s.piece("", tokens, c)
	}
	for i, c := range g.choices {
		for _, piece := range c.pieces {
			chunk(1, []object{{{"text", piece}, {"index", i}, {"logprobs", nil}, {"finish_reason", nil}}}, nil)
		}
		chunk(0, []object{{{"text", ""}, {"index", i}, {"logprobs", nil}, {"finish_reason", openAIEnd(c.end)}}}, nil)
	}
	if usage {
		chunk(0, []any{}, completionUsage(g))
	}
	s.raw("data: [DONE]\n\n")
	s.end()
}

// input is a text, or the tokens of one.
type input struct {
	text   string
	tokens int64 // if it came as tokens
}

func (in input) count(p *prompt) {
	if in.tokens > 0 {
		p.add(in.tokens, in.text)
		return
	}
	p.text(in.text)
}

// texts reads what embeddings and legacy completions take: a text, tokens, or a
// list of either.
func texts(v any) []input {
	switch v := v.(type) {
	case string:
		return []input{{text: v}}
	case []any:
		if len(v) > 0 {
			if _, ok := v[0].(float64); ok {
				b, err := encode(v)
				if err != nil {
					return nil
				}
				return []input{{text: string(b), tokens: int64(len(v))}}
			}
		}
		var out []input
		for _, item := range v {
			out = append(out, texts(item)...)
		}
		return out
	default:
		return nil
	}
}
