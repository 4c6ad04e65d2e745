package proxy

import (
	"bytes"
	"errors"
	"strings"

	"github.com/weirhq/weir/metering/dialect"
)

// upgradeLines ask for, and confirm, a WebSocket on this hop (RFC 6455, 4.1).
const upgradeLines = "Connection: Upgrade\r\nUpgrade: websocket\r\n"

// keyOffer begins the sub-protocol in which clients that cannot set a header,
// such as browsers, offer their key
// (https://platform.openai.com/docs/guides/realtime-websocket).
const keyOffer = "openai-insecure-api-key."

// asksSocket reports whether the request asks to become a WebSocket. Whatever
// falls short of that, or asks for something else, is a request like any other:
// what it says of an upgrade concerned this hop alone, and ends here.
func (r *request) asksSocket() bool {
	if r.method != "GET" || r.old || r.framing == byChunks || r.length > 0 {
		return false
	}
	asks, upgrades, keys := false, false, 0
	for i := range r.fields {
		switch f := &r.fields[i]; {
		case f.kind == connection:
			upgrades = upgrades || says(f.value, "upgrade")
		case f.kind == upgrade:
			asks = asks || says(f.value, "websocket")
		case f.kind == plain && bytes.EqualFold(f.name, []byte("Sec-WebSocket-Key")):
			keys++
		}
	}
	return asks && upgrades && keys == 1
}

// keysOffered returns the keys in a list of sub-protocols.
func keysOffered(list []byte) (keys [][]byte) {
	for one := range bytes.SplitSeq(list, []byte(",")) {
		if key, ok := bytes.CutPrefix(trim(one), []byte(keyOffer)); ok {
			keys = append(keys, key)
		}
	}
	return keys
}

// offer is a list of sub-protocols as the upstream gets it: without our key. The
// key of a client that brings its own stays.
func (x *exchange) offer(list []byte) []byte {
	if x.clientAuth() || !bytes.Contains(list, []byte(keyOffer)) {
		return list
	}
	var kept []byte
	for one := range bytes.SplitSeq(list, []byte(",")) {
		if one = trim(one); bytes.HasPrefix(one, []byte(keyOffer)) {
			continue
		}
		if kept != nil {
			kept = append(kept, ", "...)
		}
		kept = append(kept, one...)
	}
	return kept
}

func (x *exchange) appendOffer(b []byte, f field) []byte {
	if f.value = x.offer(f.value); len(f.value) == 0 {
		return b
	}
	return appendField(b, f)
}

// routed classifies the path. A socket where the API is known to have none goes
// on as a plain request, and one on a path that is not known is as unknown as
// the path.
func (x *exchange) routed() dialect.Route {
	var r dialect.Route
	if q, ok := x.up.Dialect.(dialect.Queried); ok {
		r = q.RouteQuery(x.req.method, x.rest, string(x.req.query))
	} else {
		r = x.up.Dialect.Route(x.req.method, x.rest)
	}
	if !x.req.socket {
		return r
	}
	if d, ok := x.up.Dialect.(dialect.Sockets); ok {
		if of, ok := d.Socket(x.rest); ok {
			x.sockets = d
			return of
		}
	}
	x.req.socket = r.Class == dialect.Raw || x.observed()
	return r
}

// understandSocket learns from path and query what the socket is asked for.
func (x *exchange) understandSocket() *refusal {
	q, err := dialect.SocketRequest(x.route, string(x.req.query))
	switch {
	case x.observed():
	case errors.Is(err, dialect.ErrAttached):
		return forbidden("stateful_not_supported", "This socket attaches to a call that exists, whose owner is not known.")
	case err != nil:
		return &refusal{status: 400, code: "ambiguous_model", message: "The query names two different models, or one that cannot be a model's name.", err: err}
	}
	x.asked = q
	x.describe()
	return nil
}

// upgraded reports whether an answer of status 101 makes the connection a
// WebSocket.
func (a *answer) upgraded() bool {
	confirms, upgrades := false, false
	for i := range a.fields {
		switch f := &a.fields[i]; f.kind {
		case connection:
			upgrades = upgrades || says(f.value, "upgrade")
		case upgrade:
			confirms = confirms || strings.EqualFold(string(f.value), "websocket")
		}
	}
	return confirms && upgrades
}

// deflation is what an upstream and its client have agreed on (RFC 7692, 7.1).
type deflation struct {
	on      bool
	fresh   [2]bool // by direction: every message is compressed on its own
	foreign bool    // there is an extension that we do not know
}

// Directions of a socket.
const (
	upward   = iota // from the client to the upstream
	downward        // from the upstream to the client
)

// agreed reads the extensions that an answer confirms. How large the sender's
// window is needs not be known to read what it sends.
func (a *answer) agreed() (d deflation) {
	for i := range a.fields {
		if a.fields[i].kind != extensions {
			continue
		}
		for one := range bytes.SplitSeq(a.fields[i].value, []byte(",")) {
			name, parameters, _ := bytes.Cut(one, []byte(";"))
			if !bytes.EqualFold(trim(name), []byte("permessage-deflate")) || d.on {
				d.foreign = d.foreign || len(trim(one)) > 0
				continue
			}
			d.on = true
			for p := range bytes.SplitSeq(parameters, []byte(";")) {
				switch string(bytes.ToLower(trim(p))) {
				case "client_no_context_takeover":
					d.fresh[upward] = true
				case "server_no_context_takeover":
					d.fresh[downward] = true
				}
			}
		}
	}
	return d
}
