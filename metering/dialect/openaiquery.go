package dialect

import (
	"net/url"
	"strings"
)

var _ Queried = openAI{}

// RouteQuery implements [Queried]. Deepgram takes the model from the query, where
// its body is audio, and a response that is read again may be streamed. A query
// that names two models means one to us and perhaps the other to the upstream.
func (d openAI) RouteQuery(method, path, query string) Route {
	r := d.Route(method, path)
	switch r.Endpoint {
	case "deepgram.listen", "deepgram.speak":
		model, ok := parameter(query, "model")
		if !ok || len(model) > maxModelName {
			return Route{Endpoint: rawEndpoint}
		}
		r.Model = model
	case "openai.responses_retrieve":
		stream, ok := parameter(query, "stream")
		r.Stream = ok && stream == "true"
	}
	return r
}

// parameter is the value of a parameter of a query, "" if it has none. It is not ok
// if it is there with two values, or in a way that parsers read differently.
func parameter(query, name string) (value string, ok bool) {
	found := false
	for pair := range strings.SplitSeq(query, "&") {
		key, raw, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(key)
		if err != nil || plain != name {
			continue
		}
		decoded, err := url.QueryUnescape(raw)
		if err != nil || strings.ContainsRune(raw, ';') || found && decoded != value {
			return "", false
		}
		value, found = decoded, true
	}
	return value, true
}
