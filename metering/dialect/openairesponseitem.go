package dialect

import "strings"

// output counts the items of tools and what the answer shows.
func (r *responsesReader) output(raw []byte) {
	listed := false
	c := cursor{b: raw}
	if c.enter('[') {
		for c.element() {
			kind, text := readItem(&c)
			listed = true
			r.item(kind)
			if !r.stream {
				r.text += text
			}
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
// a web search with what it did, of an image with whether there is one; and how
// many bytes of text it shows.
func readItem(c *cursor) (kind string, text int64) {
	if !c.enter('{') {
		c.value()
		return "", 0
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
		case "arguments":
			text += textBytes(c.value())
		case "content", "summary":
			text += partBytes(c)
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
	return kind, text
}

// readName is the text of a raw JSON string that names a kind of something; ""
// for any other value.
func readName(raw []byte) string {
	if len(raw) == 0 || raw[0] != '"' || len(raw) > maxLabel {
		return ""
	}
	return clean(unquote(raw), maxLabel)
}

// partBytes counts the text in a list of parts.
func partBytes(c *cursor) int64 {
	var n int64
	if !c.enter('[') {
		c.value()
		return 0
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
				n += textBytes(c.value())
			default:
				c.value()
			}
		}
	}
	return n
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
