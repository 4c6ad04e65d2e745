package proxy

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// errTooLarge says that a request body is beyond the limit.
var errTooLarge = errors.New("request body is too large")

// inspect reads the request body, as far as it is held in memory, and learns
// from it what is asked for. The bytes stay as they are.
func (x *exchange) inspect() *refusal {
	if f := x.signedChunks(); f != nil {
		return f
	}
	limit := x.s.o.MaxBody
	if x.observed() {
		limit = 0
	}
	if limit > 0 && x.req.framing == byLength && x.req.length > limit {
		return tooLarge()
	}
	if x.req.framing == noBody || x.req.framing == byLength && x.req.length == 0 {
		x.unread = false
		return x.understand(nil)
	}
	if (x.event.Metered || x.shares()) && !x.opaque() && len(x.req.contentEncoding) > 0 && string(x.req.contentEncoding) != "identity" {
		return &refusal{status: 415, code: "content_encoding", message: "A compressed request body cannot be read for its model. Send it uncompressed."}
	}
	u := &x.uploading
	u.begin(x)
	if f := x.carryOn(); f != nil {
		return f
	}
	x.body = x.s.pools.body()
	if err := u.hold(x.body, x.holds()); err != nil {
		return uploadFailed(err)
	}
	if u.done {
		x.unread = false
		return x.understand(x.body.b)
	}
	if x.up.Signer != nil && x.up.Signer.HashesBody() {
		return tooLargeToSign()
	}
	x.stream = u
	if x.shares() && !x.opaque() {
		u.references = dialect.NewReferenceReader(x.route, known(x.req.contentType))
	}
	x.glance()
	return nil
}

// carryOn tells a client that asked whether its body is wanted that it is.
func (x *exchange) carryOn() *refusal {
	if !x.req.expects || x.k.r.Buffered() > 0 {
		return nil
	}
	if _, err := x.k.write([]byte("HTTP/1.1 100 Continue\r\n\r\n"), bodyLimit, time.Now()); err != nil {
		return uploadFailed(err)
	}
	return nil
}

func tooLarge() *refusal {
	return &refusal{status: 413, code: "request_too_large", message: "The request body is larger than this server takes.", closing: true}
}

// uploadFailed says why a request body did not arrive.
func uploadFailed(err error) *refusal {
	f := malformed("The request body did not arrive as its framing says.")
	switch {
	case errors.Is(err, errTooLarge):
		f = tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		f = &refusal{status: 408, code: "request_timeout", message: "The request body did not arrive in time.", closing: true}
	case errors.Is(err, errTrailer):
		f = malformed("A trailer carries what may only be in a head.")
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.err = err
	}
	return f
}

// understand learns from a whole body what is asked for.
func (x *exchange) understand(body []byte) *refusal {
	if x.sockets != nil {
		return x.understandSocket()
	}
	if x.opaque() {
		x.asked = dialect.Request{Model: x.route.Model, Stream: x.route.Stream, BodyBytes: int64(len(body))}
		x.describe()
		return nil
	}
	q, err := x.up.Dialect.Inspect(x.route, known(x.req.contentType), body)
	if err != nil && !x.observed() && (x.shares() || !errors.Is(err, dialect.ErrReferences)) {
		return ambiguous(err)
	}
	x.asked = q
	x.describe()
	w, f := x.word(x.up)
	if f == nil {
		x.adopt(w)
	}
	return f
}

// opaque reports whether the body is passed on without being read.
func (x *exchange) opaque() bool {
	coded := len(x.req.contentEncoding) > 0 && string(x.req.contentEncoding) != "identity"
	return x.route.Class == dialect.Raw || x.route.Opaque || x.observed() && coded
}

func ambiguous(err error) *refusal {
	if errors.Is(err, dialect.ErrReferences) {
		return unclearReferences(err)
	}
	return &refusal{
		status: 400, code: "ambiguous_model", err: err,
		message: "The body names two different models, or one that cannot be a model's name. Servers would not agree which one is meant.",
	}
}

// describe copies what was learned into the event.
func (x *exchange) describe() {
	x.event.Model, x.event.Stream, x.event.BodyBytes = x.asked.Model, x.asked.Stream, x.asked.BodyBytes
}

// glance reads what can be known of a body that is streamed through before it
// has come: nothing that is decided on, see [upload.verdict].
func (x *exchange) glance() {
	x.asked = dialect.Request{Model: x.route.Model, Stream: x.route.Stream}
	if x.req.framing == byLength {
		x.asked.BodyBytes = x.req.length
	}
	x.describe()
	if w, f := x.alias(x.up, nil); f == nil && w.path != "" {
		x.renamed, x.event.SentModel = w.path, w.model
	}
}

// verdict decides on a body that has been streamed but for its last byte.
func (x *exchange) verdict(u *upload) *refusal {
	x.asked.BodyBytes = u.seen
	if x.opaque() {
		x.describe()
		return nil
	}
	body, ok := u.asks()
	if !ok && !x.observed() {
		return ambiguous(metering.ErrInvalid)
	}
	q, err := x.up.Dialect.Inspect(x.route, known(x.req.contentType), body)
	if err != nil && !x.observed() && (x.shares() || !errors.Is(err, dialect.ErrReferences)) {
		return ambiguous(err)
	}
	q.BodyBytes = u.seen
	x.asked = q
	x.describe()
	if q.Spliceable && x.event.Metered && x.askPolicy(x.up) == metering.AskRefuse && !x.observed() {
		return badRequest("include_usage_required", "Streams must ask for their usage: set stream_options.include_usage to true.")
	}
	if _, alias := x.up.Models.Aliases[q.Model]; alias && x.renamed == "" {
		return &refusal{status: 413, code: "alias_in_large_body", message: "The model is an alias here, and an alias is not replaced in a body as large as this one. Name the model itself."}
	}
	if f := x.ownsStreamed(u); f != nil {
		return f
	}
	return x.allowModel()
}
