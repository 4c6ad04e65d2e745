package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// find reads from an answer about stored objects the id of the one that was
// created, and the files that a provider has put beside one that is the caller's.
// Only members that the provider fills in are taken: what a client has once sent
// comes back in others, such as metadata, and in the content of files.
func (s *scanner) find(data []byte) {
	r, a := s.route, s.read.state()
	switch {
	case r.Class != Stateful && r.Creates != KindVideo, r.Listing, a.stream, a.status >= 300, len(data) == 0, data[0] != '{':
		return
	}
	top := gjson.ParseBytes(data)
	if strings.HasPrefix(string(r.Endpoint), "gemini.") {
		a.findGoogle(r, top)
		return
	}
	if r.Creates != "" {
		a.id.set([]byte(createdID(r.Creates, top).Raw))
	}
	if len(r.Objects) != 1 || strings.HasSuffix(string(r.Endpoint), "_results") {
		return
	}
	switch r.Objects[0].Kind {
	case KindBatch:
		for _, member := range [...]string{"output_file_id", "error_file_id", "output_file", "error_file"} { // the last two are Mistral's
			a.make(KindFile, []byte(top.Get(member).Raw))
		}
	case KindFineTuning:
		for _, file := range top.Get("result_files").Array() {
			a.make(KindFile, []byte(file.Raw))
		}
	}
}

// createdID is the id of the object that was created.
func createdID(kind string, top gjson.Result) gjson.Result {
	instead := ""
	switch kind {
	case KindFile:
		instead = "file.id" // of an upload that is complete
	case KindThread:
		instead = "thread_id" // of a run that made one
	case KindVideo:
		instead = "request_id" // xAI's
	case KindBatch:
		instead = "batch_id" // xAI's
	}
	if instead != "" {
		if id := top.Get(instead); id.Exists() {
			return id
		}
	}
	return top.Get("id")
}

// findGoogle reads names of Google's, which tell the collection.
func (a *answer) findGoogle(r Route, top gjson.Result) {
	if r.Creates != "" && a.id.String() == "" {
		name := top.Get("name")
		if file := top.Get("file.name"); r.Creates == KindFile && file.Exists() {
			name = file
		}
		if id := googleID(r.Creates, name.String()); id != "" && len(id) <= maxObjectID {
			a.id.set([]byte(`"` + id + `"`))
		}
	}
	if r.Endpoint == "gemini.files" || r.Endpoint == "gemini.files_content" {
		return
	}
	for _, path := range [...]string{"response.responsesFile", "metadata.output.responsesFile", "output.responsesFile", "dest.fileName"} {
		a.makeID(KindFile, googleID(KindFile, top.Get(path).String()))
	}
	for _, path := range [...]string{"response.generateVideoResponse.generatedSamples.#.video.uri", "response.generatedVideos.#.video.uri"} {
		for _, uri := range top.Get(path).Array() {
			a.makeID(KindFile, googleFile([]byte(uri.String())))
		}
	}
}

// madeItems notes the items of a response and the containers that its tools have
// run in. They can be referred to later where the response is stored.
func (a *answer) madeItems(output []byte) {
	c := cursor{b: output}
	if !c.enter('[') {
		return
	}
	for c.element() {
		a.madeItem(&c)
	}
}

// madeItem reads the item that comes next.
func (a *answer) madeItem(c *cursor) {
	if !c.enter('{') {
		c.value()
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		switch string(key) {
		case "id":
			a.make(KindItem, c.value())
		case "container_id":
			a.make(KindContainer, c.value())
		default:
			c.value()
		}
	}
}

// ranIn notes the container in which the code of a message of Anthropic's has run. It
// is charged by its time
// (https://platform.claude.com/docs/en/about-claude/pricing#code-execution-tool).
func (a *answer) ranIn(container []byte) {
	id := rawMember(container, "id")
	if readName(id) == "" {
		return
	}
	a.make(KindContainer, id)
	a.counts.put("containers", metering.NumberOf(1))
}

// madeBy notes the container of a whole message of Anthropic's and what was
// written in it.
func (a *answer) madeBy(e *messageEvent) {
	if isNull(e.container) {
		return
	}
	a.ranIn(e.container)
	for _, block := range gjson.ParseBytes(e.content).Array() {
		a.madeBlock([]byte(block.Raw))
	}
}

// madeBlock notes the files that a tool of Anthropic's has written. What other
// tools, whose servers may be the client's, return is not believed.
func (a *answer) madeBlock(raw []byte) {
	switch readName(rawMember(raw, "type")) {
	case "code_execution_tool_result", "bash_code_execution_tool_result":
		for _, file := range gjson.GetBytes(raw, "content.content.#.file_id").Array() {
			a.make(KindFile, []byte(file.Raw))
		}
	}
}
