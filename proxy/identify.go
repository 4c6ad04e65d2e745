package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

const (
	maxTags      = 16
	maxTagName   = 64
	maxTagValue  = 256
	maxRun       = 128
	maxRequestID = 128
	maxExternal  = 256
)

// labels are what a call says about itself in our own headers.
type labels struct {
	key, customer, tags, run []byte
}

// identify finds whose call it is.
func (x *exchange) identify() *refusal {
	if x.observed() {
		return x.observe()
	}
	l, f := x.labels()
	if f != nil {
		return f
	}
	secret, f := x.key(l.key)
	if f != nil {
		return f
	}
	p, err := x.s.o.Keyring.Lookup(secret)
	if err != nil {
		return unknownKey(err)
	}
	x.secret, x.principal = secret, p
	if f := x.guard(); f != nil {
		return f
	}
	if l.customer != nil {
		if f := x.attribute(l.customer); f != nil {
			return f
		}
	}
	return x.authorise(l)
}

func unknownKey(err error) *refusal {
	var u interface{ Unavailable() bool }
	if errors.As(err, &u) && u.Unavailable() {
		return &refusal{status: 503, code: "keys_unavailable", message: "Keys cannot be checked now. Try again later.", err: err}
	}
	return &refusal{status: 401, code: "invalid_api_key", message: "The key is unknown, expired or revoked."}
}

// labels reads the headers that are addressed to us.
func (x *exchange) labels() (l labels, f *refusal) {
	for _, field := range x.req.fields {
		if field.kind != weir {
			continue
		}
		var to *[]byte
		switch string(bytes.ToLower(field.name[len("x-weir-"):])) {
		case "key":
			to = &l.key
		case "customer":
			to = &l.customer
		case "tags":
			to = &l.tags
		case "run":
			to = &l.run
		default:
			continue
		}
		if *to != nil {
			return l, badRequest("repeated_header", "An X-Weir header is there twice.")
		}
		if *to = field.value; *to == nil {
			*to = []byte{}
		}
	}
	return l, nil
}

// key returns the one key of the request, from wherever SDKs put theirs.
func (x *exchange) key(own []byte) ([]byte, *refusal) {
	if x.up != nil && x.up.ClientAuth {
		if len(own) == 0 {
			return nil, &refusal{status: 401, code: "missing_api_key", message: "This upstream takes your own provider credential: put the Weir key in X-Weir-Key."}
		}
		return own, nil
	}
	key := own
	differ := false
	take := func(value []byte) {
		differ = differ || len(key) > 0 && !bytes.Equal(key, value)
		key = value
	}
	for _, field := range x.req.fields {
		switch field.kind {
		case authorization:
			value := field.value
			if len(own) > 0 && bytes.HasPrefix(value, []byte("AWS4-")) {
				continue // the signature of an SDK that had to be given some key; it goes no further
			}
			if key, ok := accessKey(value); ok && x.up != nil && x.up.Signer != nil {
				value = key
			}
			if len(value) > 7 && bytes.EqualFold(value[:7], []byte("bearer ")) {
				value = trim(value[7:])
			}
			take(value)
		case apiKey:
			take(field.value)
		case protocols:
			for _, secret := range keysOffered(field.value) {
				take(secret)
			}
		}
	}
	for query := x.req.query; len(query) > 0; {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		if value, ok := bytes.CutPrefix(pair, []byte("key=")); ok {
			take(value)
		}
	}
	switch {
	case differ:
		return nil, badRequest("two_keys", "The request carries two different keys.")
	case len(key) == 0:
		return nil, &refusal{status: 401, code: "missing_api_key", message: "There is no key. Put your Weir key where the SDK puts its provider's."}
	}
	return key, nil
}

