package proxy

import (
	"context"
)

// own answers the paths below /-/, which are Weir's.
func (x *exchange) own() *refusal {
	if x.req.method != "GET" && x.req.method != "HEAD" {
		return &refusal{status: 405, code: "method_not_allowed", message: "Only GET is allowed here."}
	}
	switch x.path {
	case "/-/healthy":
		x.say(200, "application/json", []byte(`{"status":"healthy"}`+"\n"), nil)
		return nil
	case "/-/ready":
		return x.ownReady()
	case "/-/me":
		return x.ownUsage()
	default:
		return &refusal{status: 404, code: "not_found", message: "There is nothing at this path."}
	}
}

// ownReady says whether calls should be sent here.
func (x *exchange) ownReady() *refusal {
	switch {
	case x.s.draining.Load():
		return draining()
	case x.s.fenced.Load():
		return &refusal{status: 503, code: "fenced", message: "Another process has taken over."}
	}
	if x.s.o.Ready != nil {
		if err := x.s.o.Ready(); err != nil {
			return &refusal{status: 503, code: "not_ready", message: "This server is not ready.", err: err}
		}
	}
	x.say(200, "application/json", []byte(`{"status":"ready"}`+"\n"), nil)
	return nil
}

// ownUsage tells the holder of a key what it has used.
func (x *exchange) ownUsage() *refusal {
	if x.s.o.Usage == nil {
		return &refusal{status: 404, code: "not_found", message: "There is nothing at this path."}
	}
	if f := x.identify(); f != nil {
		return f
	}
	body, err := x.s.o.Usage(context.Background(), x.principal)
	if err != nil {
		return &refusal{status: 503, code: "usage_unavailable", message: "The usage cannot be read now. Try again later.", err: err}
	}
	x.say(200, "application/json", body, nil)
	return nil
}
