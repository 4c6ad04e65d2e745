package proxy

import (
	"errors"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/estimate"
)

// exchange is one request with its answer.
type exchange struct {
	s   *Server
	k   *client
	d   *draft // nil once the answer has begun
	req request

	up        *upstream
	at        *endpoint   // of up, that is asked
	cred      *credential // that is shown to it; nil: none of ours
	tries     tries       // to get an answer
	rest      string      // the path without the upstream's name
	renamed   string      // rest with the model that an alias stands for; empty: rest
	path      string      // the client's
	head      bool        // the method is HEAD
	secret    []byte      // the client's key, to be kept from everybody
	principal *metering.Principal
	route     dialect.Route
	asked     dialect.Request
	sockets   dialect.Sockets // reads what passes through the socket; nil: none is asked for, or nobody can
	ws        *socket         // that the answer has become; nil: none

	body      *buffer // of the request, as far as it is held
	stream    *upload // of the request, beyond that; nil: all of it is held
	uploading upload
	unread    bool    // not all of the request has been read
	plainly   *buffer // the client's own, where body is made of it, while that may be needed
	spliced   bool
	deaf      bool               // the upstream does not know how to be asked for usage
	held      *buffer            // the body as the client sent it, while an estimate may need it
	text      *estimate.Text     // of the answer, for the same
	unsplit   *dialect.Unsplicer // takes the splice out of the answer; nil: nothing to take out

	w       *wire // to the upstream; nil: none
	answer  answer
	header  func(string) string // of the answer; made once, because a method value is allocated
	early   []byte              // of the answer's body, read before it was passed on
	scanner dialect.Scanner     // nil: nothing to be read, or it has panicked
	maker   dialect.Maker       // the scanner, where it matters what the answer makes; nil: it does not
	made    []dialect.Object    // what the answer has made so far
	// creation is the path that creates an object, behind the base URL, and behind a #
	// what the request has asked for that the object does not say.
	creation string
	out      outlet

	event    *metering.Event // nil until the call is authorised
	begun    bool            // its intent is in the journal, or its loss is counted
	settled  bool
	outcome  metering.Outcome
	sentAll  bool      // the upstream has the whole request
	read     bool      // the usage of the event is what the scanner said at its end
	blind    bool      // the scanner has panicked
	sent     int64     // bytes of body written to the client
	drained  int64     // bytes read since the client has gone
	gone     bool      // nothing more is written to the client
	cut      bool      // the server ends
	until    time.Time // nothing is read from the upstream after it; zero: no such limit
	checked  time.Time // when the last checkpoint was written
	keepOpen bool      // another request can follow
}

// step is one part of the life of an exchange. A refusal ends it.
type step func(*exchange) *refusal

// serve is the life of an exchange. It reports whether the connection can serve
// another one.
func (x *exchange) serve() (again bool) {
	defer x.clean()
	defer func() {
		if cause := recover(); cause != nil {
			x.s.recovered("exchange", cause)
			again = false
			x.crashed()
		}
	}()
	for _, do := range [...]step{
		(*exchange).address, (*exchange).identify, (*exchange).classify, (*exchange).inspect,
		(*exchange).owns, (*exchange).admit, (*exchange).intent, (*exchange).forward, (*exchange).relay,
	} {
		if f := do(x); f != nil {
			x.refuse(f)
			break
		}
		if x.out.over {
			break
		}
	}
	x.settle()
	return x.keepOpen && !x.gone
}

// readHead reads the request head. It reports whether there is a request to be
// served; one that cannot be read is refused here.
func (x *exchange) readHead() bool {
	f, ok := x.k.parse(x.d)
	if !ok {
		return false
	}
	if f == nil {
		x.req, f = x.d.readHead()
	}
	x.keepOpen = f == nil && !x.req.closing
	x.unread = x.req.framing != noBody
	x.head = x.req.method == "HEAD"
	if f != nil {
		f.closing = true
		x.refuse(f)
		return false
	}
	return true
}

// crashed ends an exchange that has panicked: its fact is written all the same,
// and a client that has got nothing gets an answer.
func (x *exchange) crashed() {
	defer func() {
		if cause := recover(); cause != nil {
			x.s.recovered("end of an exchange", cause)
		}
	}()
	x.outcome = metering.OutcomeUpstreamError
	if x.out.begun {
		x.outcome = metering.OutcomeTruncated
	}
	x.refuse(&refusal{status: 500, code: "internal_error", message: "The proxy failed. The call was recorded.", closing: true})
	x.settle()
	x.k.breakOff()
}

// clean gives back what the exchange has taken.
func (x *exchange) clean() {
	x.detach()
	x.s.pools.release(x.out.pending)
	x.out.pending = nil
	x.dropBody()
	x.dropHeld()
}

// dropBody gives back what is held of the request body.
func (x *exchange) dropBody() {
	x.s.pools.releaseBody(x.body)
	x.s.pools.releaseBody(x.plainly)
	x.body, x.plainly = nil, nil
}

// detach gives the upstream's connection back, or closes it.
func (x *exchange) detach() {
	if x.w == nil {
		return
	}
	x.s.watch.remove(x.k)
	x.k.attach(nil)
	w := x.w
	x.w = nil
	// A signal may have set a deadline that nobody knows of.
	w.dead = w.dead || x.k.signal.Load() != 0
	if w.reusable() && x.answer.ended {
		w.from.release(w)
	} else {
		w.from.discard(w)
	}
}

// crossing errors of the exchange itself.
var (
	errGone = errors.New("the client has hung up")
	errCut  = errors.New("the server ends")
)
