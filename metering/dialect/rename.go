package dialect

import (
	"bytes"
	"net/url"
	"strconv"
	"strings"
)

// RenameModel returns a copy of a JSON body in which the value of the outermost
// member model is name; every other byte stays. It is not ok if that member is
// not there exactly once, in lower case and without escapes, with a text as its
// value, or if the outermost object is broken: servers would not agree on what
// was replaced. name is plain ASCII.
func RenameModel(body []byte, name string) (renamed []byte, ok bool) {
	c := cursor{b: body, i: len(body) - len(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))}
	seen, from, to := 0, 0, 0
	_, ok = c.object(func(key []byte) bool {
		if string(key) != `"model"` {
			return !passesFor(key, "model") && c.value() != nil
		}
		seen++
		c.peek()
		from = c.i
		value := c.value()
		to = c.i
		return len(value) > 0 && value[0] == '"'
	})
	if c.peek(); !ok || seen != 1 || c.i != len(c.b) {
		return body, false
	}
	renamed = make([]byte, 0, len(body)-(to-from)+len(name)+2)
	renamed = append(renamed, body[:from]...)
	renamed = strconv.AppendQuoteToASCII(renamed, name)
	return append(renamed, body[to:]...), true
}

// RenameModelInPath returns a path that has name where r, the route of path, has
// its model. It is not ok unless the other path is the same route but for that.
func RenameModelInPath(d Dialect, method, path string, r Route, name string) (renamed string, ok bool) {
	if r.Model == "" {
		return path, false
	}
	name = url.PathEscape(name)
	segments := strings.Split(path, "/")
	for i, s := range segments {
		rest, found := strings.CutPrefix(s, r.Model)
		if !found || rest != "" && rest[0] != ':' && !strings.HasPrefix(rest, "%3") {
			continue
		}
		segments[i] = name + rest
		renamed = strings.Join(segments, "/")
		got := d.Route(method, renamed)
		if got.Model == name && got.Endpoint == r.Endpoint && got.Class == r.Class && got.Stream == r.Stream {
			return renamed, true
		}
		segments[i] = s
	}
	return path, false
}
