package proxy

import (
	"errors"
	"io"
	"syscall"
	"time"

	"github.com/weirhq/weir/metering/dialect"
)

// upload reads a request body off the client, and no byte of what follows it.
type upload struct {
	k       *client
	framing framing
	left    int64 // of a body byLength
	chunks  chunked
	limit   int64 // most bytes of body; 0: no limit
	seen    int64 // bytes of body read
	done    bool
	outline outline                  // of what is not held
	form    *dialect.MultipartFields // instead, of a form; nil: it is none

	references *dialect.ReferenceReader // nil: the body names no objects, or they do not matter
}

func (u *upload) begin(x *exchange) {
	*u = upload{k: x.k, framing: x.req.framing, left: x.req.length, limit: x.s.o.MaxBody}
	if !x.opaque() {
		u.form = dialect.NewMultipartFields(known(x.req.contentType))
	}
	if x.observed() {
		u.limit = 0
	}
}

// arm moves the deadline on where a read may have to wait. One that has been read
// with the head must not: setting it back costs as much again.
func (u *upload) arm() error {
	if u.framing == byLength && u.k.r.Buffered() > 0 {
		return nil // nothing will be waited for
	}
	return u.k.arm(bodyLimit)
}

// read returns body bytes as they come. It returns no bytes and no error only
// at the end.
func (u *upload) read(p []byte) (n int, err error) {
	for n == 0 && !u.done {
		if err := u.arm(); err != nil {
			return 0, err
		}
		if u.framing == byLength {
			n, err = u.k.r.Read(p[:min(int64(len(p)), u.left)])
			u.left -= int64(n)
			u.done = u.left == 0
		} else {
			n, err = u.chunk(p)
		}
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return n, err
		}
	}
	if u.seen += int64(n); u.limit > 0 && u.seen > u.limit {
		return n, errTooLarge
	}
	return n, nil
}

// chunk reads and decodes what is there of a chunked body.
func (u *upload) chunk(p []byte) (int, error) {
	if _, err := u.k.r.Peek(1); err != nil {
		return 0, err
	}
	have, err := u.k.r.Peek(u.k.r.Buffered())
	if err != nil {
		return 0, err
	}
	n, used, err := u.chunks.decode(p[:copy(p, have)])
	if err != nil {
		return 0, err
	}
	if _, err := u.k.r.Discard(used); err != nil {
		return 0, err
	}
	u.done = u.chunks.finished
	return n, nil
}

// hold reads the body into b until it ends or is longer than most bytes. Of one
// that says so beforehand it reads nothing. Memory grows with what has come, not
// with what was announced.
func (u *upload) hold(b *buffer, most int64) error {
	if u.framing == byLength && u.left > most {
		return nil
	}
	for !u.done && int64(len(b.b)) <= most {
		if len(b.b) == cap(b.b) {
			size := max(2*cap(b.b), smallBuffer)
			if u.framing == byLength {
				size = min(size, len(b.b)+int(u.left))
			}
			grown := make([]byte, len(b.b), size)
			copy(grown, b.b)
			b.b = grown
		}
		n, err := u.read(b.b[len(b.b):cap(b.b)])
		b.b = b.b[:len(b.b)+n]
		if err != nil {
			return err
		}
	}
	return nil
}

// see reads what is decided on at the end.
func (u *upload) see(p []byte) {
	u.feed(p)
	if u.references != nil {
		u.references.Feed(p)
	}
}

// upload sends the request body on as it comes. Its last byte is kept back until
// the call has been decided on, so that the upstream cannot have begun before.
func (x *exchange) upload() *refusal {
	u := x.stream
	buf := x.s.pools.buffer(true)
	defer x.s.pools.release(buf)
	p := parcel{x: x, b: buf.b, chunked: u.framing == byChunks}
	held := x.body.b
	u.see(held)
	for len(held) > 0 {
		n := copy(p.room(), held)
		held = held[n:]
		if err := p.post(n); err != nil {
			return x.sendFailed(err)
		}
	}
	for !u.done {
		n, err := u.read(p.room())
		if err != nil {
			x.w.dead = true
			if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
				x.leave()
			}
			return uploadFailed(err)
		}
		u.see(p.room()[:n])
		if err := p.post(n); err != nil {
			return x.sendFailed(err)
		}
	}
	x.unread = false
	if f := x.verdict(u); f != nil {
		x.w.dead = true
		return f
	}
	if err := p.last(); err != nil {
		return x.sendFailed(err)
	}
	return nil
}

// feed shows a piece of the body to whoever looks for what it asks for.
func (u *upload) feed(p []byte) {
	if u.form != nil {
		u.form.Feed(p)
		return
	}
	u.outline.feed(p)
}

// asks is a document that says of a body what a dialect reads of it. It is not ok
// if that cannot be told. What is no form, or one that readers may understand
// differently, says nothing: its model is unknown, which a key that may call only
// some models is not allowed.
func (u *upload) asks() (body []byte, ok bool) {
	if u.form == nil {
		return u.outline.document()
	}
	body, _ = u.form.Form()
	return body, true
}

// parcel sends pieces of a body, each but for its last byte, which goes with the
// next one.
type parcel struct {
	x       *exchange
	b       []byte
	chunked bool
	kept    int // 0 or 1 byte, at b[sizeLine]
}

// room is where the next piece is to be put.
func (p *parcel) room() []byte { return p.b[sizeLine+p.kept : len(p.b)-2] }

// post sends what is in the first n bytes of room, but for the last byte.
func (p *parcel) post(n int) error {
	total := p.kept + n
	if total == 0 {
		return nil
	}
	end := sizeLine + total - 1
	last := p.b[end]
	p.kept = 1
	err := p.send(total - 1)
	p.b[sizeLine] = last
	return err
}

// last sends the byte that was kept, and the end of the body.
func (p *parcel) last() error {
	if err := p.send(p.kept); err != nil || !p.chunked {
		return err
	}
	_, err := p.x.w.send(appendLast(nil, p.x.stream.chunks.kept), p.x.up.Idle, time.Now())
	return err
}

func (p *parcel) send(n int) error {
	if n == 0 {
		return nil
	}
	out := p.b[sizeLine : sizeLine+n]
	if p.chunked {
		at := sizeBefore(p.b, sizeLine, n)
		p.b[sizeLine+n], p.b[sizeLine+n+1] = '\r', '\n'
		out = p.b[at : sizeLine+n+2]
	}
	_, err := p.x.w.send(out, p.x.up.Idle, time.Now())
	return err
}
