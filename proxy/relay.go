package proxy

import (
	"errors"
	"io"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/fault"
)

// checkpointEvery is how often a running answer's usage is written down.
const checkpointEvery = 5 * time.Second

// relay passes the answer on as it comes. The fact is written before the bytes
// that end it are released.
func (x *exchange) relay() *refusal {
	if x.answer.status == 101 {
		return x.tunnel()
	}
	x.prepare()
	x.open()
	if len(x.early) > 0 || x.answer.ended {
		x.pass(x.early, x.answer.ended)
	}
	for !x.answer.ended {
		p, done, err := x.w.piece()
		if err != nil {
			x.broke(err)
			return nil
		}
		if len(p) == 0 && !done {
			if err := x.ready(); err != nil {
				x.broke(err)
				return nil
			}
			continue
		}
		if !done && x.drainedOut(len(p)) {
			x.broke(errGone)
			return nil
		}
		x.answer.ended = done
		x.pass(p, done)
	}
	return nil
}

// prepare starts to read the answer and lets go of what only the request needed.
func (x *exchange) prepare() {
	x.holdAnswered()
	x.event.Status = x.answer.status
	x.event.ProviderID = x.answer.requestID
	if x.route.Class != dialect.Raw {
		if x.event.Metered && x.answer.status < 400 {
			x.text = x.s.pools.text()
		}
		x.scanner = x.up.Dialect.Scanner(x.route, x.asked, dialect.Response{
			Status: x.answer.status, ContentType: x.answer.contentType, ContentEncoding: x.answer.contentEncoding,
			Header: x.header, Location: x.at.location, Text: x.text,
		})
		if x.shares() {
			x.maker, _ = x.scanner.(dialect.Maker)
			if x.route.Creates != "" && x.durable(x.route.Creates) {
				x.creation = string(x.appendQuery([]byte(x.rest)))
				if remembered := x.asked.Remembered(x.route); remembered != "" {
					x.creation += "#" + remembered
				}
			} else if o, ok := x.polled(); ok {
				x.creation = string(x.appendQuery([]byte(strings.TrimSuffix(x.rest, "/"+o.ID))))
			}
		}
	}
	if x.unsplices() && x.answer.status == 200 && isEvents(x.answer.contentType) && x.answer.contentEncoding == "" {
		x.unsplit = dialect.NewUnsplicer()
	}
	x.checked = time.Now()
}

func isEvents(contentType string) bool { return strings.HasPrefix(contentType, "text/event-stream") }

// ready waits for more of the answer, after what is known has been sent on.
func (x *exchange) ready() error {
	if x.out.pending != nil {
		x.flush()
	}
	if x.d != nil {
		x.s.pools.releaseDraft(x.d)
		x.d, x.secret = nil, nil
		x.req.fields, x.answer.fields, x.answer.line, x.answer.raw = nil, nil, nil, nil
	}
	err := x.receive(x.up.Idle)
	if err == io.EOF && x.w.framing == byClose && !abrupt(x.w.c) {
		x.answer.ended = true
		x.pass(nil, true)
		return nil
	}
	return err
}

// pass takes one piece of the answer to the scanner and to the client.
func (x *exchange) pass(p []byte, done bool) {
	if len(p) > 0 {
		if x.event.FirstByte == 0 && !x.settled {
			x.event.FirstByte = metering.MicrosOf(x.s.o.Now())
		}
		x.scan(p)
	}
	var lent *buffer
	if x.unsplit != nil && !x.gone {
		p, lent = x.unsplice(p, done)
	}
	if done || !x.settled && x.scanner != nil && x.scanner.Terminal() {
		x.conclude(dialect.Ended, len(p))
	}
	if !x.gone {
		x.deliver(p, lent, done)
	}
	x.s.pools.release(lent)
	if x.settled {
		fault.At(fault.ProxyAfterEnd)
		return
	}
	fault.At(fault.ProxyAfterPiece)
	x.checkpoint()
}

// scan shows bytes to the scanner. If that panics the bytes pass all the same,
// and the usage is unknown.
func (x *exchange) scan(p []byte) {
	if x.scanner == nil || x.read {
		return
	}
	defer func() {
		if cause := recover(); cause != nil {
			x.blinded(cause)
		}
	}()
	x.scanner.Scan(p)
	x.note()
}

func (x *exchange) blinded(cause any) {
	x.scanner, x.maker, x.blind = nil, nil, true
	x.s.recovered("scanner", cause)
}

// checkpoint writes down from time to time what a long answer has used.
func (x *exchange) checkpoint() {
	if x.scanner == nil || !x.event.Metered {
		return
	}
	now := time.Now()
	if now.Sub(x.checked) < checkpointEvery {
		return
	}
	x.checked = now
	u := x.scanner.Snapshot()
	if err := x.s.o.Journal.Checkpoint(&x.event.Call, &u); err != nil {
		x.s.unrecorded.Add(1)
		x.s.log.Warn("write a checkpoint", "event", x.event.ID.String(), "error", err)
	}
}

// broke ends an answer that the upstream, the client or the server has broken
// off: the client must not see a clean end.
func (x *exchange) broke(err error) {
	x.w.dead = true
	x.keepOpen = false
	end := dialect.Truncated
	switch {
	case x.gone:
		x.outcome = metering.OutcomeClientGone
		end = dialect.Abandoned
	case errors.Is(err, errCut):
		x.outcome = metering.OutcomeTruncated
		x.event.ErrorCode = "draining"
	default:
		x.outcome = metering.OutcomeTruncated
		x.event.ErrorCode = "upstream_truncated"
		if isTimeout(err) {
			x.event.ErrorCode = "upstream_idle"
		}
		x.s.cut.Add(1)
	}
	if x.out.pending != nil && !x.gone {
		x.flush()
	}
	x.conclude(end, 0)
	if !x.gone && !x.answer.bodyless {
		x.k.breakOff()
	}
	x.out.over = true
}
