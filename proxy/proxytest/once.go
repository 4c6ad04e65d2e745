package proxytest

import (
	"sync"
)

// mostPending bounds the requests whose second try is awaited. A client tries
// again within seconds, so more than these are those that never do.
const mostPending = 4096

// once are the requests to "sim-NNN-once" that have failed and not come again.
// The zero value is ready.
type once struct {
	mu      sync.Mutex
	pending map[string]struct{}
}

// first reports whether a request has to fail: it is one that has not, or whose
// second try has come since. When too many are awaited, all are forgotten.
func (o *once) first(request string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, again := o.pending[request]; again {
		delete(o.pending, request)
		return false
	}
	if o.pending == nil || len(o.pending) >= mostPending {
		o.pending = make(map[string]struct{})
	}
	o.pending[request] = struct{}{}
	return true
}

// attempt names a request apart from which try it is: by whom, and what it asks.
func (x *exchange) attempt() string {
	h := x.r.Header
	return digest(h.Get("Authorization"), h.Get("X-Api-Key"), h.Get("X-Goog-Api-Key"), x.r.URL.Query().Get("key"), x.r.URL.Path, x.seed)
}
