package proxy

import (
	"bufio"
	"net"
	"sync"

	"github.com/valyala/fasthttp"
)

const (
	// smallBuffer holds a few events of a stream; an open one keeps a single one.
	smallBuffer = 4 << 10
	// largeBuffer is what bulk moves in: beyond it a read gets little faster.
	largeBuffer = 32 << 10
	// keptBody is the largest request body whose buffer is used again.
	keptBody = 64 << 10
)

// buffer is a piece of memory that goes back to where it came from.
type buffer struct{ b []byte }

// pools hold what calls use for a while. All zero values are ready for use.
type pools struct {
	small, large, bodies, readers, drafts, exchanges, inflaters, texts sync.Pool
}

// buffer returns one of smallBuffer or largeBuffer bytes.
func (p *pools) buffer(large bool) *buffer {
	pool, size := &p.small, smallBuffer
	if large {
		pool, size = &p.large, largeBuffer
	}
	if b, ok := pool.Get().(*buffer); ok {
		return b
	}
	return &buffer{make([]byte, size)}
}

func (p *pools) release(b *buffer) {
	if b == nil {
		return
	}
	switch b.b = b.b[:cap(b.b)]; len(b.b) {
	case smallBuffer:
		p.small.Put(b)
	case largeBuffer:
		p.large.Put(b)
	}
}

// body returns an empty buffer that may grow.
func (p *pools) body() *buffer {
	if b, ok := p.bodies.Get().(*buffer); ok {
		b.b = b.b[:0]
		return b
	}
	return &buffer{}
}

func (p *pools) releaseBody(b *buffer) {
	if b != nil && cap(b.b) >= smallBuffer && cap(b.b) <= keptBody {
		p.bodies.Put(b)
	}
}

func (p *pools) reader(c net.Conn) *bufio.Reader {
	if r, ok := p.readers.Get().(*bufio.Reader); ok {
		r.Reset(c)
		return r
	}
	return bufio.NewReaderSize(c, smallBuffer)
}

func (p *pools) releaseReader(r *bufio.Reader) {
	if r.Size() == smallBuffer {
		r.Reset(nil)
		p.readers.Put(r)
	}
}

// draft is what a call needs until its answer has begun, and a stream not any
// more: the parsed heads and what is built from them.
type draft struct {
	parsed  fasthttp.RequestHeader
	request []field // of the client
	answer  []field // of the upstream
	head    []byte  // to the upstream
}

func (p *pools) draft() *draft {
	if d, ok := p.drafts.Get().(*draft); ok {
		return d
	}
	d := new(draft)
	d.parsed.DisableNormalizing()
	return d
}

func (p *pools) releaseDraft(d *draft) {
	if cap(d.head) > keptBody {
		return
	}
	clear(d.request)
	clear(d.answer)
	d.request, d.answer, d.head = d.request[:0], d.answer[:0], d.head[:0]
	p.drafts.Put(d)
}

// exchange returns one that knows nothing.
func (p *pools) exchange() *exchange {
	if x, ok := p.exchanges.Get().(*exchange); ok {
		return x
	}
	x := new(exchange)
	x.header = x.answer.header
	return x
}

func (p *pools) releaseExchange(x *exchange) {
	*x = exchange{header: x.header}
	p.exchanges.Put(x)
}
