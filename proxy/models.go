package proxy

import (
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// sent is the name under which the upstream knows a model.
func (u *upstream) sent(model string) string {
	if real, ok := u.Models.Aliases[model]; ok {
		return real
	}
	return model
}

// serves reports whether the rules of the upstream let a model pass. A metered
// call whose model cannot be told is none of those that are allowed.
func (u *upstream) serves(model string, metered bool) bool {
	m := &u.Models
	if len(m.Allow) == 0 && len(m.Deny) == 0 || model == "" && !metered {
		return true
	}
	sent := u.sent(model)
	if matches(m.Deny, model) || matches(m.Deny, sent) {
		return false
	}
	return len(m.Allow) == 0 || model != "" && (matches(m.Allow, model) || matches(m.Allow, sent))
}

// operates reports whether the rules of the upstream let a route pass.
func (u *upstream) operates(r dialect.Route) bool {
	return len(u.Operations) == 0 || matches(u.Operations, string(r.Endpoint))
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if glob(p, name) {
			return true
		}
	}
	return false
}

// glob reports whether a name is of a pattern, in which * stands for any
// characters. It takes time in proportion to both lengths multiplied at worst:
// the name comes from a client.
func glob(pattern, name string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return name == pattern
	}
	name, ok := strings.CutPrefix(name, first)
	for ok {
		first, rest, star = strings.Cut(rest, "*")
		if !star {
			return strings.HasSuffix(name, first)
		}
		_, name, ok = strings.Cut(name, first)
	}
	return false
}

// wording is a request in the words of one upstream.
type wording struct {
	body    []byte // nil: the client's own
	path    string // empty: the client's own
	model   string // what an alias stands for; empty: there was none
	spliced bool
	deaf    bool // the upstream does not know how to be asked for usage
}

// word writes the request for an upstream: with the model that an alias stands
// for, and asking for the usage of a stream that would report none.
func (x *exchange) word(u *upstream) (w wording, f *refusal) {
	body := x.ownBody().bytes()
	if w, f = x.alias(u, body); f != nil {
		return w, f
	}
	changed := w.body != nil
	if changed {
		body = w.body
	}
	if x.asked.Spliceable && x.event.Metered {
		switch policy := x.askPolicy(u); {
		case policy == metering.AskRefuse && x.observed():
		case policy == metering.AskRefuse:
			return w, badRequest("include_usage_required", "Streams must ask for their usage: set stream_options.include_usage to true.")
		case policy != metering.AskSplice && policy != metering.AskLeave:
		case u == x.up && x.deaf, u.deaf.is(x.asked.Model, time.Now()):
			w.deaf = true
		default:
			body, w.spliced = dialect.Splice(body)
		}
	}
	if changed || w.spliced {
		w.body = body
	}
	return w, nil
}

// alias replaces the model that an alias stands for, in the path where the path
// names it, else in a body that is held.
func (x *exchange) alias(u *upstream, body []byte) (w wording, f *refusal) {
	real, ok := u.Models.Aliases[x.asked.Model]
	if !ok || real == x.asked.Model || x.observed() || x.route.Model == "" && x.opaque() {
		return w, nil
	}
	w.model = real
	if x.route.Model != "" {
		w.path, ok = dialect.RenameModelInPath(u.Dialect, x.req.method, x.rest, x.route, real)
	} else {
		w.body, ok = dialect.RenameModel(body, real)
	}
	if !ok {
		return w, badRequest("alias_not_applicable", "The model is an alias here, and the request does not name it in the one way in which it can be replaced. Name the model itself.")
	}
	return w, nil
}

// ownBody is the client's body, as far as it is held.
func (x *exchange) ownBody() *buffer {
	if x.plainly != nil {
		return x.plainly
	}
	return x.body
}

// adopt makes a wording the one that is sent.
func (x *exchange) adopt(w wording) {
	client := x.ownBody()
	x.body, x.plainly = client, nil
	if w.body != nil {
		x.body, x.plainly = &buffer{w.body}, client
	}
	x.renamed, x.spliced, x.deaf, x.event.SentModel = w.path, w.spliced, w.deaf, w.model
}
