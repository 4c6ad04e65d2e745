package proxy

import (
	"bytes"
	"net/http"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

const (
	// maxComplaint is how much of an error answer is read to see what it is about.
	maxComplaint = 16 << 10
	// complaintLimit is how long that may take; then the answer is passed on.
	complaintLimit = 2 * time.Second
)

// listen reads what an error answer says, in the way its usage is read. It can
// be passed on all the same.
func (x *exchange) listen() (said metering.Usage) {
	if !x.readAhead() || x.route.Class == dialect.Raw {
		return metering.Usage{}
	}
	end := dialect.Truncated
	if x.answer.ended {
		end = dialect.Ended
	}
	defer func() {
		if cause := recover(); cause != nil {
			x.s.recovered("scanner of an error answer", cause)
			said = metering.Usage{}
		}
	}()
	scanner := x.up.Dialect.Scanner(x.route, x.asked, dialect.Response{
		Status: x.answer.status, ContentType: x.answer.contentType, ContentEncoding: x.answer.contentEncoding,
		Location: x.at.location,
	})
	scanner.Scan(x.early)
	said = scanner.Close(end)
	return said
}

// readAhead reads the beginning of the body before it is decided whether the
// answer is passed on. It reports whether its head could be kept.
func (x *exchange) readAhead() bool {
	if !x.answer.kept {
		// The fields must outlive the buffer, which the body is read into.
		if x.answer.parse(x.d, bytes.Clone(x.answer.raw), x.head) != nil {
			return false
		}
		x.answer.kept = true
	}
	until := time.Now().Add(complaintLimit)
	for !x.answer.ended && len(x.early) < maxComplaint {
		p, done, err := x.w.piece()
		x.early = append(x.early, p...)
		if x.answer.ended = done; done {
			break
		}
		if err != nil {
			x.w.dead = true
			break // relay meets the same error
		}
		if len(p) > 0 {
			continue
		}
		left := time.Until(until)
		if x.up.Idle > 0 {
			left = min(left, x.up.Idle)
		}
		if left <= 0 || x.receive(left) != nil {
			break // relay meets the same error, or more of the body
		}
	}
	return true
}

// retryAfter is how long an answer asks to be left alone; 0: it does not say
// (RFC 9110, 10.2.3; retry-after-ms is OpenAI's and Azure's).
func retryAfter(fields []field, now time.Time) time.Duration {
	var after time.Duration
	for _, f := range fields {
		switch {
		case len(f.name) == len("retry-after-ms") && bytes.EqualFold(f.name, []byte("retry-after-ms")):
			whole, _, _ := bytes.Cut(f.value, []byte("."))
			if ms, ok := number(whole); ok && ms > 0 {
				return time.Duration(min(ms, 1e9)) * time.Millisecond
			}
		case len(f.name) == len("retry-after") && bytes.EqualFold(f.name, []byte("retry-after")):
			if seconds, ok := number(f.value); ok {
				after = time.Duration(min(seconds, 1e6)) * time.Second
			} else if at, err := http.ParseTime(string(f.value)); err == nil {
				after = max(at.Sub(now), 0)
			}
		}
	}
	return after
}

// choosesAccount reports whether the client itself says in whose name it calls.
// What is then refused says nothing of the key.
func (x *exchange) choosesAccount() bool {
	for _, f := range x.req.fields {
		for _, name := range [...]string{"openai-organization", "openai-project", "x-goog-user-project"} {
			if len(f.name) == len(name) && bytes.EqualFold(f.name, []byte(name)) {
				return true
			}
		}
	}
	return false
}
