package proxy

// maxMessage is the largest message that is shown to a session, in bytes; of a
// compressed one both before and after.
const maxMessage = 32 << 20

// messages reads the messages of one direction of a socket off its bytes, which
// may be cut anywhere. It changes none of them, and holds no more than the
// message that is passing.
type messages struct {
	pools   *pools
	deflate bool    // messages may be compressed
	window  *window // what compressed messages refer back to; nil: to nothing

	frame      frame
	open       bool // a message has begun and its last frame has not ended
	binary     bool
	compressed bool
	large      bool    // it is too large to be held
	body       *buffer // what has come of it, unmasked

	count  int64 // messages that have ended
	missed bool  // one of them, at least, could not be read
	blind  bool  // no message can be read any more, only frames
	closed bool  // a close frame has ended: nothing follows
	err    error // not even frames can be read any more
}

// read takes the next bytes and calls show for every message that they end. nil
// means that messages are only counted.
func (m *messages) read(p []byte, show func(p []byte, binary bool)) {
	for len(p) > 0 && !m.closed && m.err == nil {
		if !m.frame.begun {
			used, err := m.frame.header(p)
			p = p[used:]
			if err == nil && m.frame.begun {
				err = m.begin()
			}
			if err != nil {
				m.fail(err)
				return
			}
			if !m.frame.begun || m.frame.left > 0 {
				continue
			}
		}
		n := int(min(m.frame.left, uint64(len(p))))
		m.frame.left -= uint64(n)
		m.payload(p[:n], show)
		p = p[n:]
	}
}

// begin checks that a frame may come where it does.
func (m *messages) begin() error {
	f := &m.frame
	switch {
	case f.op >= opClose:
		return nil
	case (f.op == opContinuation) != m.open:
		return errFrames
	case f.compressed && (m.open || !m.deflate && !m.blind):
		return errFrames
	case !m.open:
		m.open, m.binary, m.compressed = true, f.op == opBinary, f.compressed
	}
	return nil
}

// payload takes bytes of the frame that is passing, and its end with the last
// ones.
func (m *messages) payload(p []byte, show func(p []byte, binary bool)) {
	f := &m.frame
	data, ended := f.op < opClose, f.left == 0
	last := data && ended && f.fin
	switch {
	case !data:
	case show == nil, m.blind:
		m.missed = m.missed || m.blind
		if last {
			m.count++
			m.open = false
		}
	case last && m.body == nil && !f.masked && !m.large:
		m.end(p, show) // whole, and as it is: it needs not be held
	default:
		m.hold(p)
		if last {
			m.end(m.body.bytes(), show)
		}
	}
	if ended {
		m.closed = m.closed || f.op == opClose
		m.frame = frame{}
	}
}

// hold keeps bytes of a message.
func (m *messages) hold(p []byte) {
	if m.body == nil {
		m.body = m.pools.body()
	}
	if m.large = m.large || len(m.body.b)+len(p) > maxMessage; m.large {
		m.body.b = nil
		return
	}
	at := len(m.body.b)
	m.body.b = append(m.body.b, p...)
	m.frame.unmask(m.body.b[at:])
}

// end shows a message that is whole.
func (m *messages) end(p []byte, show func(p []byte, binary bool)) {
	m.count++
	switch {
	case m.large:
		m.missed = true
		m.blind = m.compressed && m.window != nil // what follows may refer to it
	case m.compressed:
		m.inflate(p, show)
	default:
		show(p, m.binary)
	}
	m.pools.releaseBody(m.body)
	m.body, m.open, m.large = nil, false, false
}

func (m *messages) inflate(p []byte, show func(p []byte, binary bool)) {
	plain := m.pools.body()
	defer m.pools.releaseBody(plain)
	if err := m.pools.inflate(plain, p, m.window); err != nil {
		m.missed, m.blind = true, m.window != nil
		return
	}
	m.window.slide(plain.b)
	show(plain.b, m.binary)
}

// fail gives up what follows: the bytes pass, but nobody reads them.
func (m *messages) fail(err error) {
	m.err, m.missed = err, true
	m.release()
}

// release gives back what is held.
func (m *messages) release() {
	m.pools.releaseBody(m.body)
	m.body = nil
}
