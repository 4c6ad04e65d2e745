package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/fault"
)

// earlyLimit is how long an answer is waited for that an upstream may have given
// before it stopped reading the request.
const earlyLimit = time.Second

// send sends the request and waits for the head of the answer. On one connection
// it is sent a second time only if not a byte of it was written: then the
// connection had been closed before it was used.
func (x *exchange) send() *refusal {
	if err := x.rebuild(); err != nil {
		return x.unsignable(err)
	}
	joined := len(x.d.head)+len(x.body.bytes()) <= largeBuffer && x.stream == nil && !x.chunks() && x.up.Signer == nil
	if joined {
		x.d.head = append(x.d.head, x.body.bytes()...)
		if !x.repeatable() {
			x.hold(x.body)
			x.body = nil
		}
	}
	for attempt := 0; ; attempt++ {
		if f := x.connect(attempt > 0); f != nil {
			return f
		}
		n, err := x.w.send(x.d.head, x.up.Idle, time.Now())
		if err == nil {
			break
		}
		if n > 0 || !x.w.reused {
			return x.sendFailed(err)
		}
		x.w.dead = true
		x.detach()
		if x.up.Signer != nil {
			if err := x.rebuild(); err != nil {
				return x.unsignable(err)
			}
		}
	}
	x.tries.written = true
	if !joined {
		if f := x.sendBody(); f != nil {
			return f
		}
	}
	x.sentAll = true
	fault.At(fault.ProxyAfterSend)
	x.k.rest()
	return x.await(x.up.Header)
}

func (b *buffer) bytes() []byte {
	if b == nil {
		return nil
	}
	return b.b
}

// connect gets a connection and lets the watcher look after the client.
func (x *exchange) connect(fresh bool) *refusal {
	var w *wire
	ok := false
	if !fresh {
		w, ok = x.at.quick()
	}
	if !ok {
		var err error
		x.attend(x.up.Connect, func(ctx context.Context) { w, err = x.at.acquire(ctx, &x.s.pools, fresh) })
		if err != nil {
			return x.notConnected(err)
		}
	}
	if !fresh {
		x.counted()
	}
	w.begin()
	x.w = w
	x.k.attach(w.c)
	x.s.watch.add(x.k)
	return nil
}

// notConnected says why there is no connection. Nothing was sent.
func (x *exchange) notConnected(err error) *refusal {
	if x.heard() || x.gone || x.cut {
		if x.cut {
			return x.noAnswer(errCut)
		}
		return x.noAnswer(errGone)
	}
	if errors.Is(err, errBusy) {
		x.outcome = metering.OutcomeTimeout
		return &refusal{status: 503, code: codeBusy, message: "All connections to the upstream are in use. Try again later.", after: time.Second, err: err}
	}
	x.counted()
	switch {
	case errors.Is(err, errPrivate):
		x.outcome = metering.OutcomeUpstreamError
		return &refusal{status: 502, code: codePrivate, message: "The upstream's name stands for an address that is not public. Its operator can permit that with allow_private.", err: err}
	case isTimeout(err), errors.Is(err, context.DeadlineExceeded):
		x.outcome = metering.OutcomeTimeout
		return &refusal{status: 504, code: codeConnectTimeout, message: "The upstream could not be reached in time.", err: err}
	default:
		x.outcome = metering.OutcomeUpstreamError
		return &refusal{status: 502, code: codeUnreachable, message: "The upstream could not be reached.", err: err}
	}
}

// counted counts a request that was made, or would have been had somebody been
// there.
func (x *exchange) counted() {
	x.at.requests.Add(1)
	if x.cred != nil {
		x.cred.requests.Add(1)
	}
}

