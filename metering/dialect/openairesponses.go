package dialect

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// responsesReader reads the responses API: the response object of an answer, and
// of a stream the response inside the event that ends it.
type responsesReader struct {
	answer
	usage   openAIUsage
	earlier bool     // a retrieval: the usage is of the request that made the response
	items   []string // kinds of the items done, for a final response that lists none

	containers []string // in which tools have run
}

func (r *responsesReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]") // OpenRouter, behind the typed terminal event
		return
	}
	if !r.stream {
		r.response(data, true)
		r.failBody(data)
		return
	}
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	var kind, response, delta, item, failure []byte
	for {
		key, ok := c.member()
		if !ok {
			break
		}
		switch string(key) {
		case "type":
			kind = c.value()
		case "response":
			response = c.value()
		case "delta":
			delta = c.value()
		case "item":
			item = c.value()
		case "error":
			failure = c.value()
		default:
			c.value()
		}
	}
	r.typed(inner(kind), response, delta, item)
	if !isNull(failure) {
		r.fail("stream", failure)
	} else if string(inner(kind)) == "error" || string(name) == "error" {
		r.failFlat(data)
	}
}

// inner is what stands between the quotes of a raw string.
func inner(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// typed reads an event by its type.
func (r *responsesReader) typed(kind, response, delta, item []byte) {
	switch string(kind) {
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.done":
		r.response(response, r.terminal == "")
		r.end(string(kind))
	case "response.created", "response.in_progress", "response.queued":
		r.response(response, false)
	case "response.output_item.added":
		r.show(rawMember(item, "name")) // of a function
	case "response.output_item.done":
		if len(r.items) < maxItems {
			c := cursor{b: item}
			r.items = append(r.items, readItem(&c, nil))
		}
		r.madeItem(&cursor{b: item})
		r.ranIn(item)
	default:
		if len(delta) > 0 && bytes.HasSuffix(kind, []byte(".delta")) && !bytes.Contains(kind, []byte("audio.delta")) {
			r.show(delta)
		}
	}
}

// maxItems bounds the items remembered of one stream.
const maxItems = 1024

// failFlat reads an error event whose fields are at the top: its type is only
// the name of the event.
func (r *responsesReader) failFlat(data []byte) {
	if r.err != nil {
		return
	}
	v := gjson.ParseBytes(data)
	r.err = &metering.UpstreamError{
		Where: "stream", Code: scalar(v.Get("code")), Message: scalar(v.Get("message")),
	}
}

// response reads a response object; final ones list the items of the answer.
func (r *responsesReader) response(data []byte, final bool) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	var usage, used, tools, output, failure, object, background []byte
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "id":
			r.id.set(c.value())
		case "model":
			r.model.set(c.value())
		case "service_tier":
			r.tier.set(c.value())
		case "status":
			r.finish.set(c.value())
		case "object":
			object = c.value()
		case "background":
			background = c.value()
		case "usage":
			usage = c.value()
		case "tool_usage":
			used = c.value()
		case "tools":
			tools = c.value()
		case "output":
			output = c.value()
		case "error":
			failure = c.value()
		default:
			c.value()
		}
	}
	r.judge(object, failure, string(background) == "true")
	r.see(usage)
	r.tools(used)
	if final {
		r.output(output)
		r.madeItems(output)
		if !r.counts.of(kindSearch).IsZero() {
			r.said.ContextSize, r.said.Search = searchContext(tools), searchPreview(tools)
		}
		r.said.ImageModel = imageModel(tools)
		if len(r.containers) > 0 {
			r.said.Container = containerSize(tools)
		}
	}
}

// judge takes the status of a response and its error. The usage of a response in
// the background comes with the object when it is done, even if a stream of it was
// cut; that of any other stream that was cut is lost.
func (r *responsesReader) judge(object, failure []byte, background bool) {
	status := r.finish.String()
	r.deferred = (status == "queued" || status == "in_progress") && (background || !r.stream)
	where := "response"
	if !r.stream && string(object) != `"response"` {
		where = "body"
	}
	r.fail(where, failure)
}

func (r *responsesReader) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	u := readOpenAIUsage(raw, &r.answer)
	if !u.given() && !(len(u.flags) > 0 && !r.usage.given()) {
		return
	}
	r.usage = u
	r.keepUsage(raw)
}

// tools reads what OpenAI counts beside usage: searches, and the tokens of the
// image tool, which are not inside usage and have the image model's price.
func (r *responsesReader) tools(raw []byte) {
	if isNull(raw) {
		return
	}
	gjson.ParseBytes(raw).ForEach(func(tool, counts gjson.Result) bool {
		name := "tool_usage." + tool.String() + "."
		r.counts.setAll(name, counts)
		for _, details := range [...]string{"input_tokens_details", "output_tokens_details"} {
			r.counts.setAll(name+details+".", counts.Get(details))
		}
		return true
	})
}

func (r *responsesReader) unknownField(_, _ []byte) {}

func (r *responsesReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	if !r.usage.given() {
		return reportedNothing
	}
	r.usage.normal.fill(u)
	if r.earlier {
		u.Flag(metering.FlagEarlierRequest)
	}
	switch {
	case r.usage.output.bad:
		return reportedInput
	case r.usage.input.bad, !r.usage.input.set && !r.usage.total.set:
		return reportedOutput
	case r.awaitsFinal():
		return reportedSoFar // some servers fill the usage of response.created with zeros
	default:
		return reportedAll
	}
}

// awaitsFinal reports whether the event that ends every whole stream, with its
// usage, has not come.
func (r *responsesReader) awaitsFinal() bool { return r.stream && r.terminal == "" }
