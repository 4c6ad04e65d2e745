package journal

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/weirhq/weir/metering"
)

// span is the part of a segment that counts.
type span struct {
	path        string
	number      int
	first, last uint64
}

// reader reads facts back from segments. It remembers where it stopped, since
// it is asked for one stretch after the other.
type reader struct {
	mu     sync.Mutex
	f      *os.File
	in     *bufio.Reader
	number int
	offset int64
	next   uint64 // record at offset
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.f == nil {
		return nil
	}
	err := r.f.Close()
	r.f = nil
	return err
}

// facts returns up to max facts after the position.
func (r *reader) facts(spans []span, journal string, after uint64, max int) ([]*metering.Event, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*metering.Event
	for _, s := range spans {
		if err := r.seek(s, after); err != nil {
			return nil, fmt.Errorf("read facts after %d: %w", after, err)
		}
		var err error
		if out, err = r.read(s, journal, after, max, out); err != nil {
			return nil, fmt.Errorf("read facts after %d: %w", after, err)
		}
		if len(out) >= max {
			break
		}
	}
	return out, nil
}

// seek goes to where it stopped if that is in s and not too far, else to the
// first record of s.
func (r *reader) seek(s span, after uint64) error {
	if r.f != nil && r.number == s.number && r.next <= after+1 {
		return nil
	}
	if r.f != nil {
		if err := r.f.Close(); err != nil {
			return err
		}
		r.f = nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	head := make([]byte, len(magic)+frameBytes+fixedBytes)
	_, err = io.ReadFull(f, head)
	if err == nil {
		_, _, err = parseHeader(head)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.f, r.number, r.offset, r.next = f, s.number, int64(len(head)), s.first
	return nil
}

func (r *reader) read(s span, journal string, after uint64, max int, out []*metering.Event) ([]*metering.Event, error) {
	if r.in == nil {
		r.in = bufio.NewReaderSize(nil, 256<<10)
	}
	in := r.in
	in.Reset(io.NewSectionReader(r.f, r.offset, 1<<62))
	defer in.Reset(nil)
	var buf []byte
	for r.next <= s.last && len(out) < max {
		head, err := in.Peek(frameBytes)
		if err != nil {
			return nil, r.damaged(s, errShort)
		}
		size := frameBytes + bodyLength(head)
		if size > frameBytes+maxBody {
			return nil, r.damaged(s, errSum)
		}
		if cap(buf) < size {
			buf = make([]byte, size)
		}
		buf = buf[:size]
		if _, err := io.ReadFull(in, buf); err != nil {
			return nil, r.damaged(s, errShort)
		}
		rec, _, err := parseRecord(buf)
		if err != nil || rec.seq != r.next {
			return nil, r.damaged(s, errSum)
		}
		if rec.kind == kindFact && rec.seq > after {
			e, err := decodeFact(journal, &rec)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		r.offset += int64(size)
		r.next++
	}
	return out, nil
}

func (r *reader) damaged(s span, err error) error {
	return &CorruptError{File: s.path, Offset: r.offset, What: fmt.Sprintf("record %d: %v", r.next, err), Remedy: remedyRestore}
}
