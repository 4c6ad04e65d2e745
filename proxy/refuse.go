package proxy

import (
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// refuse answers in place of the upstream, in the words of the API that was
// called. The fact of a call that had begun is written first.
func (x *exchange) refuse(f *refusal) {
	x.s.refused.Add(1)
	x.report(f)
	if x.begun && !x.settled {
		if x.outcome == "" {
			x.outcome = metering.OutcomeRefused
		}
		x.event.Status, x.event.ErrorCode = f.status, f.code
		x.conclude(dialect.Truncated, 0)
	}
	x.keepOpen = x.keepOpen && !f.closing && x.skip()
	if x.gone || x.out.begun {
		x.keepOpen = false
		return
	}
	body, contentType := x.voice().ErrorBody(f.fault())
	x.say(f.status, contentType, body, f)
	if x.unread {
		x.k.linger()
	}
}

// report logs why a call was refused where that is not the client's doing.
func (x *exchange) report(f *refusal) {
	switch {
	case f.err == nil:
	case f.status >= 500:
		x.s.log.Warn("call refused", "code", f.code, "path", x.path, "error", f.err)
	default:
		x.s.log.Debug("call refused", "code", f.code, "error", f.err)
	}
}

// voice is the dialect that the client expects: that of the path where it is
// known, else the upstream's, else the default upstream's.
func (x *exchange) voice() dialect.Dialect {
	if name, _, ok := strings.Cut(string(x.route.Endpoint), "."); ok {
		if d, ok := dialect.Named(name); ok {
			return d
		}
	}
	if x.up != nil {
		return x.up.Dialect
	}
	if t := x.s.table.Load(); t.fallback != nil {
		return t.fallback.Dialect
	}
	d, _ := dialect.Named("openai")
	return d
}

// skip passes over a request body that has come whole already. It reports
// whether the next byte of the connection is the next request's.
func (x *exchange) skip() bool {
	if !x.unread {
		return true
	}
	if x.stream != nil || x.req.framing != byLength || x.req.length > int64(x.k.r.Buffered()) {
		return false
	}
	if _, err := x.k.r.Discard(int(x.req.length)); err != nil {
		return false
	}
	x.unread = false
	return true
}

// say writes an answer of ours. f is nil if it is no refusal.
func (x *exchange) say(status int, contentType string, body []byte, f *refusal) {
	b := appendStatus(nil, status, fasthttp.StatusMessage(status))
	b = append(append(append(b, "Content-Type: "...), contentType...), "\r\n"...)
	b = appendLength(b, int64(len(body)))
	if f != nil && f.final() {
		b = append(b, "X-Should-Retry: false\r\n"...)
	}
	if f != nil && f.after > 0 {
		seconds := int64((f.after + time.Second - 1) / time.Second)
		b = append(strconv.AppendInt(append(b, "Retry-After: "...), seconds, 10), "\r\n"...)
	}
	b = x.common(b)
	if !x.head {
		b = append(b, body...)
	}
	x.out.begun, x.out.over = true, true
	if _, err := x.k.write(b, bodyLimit, time.Now()); err != nil {
		x.gone = true
	}
}

func appendID(b []byte, id metering.ID) []byte {
	out, err := id.AppendText(b)
	if err != nil {
		return append(b, id.String()...)
	}
	return out
}
