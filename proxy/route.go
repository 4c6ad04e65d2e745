package proxy

import (
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// address finds the upstream that the path names. It decides nothing about the
// caller, but a key is looked for where that upstream has it.
func (x *exchange) address() *refusal {
	if !x.s.table.Load().canonical(x.req.path) {
		return badRequest("path_not_canonical", "The path has empty, dot or encoded segments.")
	}
	x.path = string(x.req.path)
	if strings.HasPrefix(x.path, "/-/") {
		return x.own()
	}
	x.up, x.rest = x.s.table.Load().find(x.path)
	switch {
	case x.s.draining.Load():
		return draining()
	case x.up == nil && strings.HasPrefix(x.path, "/v1"):
		return &refusal{status: 404, code: "no_default_upstream", message: "No upstream serves /v1/: name one as the first segment of the path."}
	case x.up == nil:
		return &refusal{status: 404, code: "unknown_upstream", message: "The first segment of the path names no upstream."}
	}
	return nil
}

func draining() *refusal {
	return &refusal{status: 503, code: "draining", message: "This server is being shut down. Send the request again.", closing: true}
}

// classify decides whether this key may call this path. The operator's
// credential is shared, so what is not known is not simply passed on.
func (x *exchange) classify() *refusal {
	p := x.principal
	x.route = x.routed()
	switch {
	case x.observed():
	case p.Key.Test && !x.up.Test:
		return forbidden("test_key_not_allowed", "This is a test key, and the upstream is not marked for tests.")
	case len(p.Key.Upstream) > 0 && !slices.Contains(p.Key.Upstream, x.up.Name):
		return forbidden("upstream_not_allowed", "This key may not call this upstream.")
	case !x.up.operates(x.route), x.route.Class == dialect.Raw && len(x.up.Models.Allow)+len(x.up.Models.Deny) > 0:
		return forbidden("route_not_allowed", "This path is not served here.")
	case x.route.Class == dialect.Raw && !x.up.ClientAuth && !p.Permitted(metering.PermitRaw):
		return forbidden("route_not_allowed", "This path is not known, and this key has no permission to call such ones.")
	}
	if f := x.reaches(); f != nil && !x.observed() {
		return f
	}
	x.event.Upstream, x.event.Provider, x.event.CostPolicy = x.up.Name, x.up.Provider, x.up.Cost
	x.event.Endpoint = string(x.route.Endpoint)
	x.event.Metered = x.route.Class == dialect.Metered
	if x.up.EventName != "" {
		x.event.EventName, x.event.Name = x.up.EventName, x.up.EventName
	}
	return nil
}
