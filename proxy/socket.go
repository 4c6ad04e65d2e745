package proxy

import (
	"cmp"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering/dialect"
)

// Why a socket ends, beside what ends any answer.
var (
	errRevoked  = errors.New("the key is none any more")
	errQuiet    = errors.New("both sides were silent for too long")
	errTotal    = errors.New("the whole call took too long")
	errRecord   = errors.New("a turn cannot be recorded")
	errModel    = errors.New("the key may not call the model of a turn")
	errUpstream = errors.New("the upstream does not read")
)

// socket is an exchange that has become a WebSocket. The goroutine of the
// exchange carries what the upstream sends and owns everything; one more carries
// what the client sends and has ended when run returns.
type socket struct {
	x     *exchange
	began time.Time
	key   string

	sending sync.WaitGroup
	ending  atomic.Bool  // the connections are being closed by us
	heard   atomic.Int64 // when the client sent something, in nanoseconds after began
	left    error        // why the client's direction has ended; set before signalLeft

	named   []dialect.Object // by the client's messages, until they are decided on; of the client's direction
	unclear bool             // a message names more than can be told

	mu      sync.Mutex // of what follows, which both directions touch
	session dialect.Session
	reads   bool // the session is to be shown messages
	failed  bool // the session has panicked
	up      messages
	down    messages

	counted bool // the last checkpoint has usage that a turn may take with it
}

// tunnel is relay for an answer that has made the connection a WebSocket.
func (x *exchange) tunnel() *refusal {
	x.dropBody()
	x.keepOpen = false
	x.event.Status, x.event.ProviderID = x.answer.status, x.answer.requestID
	x.checked = time.Now()
	s := x.newSocket()
	x.ws = s
	if !x.gone {
		s.accept()
	}
	s.letGo()
	defer s.stop()
	err := s.run()
	s.stop()
	s.finish(err)
	return nil
}

func (x *exchange) newSocket() *socket {
	s := &socket{x: x, began: time.Now(), key: string(x.secret)}
	agreed := x.answer.agreed()
	for direction, m := range []*messages{&s.up, &s.down} {
		m.pools, m.deflate = &x.s.pools, agreed.on
		if agreed.on && !agreed.fresh[direction] {
			m.window = new(window)
		}
		m.blind = agreed.foreign
		m.missed = agreed.foreign
	}
	if x.sockets != nil {
		route := x.route
		route.Location = cmp.Or(route.Location, x.at.location)
		s.session, s.reads = x.sockets.Session(route, x.asked), true
	}
	return s
}

// accept sends the client the head that the upstream has sent.
func (s *socket) accept() {
	x := s.x
	head := x.s.pools.buffer(true)
	defer x.s.pools.release(head)
	b := append(append(append(head.b[:0], "HTTP/1.1 "...), x.answer.line...), "\r\n"...)
	for _, f := range x.answer.fields {
		if passed(f) {
			b = appendField(b, f)
		}
	}
	b = append(x.appendEventID(append(b, upgradeLines...)), "\r\n"...)
	x.out.begun = true
	if _, err := x.k.write(b, x.stall(), time.Now()); err != nil {
		x.gone = true
	}
}

// stall is how long a client may not read.
func (x *exchange) stall() time.Duration {
	if x.up.Idle <= 0 {
		return stallLimit
	}
	return x.up.Idle
}

// letGo gives back what only the heads needed.
func (s *socket) letGo() {
	x := s.x
	x.s.watch.remove(x.k)
	x.s.pools.releaseDraft(x.d)
	x.d, x.secret = nil, nil
	x.req.fields, x.req.path, x.req.query = nil, nil, nil
	x.answer.fields, x.answer.line, x.answer.raw = nil, nil, nil
}

// run carries frames until one side, or we, end it, and says why.
func (s *socket) run() error {
	x := s.x
	if x.gone {
		return errGone
	}
	x.w.timer.reset()
	if !x.observed() {
		x.s.sockets.add(x.k, s.key)
		defer x.s.sockets.remove(x.k)
	}
	s.sending.Go(s.send)
	for {
		if p := x.w.buf.b[x.w.r:x.w.w]; len(p) > 0 {
			x.w.r = x.w.w
			if err := s.pass(p); err != nil {
				return err
			}
		}
		if err := s.receive(); err != nil {
			return err
		}
	}
}

