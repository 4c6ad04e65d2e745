package dialect

import (
	"slices"
	"strings"
)

// output counts the items of tools and what the answer shows.
func (r *responsesReader) output(raw []byte) {
	listed := false
	c := cursor{b: raw}
	if c.enter('[') {
		for c.element() {
			shown := &r.answer
			if r.stream {
				shown = nil // it was, in its deltas
			}
			listed = true
			raw := c.value()
			r.item(readItem(&cursor{b: raw}, shown))
			r.ranIn(raw)
		}
	}
	if !listed {
		for _, kind := range r.items {
			r.item(kind)
		}
	}
}

// Kinds of items that carry more than their type.
const (
	kindSearch = "web_search_call"
	kindImage  = "image_generation_call"
)

// readItem reads the output item that comes next: its kind, which is its type, of
// a web search with what it did, of an image with whether there is one. What it
// shows goes to a, if that is not nil.
func readItem(c *cursor, a *answer) (kind string) {
	if !c.enter('{') {
		c.value()
		return ""
	}
	var action []byte
	image := false
	for {
		key, ok := c.member()
		if !ok {
			break
		}
		switch string(key) {
		case "type":
			kind = readName(c.value())
		case "action":
			action = c.value()
		case "result":
			image = textBytes(c.value()) > 0
		case "arguments", "name":
			if raw := c.value(); a != nil {
				a.show(raw)
			}
		case "content", "summary":
			showParts(c, a)
		default:
			c.value()
		}
	}
	switch {
	case kind == kindImage && image:
		kind += ".result"
	case kind == kindSearch:
		did := readName(rawMember(action, "type"))
		if did == "" {
			did = "none"
		}
		kind += "." + did
	}
	return kind
}

// readName is the text of a raw JSON string that names a kind of something; ""
// for any other value.
func readName(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' || len(raw) > maxLabel {
		return ""
	}
	return clean(unquote(raw), maxLabel)
}

// showParts takes the text in a list of parts.
func showParts(c *cursor, a *answer) {
	if !c.enter('[') {
		c.value()
		return
	}
	for c.element() {
		if !c.enter('{') {
			c.value()
			continue
		}
		for {
			key, ok := c.member()
			if !ok {
				break
			}
			switch string(key) {
			case "text", "refusal":
				if raw := c.value(); a != nil {
					a.show(raw)
				}
			default:
				c.value()
			}
		}
	}
}

// maxContainers bounds the containers that are told apart in one answer.
const maxContainers = 64

// ranIn counts the containers in which the tools of an answer have run: each is
// charged once, however many calls ran in it.
func (r *responsesReader) ranIn(item []byte) {
	id := readName(rawMember(item, "container_id")) // of the code interpreter
	if id == "" {
		id = readName(rawMember(rawMember(item, "environment"), "container_id")) // of the shell
	}
	if id == "" || len(r.containers) == maxContainers || slices.Contains(r.containers, id) {
		return
	}
	r.containers = append(r.containers, id)
	r.counts.one("containers")
}

// item counts one output item of a tool that runs at the server, or may.
// Functions and custom tools are the client's.
func (r *responsesReader) item(kind string) {
	base, detail, _ := strings.Cut(kind, ".")
	switch {
	case base == "function_call", base == "custom_tool_call":
	case base == kindSearch:
		r.counts.one(base)
		r.counts.one(kind)
	case base == kindImage && detail != "":
		r.counts.one(base)
		r.counts.one("images")
	case strings.HasSuffix(base, "_call"), base == "mcp_list_tools":
		r.counts.one(base)
	}
}
