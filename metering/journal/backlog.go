package journal

const (
	blockBytes  = 256 << 10
	spareBlocks = 16
)

// backlog is a copy of what was written and is not durable, in order, so that
// it can be written again elsewhere. It grows without moving what it has.
type backlog struct {
	blocks [][]byte // each full but the last
	size   int
}

func (l *backlog) add(p []byte, free *blocks) {
	l.size += len(p)
	for len(p) > 0 {
		last := len(l.blocks) - 1
		if last < 0 || len(l.blocks[last]) == cap(l.blocks[last]) {
			l.blocks = append(l.blocks, free.take())
			last++
		}
		block := l.blocks[last]
		n := min(len(p), cap(block)-len(block))
		l.blocks[last] = append(block, p[:n]...)
		p = p[n:]
	}
}

// follow puts what m holds behind what l holds; m is empty then.
func (l *backlog) follow(m *backlog, free *blocks) {
	for _, block := range m.blocks {
		l.add(block, free)
	}
	m.clear(free)
}

// clear forgets everything.
func (l *backlog) clear(free *blocks) {
	for i, block := range l.blocks {
		free.give(block)
		l.blocks[i] = nil
	}
	l.blocks, l.size = l.blocks[:0], 0
}

// blocks are recycled memory, bounded so that a stall does not hold what it
// needed for ever.
type blocks struct{ list [][]byte }

func (f *blocks) take() []byte {
	n := len(f.list)
	if n == 0 {
		return make([]byte, 0, blockBytes)
	}
	block := f.list[n-1]
	f.list[n-1] = nil
	f.list = f.list[:n-1]
	return block
}

func (f *blocks) give(block []byte) {
	if len(f.list) < spareBlocks {
		f.list = append(f.list, block[:0])
	}
}
