package dialect

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// CustomSpec says what is counted of an API that no other dialect reads.
type CustomSpec struct {
	// Model is the path of the model's name in the JSON body of a request; empty:
	// requests name none.
	Model string
	// Quantities are what an answer says that it used; at least one.
	Quantities []CustomQuantity
	// Routes are the calls that are metered; none: all but OPTIONS and HEAD.
	// Others are raw.
	Routes []CustomRoute
}

// CustomRoute matches the calls of one operation.
type CustomRoute struct {
	Method string // empty: any
	// Path is compared segment by segment; "*" is any one segment and "**", only
	// as the last one, any rest, also none.
	Path string
}

// CustomQuantity is one named number of an answer.
type CustomQuantity struct {
	// Name is what meters see. The names of [CustomTokens] are token counts;
	// anything else is a quantity of its own.
	Name string
	// From is where it stands: "response", the JSON body; "header"; "event", the
	// data of a server-sent event; "request", the JSON body of the request.
	From string
	// Path leads to the number in JSON: names of members, separated by dots; a
	// number is an index of an array, "*" all of its elements, which are added up,
	// and "#" at the end how many there are.
	Path string
	// Header is the name of the header.
	Header string
	// Event is the name of the events that are looked at; empty: all.
	Event string
	// Sum adds up what several events say; otherwise the last one stands.
	Sum bool
	// Optional: its absence means zero. Otherwise an answer without it has an
	// unknown usage.
	Optional bool
}

// Places of a custom quantity.
const (
	FromResponse = "response"
	FromHeader   = "header"
	FromEvent    = "event"
	FromRequest  = "request"
)

// maxCustom bounds the rules of one API, and the segments of their paths.
const maxCustom = 32

// Custom returns the dialect that spec describes. The error wraps
// metering.ErrInvalid and names everything that is wrong.
func Custom(spec CustomSpec) (Dialect, error) {
	c := custom{model: steps(spec.Model)}
	var errs []error
	if len(spec.Quantities) == 0 || len(spec.Quantities) > maxCustom {
		errs = append(errs, fmt.Errorf("want 1 to %d quantities: %w", maxCustom, metering.ErrInvalid))
	}
	for i, q := range spec.Quantities {
		rule, err := newCustomRule(q)
		if err != nil {
			errs = append(errs, fmt.Errorf("quantity %d: %w", i, err))
		}
		if slices.ContainsFunc(c.rules, func(other customRule) bool { return other.Name == q.Name }) {
			errs = append(errs, fmt.Errorf("quantity %d: %q is there twice: %w", i, q.Name, metering.ErrInvalid))
		}
		c.rules = append(c.rules, rule)
	}
	for i, r := range spec.Routes {
		if !strings.HasPrefix(r.Path, "/") {
			errs = append(errs, fmt.Errorf("route %d: path %q does not begin with /: %w", i, r.Path, metering.ErrInvalid))
		}
		c.routes = append(c.routes, customRoute{method: r.Method, segments: strings.Split(strings.TrimPrefix(r.Path, "/"), "/")})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// customRule is a quantity with its path taken apart.
type customRule struct {
	CustomQuantity
	path []string
}

func newCustomRule(q CustomQuantity) (customRule, error) {
	r := customRule{CustomQuantity: q, path: steps(q.Path)}
	fail := func(format string, args ...any) (customRule, error) {
		return r, fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
	}
	switch {
	case !isQuantityName(q.Name):
		return fail("name %q: want a letter, then letters, digits, '_', '-' and '.', at most 64", q.Name)
	case len(r.path) > maxCustom:
		return fail("path %q has more than %d steps", q.Path, maxCustom)
	}
	switch q.From {
	case FromHeader:
		if q.Header == "" || q.Path != "" || q.Event != "" || q.Sum {
			return fail("from header: want header alone")
		}
	case FromResponse, FromRequest:
		if len(r.path) == 0 || q.Header != "" || q.Event != "" || q.Sum {
			return fail("from %s: want path alone", q.From)
		}
	case FromEvent:
		if len(r.path) == 0 || q.Header != "" {
			return fail("from event: want path, and perhaps event and sum")
		}
	default:
		return fail("from %q: want %s, %s, %s or %s", q.From, FromResponse, FromHeader, FromEvent, FromRequest)
	}
	return r, nil
}

func isQuantityName(name string) bool {
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		other := c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.'
		if !letter && (i == 0 || !other) {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// steps takes a path apart; nil if it is empty.
func steps(path string) []string {
	if path == "" {
		return nil
	}
	return strings.Split(path, ".")
}

// customRoute is a route with its path taken apart.
type customRoute struct {
	method   string
	segments []string
}

func (r *customRoute) matches(method string, segments []string) bool {
	if r.method != "" && r.method != method {
		return false
	}
	for i, want := range r.segments {
		switch {
		case want == "**" && i == len(r.segments)-1:
			return true
		case i >= len(segments), want != "*" && want != segments[i]:
			return false
		}
	}
	return len(segments) == len(r.segments)
}

// custom is an API whose usage is found by rules.
type custom struct {
	model  []string
	rules  []customRule
	routes []customRoute
}

var _ Dialect = custom{}

// Name implements [Dialect].
func (custom) Name() string { return "custom" }

// Route implements [Dialect].
func (c custom) Route(method, path string) Route {
	if method == "OPTIONS" || method == "HEAD" {
		return Route{Endpoint: "custom.call", Class: Free}
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i := range c.routes {
		if c.routes[i].matches(method, segments) {
			return Route{Endpoint: "custom.call", Class: Metered}
		}
	}
	if len(c.routes) > 0 {
		return Route{Endpoint: rawEndpoint}
	}
	return Route{Endpoint: "custom.call", Class: Metered}
}

// Inspect implements [Dialect].
func (c custom) Inspect(r Route, contentType string, body []byte) (Request, error) {
	if len(c.model) == 1 && strings.EqualFold(c.model[0], "model") {
		q, err := inspect(r, contentType, body)
		c.ask(&q, body)
		return q, err
	}
	q := Request{BodyBytes: int64(len(body))}
	walk(body, c.model, func(raw []byte) {
		if len(raw) <= 6*maxModelName && raw[0] == '"' {
			q.Model = clean(unquote(raw), maxModelName)
		}
	})
	c.ask(&q, body)
	return q, nil
}

// ask reads the quantities that stand in the request.
func (c custom) ask(q *Request, body []byte) {
	for i := range c.rules {
		if rule := &c.rules[i]; rule.From == FromRequest {
			if n, ok := rule.find(body); ok {
				q.Asked = append(q.Asked, metering.Quantity{Name: rule.Name, Amount: n})
			}
		}
	}
}

// ErrorBody implements [Dialect]: there is no shape of its own to speak, so it is
// the one that most clients of JSON APIs can read.
func (custom) ErrorBody(f Fault) ([]byte, string) { return openAI{}.ErrorBody(f) }

// Scanner implements [Dialect].
func (c custom) Scanner(r Route, q Request, resp Response) Scanner {
	read := &customReader{rules: c.rules, found: make([]found, len(c.rules))}
	read.begin(q, resp)
	return &customScanner{scanner: newScanner(r, q, resp, read), read: read}
}
