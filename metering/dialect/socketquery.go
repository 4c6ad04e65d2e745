package dialect

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/weirhq/weir/metering"
)

// ErrAttached says that a socket joins something that exists already.
var ErrAttached = errors.New("the socket attaches to an object that has an owner")

// SocketRequest reads what path and query say of a socket. OpenAI names the
// model in the query (https://platform.openai.com/docs/guides/realtime-websocket),
// Azure its deployment. On a socket of the responses API each message names its
// own, so that a model in the query would say nothing. Two different models are
// an error that wraps [metering.ErrInvalid]; a call_id, which joins a call that
// somebody has begun, is [ErrAttached].
func SocketRequest(r Route, query string) (Request, error) {
	q := Request{Model: r.Model, Stream: true}
	named := !strings.HasPrefix(string(r.Endpoint), "openai.responses")
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			continue // the upstream will not read it either
		}
		switch name {
		case "call_id":
			return q, ErrAttached
		case "model", "deployment":
			if !named {
				continue
			}
			model, err := url.QueryUnescape(value)
			switch {
			case err != nil, len(model) > maxModelName, strings.ContainsFunc(model, func(c rune) bool { return c < ' ' || c == 0x7f }):
				return q, fmt.Errorf("model in the query is no model's name: %w", metering.ErrInvalid)
			case q.Model != "" && q.Model != model:
				return q, fmt.Errorf("query names two different models: %w", metering.ErrInvalid)
			}
			q.Model = model
		}
	}
	return q, nil
}
