package proxytest

import (
	"context"
	"sync"
)

// Served is what the provider says of one request that reached it.
type Served struct {
	Request  string // id it gave the request, in x-request-id or request-id of the answer
	Client   string // X-Request-Id that came with the request; empty: none
	Object   string // id of the object in the answer; empty: it has none
	Endpoint string // "openai.chat", "anthropic.messages", …, as Weir names them; empty: no such path
	Model    string // that was asked for
	Status   int    // 0: no head was sent

	Input     int64 // tokens, all of them
	Cached    int64 // read from the cache, within Input
	Written   int64 // written to the cache, within Input
	Output    int64 // tokens generated, thoughts included: all of an answer that is not streamed, of a stream those that were sent
	Reasoning int64 // within Output

	Bytes     int64 // of the body that were handed to the network
	Delivered bool  // the whole answer was; what became of it further on is not known here
}

// mostServed bounds what a recorder remembers.
const mostServed = 200_000

// Recorder remembers what a [Simulator] served, refusals included, in the order
// in which the requests came. It holds the last 100,000 requests at least and
// says in [Totals].Forgotten how many it let go. It is safe for concurrent use.
type Recorder struct {
	mu        sync.Mutex
	served    []*Served
	forgotten int64
	open      int
	idle      chan struct{} // closed while nothing is open; nil: nobody waits
}

// begin notes a request. From then on the entry belongs to the recorder.
func (r *Recorder) begin(s Served) *Served {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.served) >= mostServed {
		r.forgotten += mostServed / 2
		r.served = append(make([]*Served, 0, mostServed), r.served[mostServed/2:]...)
	}
	entry := &s
	r.served = append(r.served, entry)
	r.open++
	return entry
}

// finish notes how a request ended.
func (r *Recorder) finish(entry *Served, s Served) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*entry = s
	if r.open--; r.open == 0 && r.idle != nil {
		close(r.idle)
		r.idle = nil
	}
}

// Wait returns when no request is under way: a client may have its last byte a
// moment before the provider has noted it.
func (r *Recorder) Wait(ctx context.Context) error {
	r.mu.Lock()
	if r.open == 0 {
		r.mu.Unlock()
		return nil
	}
	if r.idle == nil {
		r.idle = make(chan struct{})
	}
	idle := r.idle
	r.mu.Unlock()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-idle:
		return nil
	}
}

// Select returns the requests for which match is true, in order; all, if match
// is nil. Those that are under way have no tokens yet.
func (r *Recorder) Select(match func(Served) bool) []Served {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Served
	for _, s := range r.served {
		if match == nil || match(*s) {
			out = append(out, *s)
		}
	}
	return out
}

// Find returns the request to which the provider gave an id.
func (r *Recorder) Find(request string) (Served, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.served {
		if s.Request == request {
			return *s, true
		}
	}
	return Served{}, false
}

// Totals are the sums of what was served.
type Totals struct {
	Requests  int64
	Delivered int64
	Input     int64 // tokens
	Cached    int64 // within Input
	Written   int64 // within Input
	Output    int64 // tokens
	Reasoning int64 // within Output
	Forgotten int64 // requests that are in no sum, because there were too many
}

// Sum adds up the requests for which match is true; all, if match is nil.
func (r *Recorder) Sum(match func(Served) bool) Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := Totals{Forgotten: r.forgotten}
	for _, s := range r.served {
		if match != nil && !match(*s) {
			continue
		}
		t.Requests++
		if s.Delivered {
			t.Delivered++
		}
		t.Input += s.Input
		t.Cached += s.Cached
		t.Written += s.Written
		t.Output += s.Output
		t.Reasoning += s.Reasoning
	}
	return t
}