// guard refuses a request that carries the key where it would go on to the
// upstream.
func (x *exchange) guard() *refusal {
	for _, field := range x.req.fields {
		value := field.value
		if field.kind == protocols {
			value = x.offer(value)
		}
		if x.forwarded(field) && bytes.Contains(value, x.secret) {
			return badRequest("stray_key", "The Weir key is in a header that goes to the upstream.")
		}
	}
	for query := x.req.query; len(query) > 0; {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		if !x.ownParameter(pair) && bytes.Contains(pair, x.secret) {
			return badRequest("stray_key", "The Weir key is in a query parameter that goes to the upstream.")
		}
	}
	if bytes.Contains(x.req.path, x.secret) {
		return badRequest("stray_key", "The Weir key is in the path.")
	}
	return nil
}

// ownParameter reports whether a query parameter is our key.
func (x *exchange) ownParameter(pair []byte) bool {
	return !x.clientAuth() && bytes.HasPrefix(pair, []byte("key="))
}

func (x *exchange) clientAuth() bool { return x.up != nil && x.up.ClientAuth }

// attribute makes the call one of the customer that it names.
func (x *exchange) attribute(external []byte) *refusal {
	if !x.principal.Permitted(metering.PermitAttribute) {
		return badRequest("attribution_not_permitted", "This key calls for its own customer: X-Weir-Customer needs the permission attribute.")
	}
	if len(external) == 0 || len(external) > maxExternal || !printable(external) {
		return badRequest("unknown_customer", "X-Weir-Customer names no customer.")
	}
	p, err := x.s.o.Keyring.Attribute(context.Background(), x.principal, string(external))
	if err != nil {
		f := badRequest("unknown_customer", "X-Weir-Customer names a customer that does not exist, or is archived.")
		var u interface{ Unavailable() bool }
		if errors.As(err, &u) && u.Unavailable() {
			f = &refusal{status: 503, code: "customers_unavailable", message: "The customer cannot be looked up now. Try again later."}
		}
		f.err = fmt.Errorf("attribute a call: %w", err)
		return f
	}
	x.principal = p
	return nil
}

// authorise begins the event of the call.
func (x *exchange) authorise(l labels) *refusal {
	id, err := metering.NewID()
	if err != nil {
		return &refusal{status: 500, code: "internal_error", message: "The call could not be given an id.", err: err}
	}
	p := x.principal
	x.event = &metering.Event{
		Call: metering.Call{ID: id, Org: p.Key.Org, Customer: p.Customer.ID, Key: p.Key.ID, Test: p.Key.Test, Tags: p.Key.Tags},
		Name: metering.EventLLM,
	}
	if id := x.req.requestID; len(id) > 0 && printable(id) {
		x.event.ClientID = string(id[:min(len(id), maxRequestID)])
	}
	return x.label(l)
}

// label puts what the client says of the call into its event.
func (x *exchange) label(l labels) *refusal {
	if l.run != nil {
		if len(l.run) == 0 || len(l.run) > maxRun || !printable(l.run) {
			return badRequest("invalid_run", "X-Weir-Run must be 1 to 128 printable ASCII characters.")
		}
		x.event.Run = string(l.run)
	}
	if l.tags != nil {
		return x.tag(string(l.tags))
	}
	return nil
}

// tag merges the tags of the call into those of the key; the call's win.
func (x *exchange) tag(list string) *refusal {
	wrong := badRequest("invalid_tags", "X-Weir-Tags must be NAME=VALUE, separated by commas: at most 16, names of letters, digits, '.', '_' and '-' up to 64, values of printable ASCII up to 256.")
	tags := slices.Clone(x.event.Tags)
	own := 0
	for pair := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if own++; !ok || own > maxTags || !tagName(name) || len(value) > maxTagValue || !printable([]byte(value)) {
			return wrong
		}
		at, found := slices.BinarySearchFunc(tags, name, func(t metering.Tag, n string) int { return strings.Compare(t.Name, n) })
		switch {
		case !found:
			tags = slices.Insert(tags, at, metering.Tag{Name: name, Value: value})
		case at < len(tags):
			tags[at].Value = value
		}
	}
	x.event.Tags = tags
	return nil
}

func tagName(name string) bool {
	for _, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return len(name) > 0 && len(name) <= maxTagName
}

// printable reports whether text is ASCII without control characters, which
// every store takes.
func printable(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
