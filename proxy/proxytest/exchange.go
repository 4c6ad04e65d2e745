package proxytest

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxRequest bounds what is read of a request; Anthropic refuses more, too.
const maxRequest = 32 << 20

// exchange is one request and its answer.
type exchange struct {
	sim *Simulator
	w   http.ResponseWriter
	r   *http.Request
	api api
	at  time.Time // when it came

	body   document
	model  string
	method string // Gemini: what follows the colon
	fault  fault
	seed   string // the request without what only frames its answer
	record Served // as it will be noted
}

// read reads the body and does what the name of the model says. It reports
// whether there is something left to answer.
func (x *exchange) read() bool {
	raw, err := io.ReadAll(http.MaxBytesReader(x.w, x.r.Body, maxRequest))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		x.fail(http.StatusRequestEntityTooLarge, "request_too_large", "the request exceeds 32 MiB")
		return false
	case err != nil:
		panic(http.ErrAbortHandler) // the client is gone
	case json.Unmarshal(raw, &x.body) != nil || x.body == nil:
		x.fail(http.StatusBadRequest, "", "the body of the request is not a JSON object")
		return false
	}
	x.model = text(x.body["model"])
	if x.api == gemini {
		x.model, x.method, _ = strings.Cut(x.r.PathValue("call"), ":")
		x.record.Endpoint = map[string]string{
			"generateContent": "gemini.generate_content", "streamGenerateContent": "gemini.stream_generate_content", "countTokens": "gemini.count_tokens",
		}[x.method]
	}
	x.record.Model = x.model
	x.seed = x.seeded()
	if x.fault = faultOf(x.model); x.fault.once && !x.sim.once.first(x.attempt()) {
		x.fault = fault{}
	}
	switch {
	case x.model == "":
		x.fail(http.StatusBadRequest, "", "you must provide a model")
		return false
	case x.fault.whole:
		x.misbehave()
		return false
	case x.fault == (fault{}) && !exists(x.model):
		x.failModel()
		return false
	}
	return true
}

// seeded is the part of a request that its answer depends on.
func (x *exchange) seeded() string {
	kept := make(document, len(x.body))
	for name, v := range x.body {
		if name != "stream" && name != "stream_options" {
			kept[name] = v
		}
	}
	b, err := json.Marshal(kept)
	if err != nil {
		return x.model // what was decoded can be encoded
	}
	return digest(x.model, string(b))
}

// heads sets the fields that the vendor sends with every answer. They are the
// same for the same request, but for its id.
func (x *exchange) heads() {
	h := x.w.Header()
	switch x.api {
	case anthropic:
		h.Set("Request-Id", x.record.Request)
		for kind, most := range map[string]string{"Requests": "4000", "Input-Tokens": "400000", "Output-Tokens": "80000", "Tokens": "480000"} {
			h.Set("Anthropic-Ratelimit-"+kind+"-Limit", most)
			h.Set("Anthropic-Ratelimit-"+kind+"-Remaining", most)
			h.Set("Anthropic-Ratelimit-"+kind+"-Reset", x.at.UTC().Format(time.RFC3339))
		}
	case gemini:
		h.Set("Vary", "Origin, X-Origin, Referer")
		h.Set("Server-Timing", "gfet4t7; dur=312")
		h.Set("X-Content-Type-Options", "nosniff")
	default:
		h.Set("X-Request-Id", x.record.Request)
		h.Set("Openai-Version", "2020-10-01")
		h.Set("Openai-Processing-Ms", "312")
		h.Set("Access-Control-Expose-Headers", "X-Request-ID")
		h.Set("X-Content-Type-Options", "nosniff")
		for name, v := range map[string]string{"Limit-Requests": "10000", "Limit-Tokens": "2000000", "Remaining-Requests": "9999", "Remaining-Tokens": "1999982", "Reset-Requests": "6ms", "Reset-Tokens": "0s"} {
			h.Set("X-Ratelimit-"+name, v)
		}
	}
}

// answer sends a whole answer of status 200, as slowly as a model makes it and
// as badly as its name says.
func (x *exchange) answer(body object, g *generation) {
	x.record.Object = text(body.first("id", "responseId"))
	if g != nil {
		x.record.Output, x.record.Reasoning = g.output(), g.reasoning
	}
	if x.fault.amid == errorAmid {
		x.record.Output, x.record.Reasoning, x.record.Input, x.record.Cached, x.record.Written = 0, 0, 0, 0, 0
		x.fail(http.StatusInternalServerError, "", "this model always fails so")
		return
	}
	if !x.pause(x.first()) {
		return
	}
	x.send(http.StatusOK, body)
}

// first returns the value of the first member that has one of the names.
func (o object) first(names ...string) any {
	for _, m := range o {
		for _, name := range names {
			if m.name == name {
				return m.value
			}
		}
	}
	return nil
}

// send sends JSON.
func (x *exchange) send(status int, body any) {
	b, err := encode(body)
	kind := "application/json"
	if x.api == gemini && err == nil {
		b, err = pretty(b)
		kind = "application/json; charset=UTF-8"
	}
	if err != nil {
		http.Error(x.w, err.Error(), http.StatusInternalServerError)
		return
	}
	x.raw(status, kind, b)
}

// raw sends a body.
func (x *exchange) raw(status int, kind string, b []byte) {
	x.w.Header().Set("Content-Type", kind)
	x.w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	x.w.WriteHeader(status)
	x.record.Status = status
	if x.fault.amid != nowhere && status == http.StatusOK {
		if x.put(b[:len(b)/2]) {
			x.breakOff()
		}
		return
	}
	x.record.Delivered = x.put(b)
}

// put hands bytes of a body to the network and reports whether it took them.
func (x *exchange) put(b []byte) bool {
	n, err := x.w.Write(b)
	x.record.Bytes += int64(n)
	return err == nil && http.NewResponseController(x.w).Flush() == nil
}

// first is how long the first token takes.
func (x *exchange) first() time.Duration {
	return min(max(10*x.sim.opts.Pace, x.fault.pace), time.Second)
}

// gap is how long each further token takes.
func (x *exchange) gap() time.Duration { return max(x.sim.opts.Pace, x.fault.pace) }

// pause waits and reports whether the client is still there.
func (x *exchange) pause(d time.Duration) bool {
	if d <= 0 {
		return x.r.Context().Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-x.r.Context().Done():
		return false
	case <-timer.C:
		return true
	}
}
