package proxy

import (
	"time"

	"github.com/weirhq/weir/metering/dialect"
)

// refusal is an answer of our own in place of the upstream's. Its texts are
// ours: they quote neither the request nor an upstream nor a library.
type refusal struct {
	status  int
	code    string
	message string
	after   time.Duration // retry-after; 0: not said
	closing bool          // the connection cannot serve another request
	err     error         // why, for the log; never shown
}

// final reports whether sending the same request again cannot help.
func (f *refusal) final() bool {
	switch f.status {
	case 408, 409, 429:
		return false
	default:
		return f.status < 500 || f.status == 501 || f.status == 505
	}
}

func (f *refusal) fault() dialect.Fault {
	return dialect.Fault{Status: f.status, Code: f.code, Message: f.message}
}

func badRequest(code, message string) *refusal {
	return &refusal{status: 400, code: code, message: message}
}

// malformed is a request whose framing cannot be trusted: what follows it on the
// connection may be part of it.
func malformed(message string) *refusal {
	return &refusal{status: 400, code: "malformed_request", message: message, closing: true}
}

func forbidden(code, message string) *refusal {
	return &refusal{status: 403, code: code, message: message}
}