// attend calls do, while no upstream is connected, with a context that ends when
// limit or the time of the call is over, the client hangs up or the server ends.
func (x *exchange) attend(limit time.Duration, do func(context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if !x.until.IsZero() {
		ctx, cancel = context.WithDeadline(ctx, x.until)
		defer cancel()
	}
	if limit > 0 {
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	x.s.watch.add(x.k)
	defer x.s.watch.remove(x.k)
	x.k.awaken(cancel)
	defer x.k.awaken(nil)
	do(ctx)
}

// sendBody sends what did not go with the head.
func (x *exchange) sendBody() *refusal {
	if x.stream != nil {
		return x.upload()
	}
	rest := x.body.bytes()
	if x.chunks() {
		rest = appendLast(appendChunk(nil, rest), x.uploading.chunks.kept)
	}
	if len(rest) > 0 {
		if _, err := x.w.send(rest, x.up.Idle, time.Now()); err != nil {
			return x.sendFailed(err)
		}
	}
	return nil
}

// sendFailed looks for an answer that the upstream gave before it stopped
// reading, such as 413. If there is none the request is not sent again: the
// upstream may have begun.
func (x *exchange) sendFailed(cause error) *refusal {
	x.w.dead = true
	x.keepOpen = x.keepOpen && !x.unread
	if f := x.await(earlyLimit); f == nil {
		return nil
	}
	x.outcome = metering.OutcomeUpstreamError
	code, message, status := codeBrokeOff, "The upstream closed the connection while the request was sent. It was not sent again.", 502
	if errors.Is(cause, os.ErrDeadlineExceeded) {
		x.outcome = metering.OutcomeTimeout
		code, message, status = codeTimeout, "The upstream did not take the request in time.", 504
	}
	return &refusal{status: status, code: code, message: message, err: cause}
}

// build writes the head for the upstream in one pass over the client's.
func (x *exchange) build(b []byte) ([]byte, error) {
	start := len(b)
	b = append(b, x.req.method...)
	b = append(b, ' ')
	b = append(b, x.at.basePath...)
	if x.renamed != "" {
		b = append(b, x.renamed...)
	} else {
		b = append(b, x.rest...)
	}
	b = x.appendQuery(b)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, x.at.hostName...)
	b = append(b, "\r\n"...)
	for _, f := range x.req.fields {
		if !x.forwarded(f) {
			continue
		}
		if f.kind == protocols {
			b = x.appendOffer(b, f)
			continue
		}
		b = appendField(b, f)
	}
	if x.req.socket {
		b = append(b, upgradeLines...)
	}
	if x.unsplices() {
		b = append(b, "Accept-Encoding: identity\r\n"...)
	}
	if !x.up.ClientAuth && x.cred != nil {
		b = append(b, x.up.keyLine...)
		b = append(b, x.cred.key...)
		b = append(b, "\r\n"...)
	}
	if x.req.trailers {
		b = append(b, "TE: trailers\r\nConnection: TE\r\n"...)
	}
	switch {
	case x.chunks():
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case x.stream != nil:
		b = appendLength(b, x.req.length)
	case x.req.framing != noBody:
		b = appendLength(b, int64(len(x.body.bytes())))
	}
	b, err := x.sign(b, start)
	return append(b, "\r\n"...), err
}

// chunks reports whether the body goes on in chunks: one that is not held whole,
// or that has trailers.
func (x *exchange) chunks() bool {
	return x.req.framing == byChunks && (x.stream != nil || len(x.uploading.chunks.kept) > 0)
}

// forwarded reports whether a field of the client goes to the upstream.
func (x *exchange) forwarded(f field) bool {
	if f.named {
		return false
	}
	switch f.kind {
	case trailer:
		return x.chunks()
	case hop, te, length, coding, connection, host, expect, weir, upgrade:
		return false
	case authorization, apiKey:
		return x.clientAuth()
	case acceptEncoding:
		return !x.unsplices()
	default:
		return !x.replaced(f.name)
	}
}

// unsplices reports whether the answer will have the splice taken out.
func (x *exchange) unsplices() bool { return x.spliced && x.askPolicy(x.up) == metering.AskSplice }

// appendQuery writes the query without our key; everything else stays as it is.
func (x *exchange) appendQuery(b []byte) []byte {
	if x.clientAuth() || !bytes.Contains(x.req.query, []byte("key=")) {
		if x.req.query != nil {
			b = append(append(b, '?'), x.req.query...)
		}
		return b
	}
	mark := byte('?')
	for query := x.req.query; len(query) > 0; {
		var pair []byte
		pair, query, _ = bytes.Cut(query, []byte("&"))
		if x.ownParameter(pair) {
			continue
		}
		b = append(append(b, mark), pair...)
		mark = '&'
	}
	return b
}

func appendField(b []byte, f field) []byte {
	b = append(append(b, f.name...), ':', ' ')
	return append(append(b, f.value...), '\r', '\n')
}

func appendLength(b []byte, n int64) []byte {
	b = strconv.AppendInt(append(b, "Content-Length: "...), n, 10)
	return append(b, '\r', '\n')
}

// await reads the head of the answer.
func (x *exchange) await(limit time.Duration) *refusal {
	for informational := 0; ; informational++ {
		size, err := x.awaitHead(limit)
		if err == nil {
			err = x.answer.parse(x.d, x.w.buf.b[x.w.r:x.w.r+size], x.head)
		}
		if err != nil {
			return x.noAnswer(err)
		}
		x.w.r += size
		switch {
		case x.answer.status >= 200:
			x.w.frame(x.answer.framing, x.answer.length)
			x.w.dead = x.w.dead || x.answer.closing
			return nil
		case x.answer.status == 101 && x.req.socket && x.answer.upgraded():
			x.w.dead = true
			return nil
		case x.answer.status == 101, informational >= maxInformational:
			return x.noAnswer(errAnswer)
		case x.answer.status != 100 && !x.req.old && !x.gone:
			if _, err := x.k.write(x.answer.interim(), x.up.Idle, time.Now()); err != nil {
				x.leave()
			}
		}
	}
}

// maxInformational is how many 1xx answers may come before the final one.
const maxInformational = 16

// awaitHead reads until a head is there whole, and returns its length.
func (x *exchange) awaitHead(limit time.Duration) (size int, err error) {
	w := x.w
	for searched := 0; ; {
		have := w.buf.b[w.r:w.w]
		from := max(0, searched-3)
		if at := bytes.Index(have[from:], []byte("\r\n\r\n")); at >= 0 {
			return from + at + 4, nil
		}
		searched = len(have)
		if w.w == len(w.buf.b)-tailroom {
			if len(w.buf.b) >= maxAnswerHead {
				return 0, errAnswer
			}
			w.enlarge()
		}
		if err := x.receive(limit); err != nil {
			if errors.Is(err, io.EOF) && searched > 0 {
				err = io.ErrUnexpectedEOF
			}
			return 0, err
		}
	}
}

// noAnswer says why there is no answer to be passed on.
func (x *exchange) noAnswer(err error) *refusal {
	if x.w != nil {
		x.w.dead = true
	}
	f := &refusal{err: err}
	switch {
	case errors.Is(err, errGone):
		x.outcome = metering.OutcomeClientGone
		f.status, f.code, f.message = 499, "client_gone", "The client has hung up."
	case errors.Is(err, errCut):
		x.outcome = metering.OutcomeTruncated
		f.status, f.code, f.message = 503, "draining", "This server was shut down before the upstream answered."
		f.closing = true
	case isTimeout(err):
		x.outcome = metering.OutcomeTimeout
		f.status, f.code, f.message = 504, codeTimeout, "The upstream did not answer in time."
	case errors.Is(err, errAnswer):
		x.outcome = metering.OutcomeUpstreamError
		f.status, f.code, f.message = 502, codeMalformed, "The upstream's answer is not valid HTTP/1.1."
	default:
		x.outcome = metering.OutcomeUpstreamError
		f.status, f.code, f.message = 502, codeBrokeOff, "The upstream closed the connection without an answer. The request was not sent again."
	}
	return f
}