// receive waits for more from the upstream.
func (s *socket) receive() error {
	x := s.x
	limit := x.up.Idle
	for {
		if err := x.arm(limit, time.Now()); err != nil {
			return err
		}
		if err := s.signalled(); err != nil {
			return err
		}
		err := x.w.fill()
		if err == nil || !isTimeout(err) {
			return err
		}
		now := time.Now()
		quiet := now.Sub(s.began.Add(time.Duration(s.heard.Load())))
		if err := s.signalled(); err != nil {
			return err
		}
		switch {
		case !x.until.IsZero() && !now.Before(x.until):
			return errTotal
		case x.up.Idle <= 0 || quiet >= x.up.Idle:
			return errQuiet
		}
		// The client has spoken since: the rest of its limit.
		x.w.timer.reset()
		limit = x.up.Idle - quiet
	}
}

// signalled returns why the socket must end, if somebody has said so.
func (s *socket) signalled() error {
	signal := s.x.k.signal.Load()
	switch {
	case signal&signalLeft != 0:
		return s.left
	case signal&signalGone != 0:
		return errGone
	case signal&signalRevoked != 0:
		return errRevoked
	case signal&signalCut != 0:
		return errCut
	default:
		return nil
	}
}

// pass takes bytes of the upstream to the client. Those that end a turn, or the
// socket, are not released before its fact is written.
func (s *socket) pass(p []byte) error {
	x := s.x
	if x.event.FirstByte == 0 && !x.settled {
		x.event.FirstByte = now(x)
	}
	turns, closed := s.received(p)
	var failed error
	for i := range turns {
		if err := s.record(&turns[i], outcomeOfTurn(nil)); err != nil {
			failed = err
		}
	}
	if failed != nil {
		return failed
	}
	if closed {
		x.conclude(dialect.Ended, len(p))
	}
	if _, err := x.k.write(p, x.stall(), time.Now()); err != nil {
		return errGone
	}
	x.sent += int64(len(p))
	s.checkpoint()
	return nil
}

// send carries what the client sends until one side ends it.
func (s *socket) send() {
	err := errGone
	defer func() {
		if cause := recover(); cause != nil {
			s.x.s.recovered("socket", cause)
			err = errUpstream
		}
		if err == nil || s.ending.Load() {
			return // the upstream's end, or ours, is seen where the upstream is read
		}
		s.left = err
		s.x.k.raise(signalLeft)
	}()
	err = s.forward()
}

// forward returns errGone if the client has, nil if the upstream has.
func (s *socket) forward() error {
	x := s.x
	r := newQuietReader(x.k, &x.s.pools)
	defer r.release()
	for {
		p, err := r.read()
		if err != nil {
			return errGone
		}
		s.heard.Store(int64(time.Since(s.began)))
		s.sent(p)
		if err := s.owns(); err != nil {
			return err
		}
		if _, err := x.w.send(p, x.up.Idle, time.Now()); err != nil {
			if isTimeout(err) {
				return errUpstream
			}
			return nil
		}
	}
}

// stop ends the client's direction, and the connection to the upstream with it.
func (s *socket) stop() {
	if s.ending.Swap(true) {
		return
	}
	x := s.x
	x.w.c.Close()
	// A connection whose deadline cannot be set is closed, and its reads end too.
	_ = x.k.c.SetReadDeadline(time.Unix(1, 0))
	s.sending.Wait()
}

// finish settles what has not been settled, and then lets the client see the
// end: the one that the upstream gave it, or a broken connection.
func (s *socket) finish(err error) {
	x := s.x
	x.out.over = true
	s.judge(err)
	x.conclude(s.endOf(err), 0)
	s.up.release()
	s.down.release()
	switch {
	case x.gone:
	case errors.Is(err, io.EOF) && s.down.closed:
		x.k.linger()
	default:
		x.k.breakOff()
	}
}
