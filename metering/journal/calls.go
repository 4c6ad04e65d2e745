package journal

import (
	"slices"

	"github.com/weirhq/weir/metering"
)

// calls are the open calls in the order of their intents, which is also the
// order of their instants, so that the oldest one is at the front.
type calls struct {
	bySeq       map[uint64]*openCall
	front, back *openCall
	spare       *openCall // recycled entries, linked by next
	spares      int
}

type openCall struct {
	metering.OpenCall
	seq        uint64
	ending     bool // its fact is on the way or parked
	prev, next *openCall
}

func (c *calls) add(seq uint64, call *metering.Call) {
	o := c.spare
	if o != nil {
		c.spare = o.next
		c.spares--
	} else {
		o = new(openCall)
	}
	*o = openCall{
		OpenCall: metering.OpenCall{ID: call.ID, Org: call.Org, Customer: call.Customer, At: call.At},
		seq:      seq, prev: c.back,
	}
	if c.back == nil {
		c.front = o
	} else {
		c.back.next = o
	}
	c.back = o
	c.bySeq[seq] = o
}

func (c *calls) remove(seq uint64) {
	o := c.bySeq[seq]
	if o == nil {
		return
	}
	delete(c.bySeq, seq)
	if o.prev == nil {
		c.front = o.next
	} else {
		o.prev.next = o.next
	}
	if o.next == nil {
		c.back = o.prev
	} else {
		o.next.prev = o.prev
	}
	const enough = 4096
	*o = openCall{}
	if c.spares < enough {
		o.next = c.spare
		c.spare = o
		c.spares++
	}
}

// marks find the earliest authorisation among facts that the database does not
// have yet. Entries ascend in both fields: a fact with a later sequence number
// and an earlier instant makes those before it irrelevant.
type marks struct{ list []mark }

type mark struct {
	seq uint64
	at  metering.Micros
}

// maxMarks bounds the memory while the database is away. Beyond it neighbours
// are merged, which can only hold the watermark back longer.
const maxMarks = 1 << 16

func (m *marks) add(seq uint64, at metering.Micros) {
	n := len(m.list)
	for n > 0 && m.list[n-1].at >= at {
		n--
	}
	m.list = append(m.list[:n], mark{seq, at})
	if len(m.list) < maxMarks {
		return
	}
	half := m.list[:0]
	for pair := range slices.Chunk(m.list, 2) {
		half = append(half, mark{pair[len(pair)-1].seq, pair[0].at})
	}
	m.list = half
}

func (m *marks) recorded(seq uint64) {
	n, _ := slices.BinarySearchFunc(m.list, seq+1, func(have mark, want uint64) int {
		if have.seq < want {
			return -1
		}
		return 1
	})
	m.list = slices.Delete(m.list, 0, n)
}

// earliest returns the earliest instant, or other if there is none.
func (m *marks) earliest(other metering.Micros) metering.Micros {
	if len(m.list) > 0 && m.list[0].at < other {
		return m.list[0].at
	}
	return other
}
