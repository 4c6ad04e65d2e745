package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

func bodyLength(frame []byte) int { return int(binary.LittleEndian.Uint32(frame)) }

func readHeader(path string) (header, error) {
	f, err := os.Open(path)
	if err != nil {
		return header{}, err
	}
	b := make([]byte, len(magic)+frameBytes+fixedBytes)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return header{}, errors.Join(err, f.Close())
	}
	h, _, err := parseHeader(b[:n])
	return h, errors.Join(err, f.Close())
}

// headerDamage is what a bad header means. It is durable before the segment
// has its name, so no crash can tear it.
func headerDamage(path string, err error) error {
	remedy := remedyRestore
	if errors.Is(err, errVersion) {
		remedy = remedyRelease
	}
	return &CorruptError{File: path, What: err.Error(), Remedy: remedy}
}

// scanner reads one whole segment.
type scanner struct {
	path  string
	data  []byte
	head  header
	until uint64 // first record of the next segment; 0: this is the last one
}

// run visits the records that count and returns where they end. What is behind
// that is a torn tail if this is the last segment, and void if it is not.
func (s *scanner) run(visit func(*record)) (int64, error) {
	off := len(magic) + frameBytes + fixedBytes
	next := s.head.first
	for s.until == 0 || next < s.until {
		if off == len(s.data) && s.until == 0 {
			return int64(off), nil
		}
		r, n, err := parseRecord(s.data[off:])
		if err == nil && (r.seq != next || r.kind == kindHeader) {
			err = fmt.Errorf("there is record %d", r.seq)
			return 0, s.damaged(off, next, err)
		}
		if err != nil {
			if s.torn(off, next, err) {
				return int64(off), nil
			}
			return 0, s.damaged(off, next, err)
		}
		visit(&r)
		off += n
		next++
	}
	return int64(off), nil
}

func (s *scanner) damaged(off int, next uint64, err error) error {
	remedy := remedyRestore
	if errors.Is(err, errVersion) {
		remedy = remedyRelease
	}
	return &CorruptError{File: s.path, Offset: int64(off), What: fmt.Sprintf("record %d is expected: %v", next, err), Remedy: remedy}
}

// torn reports whether damage at off, where record next should be, is what a
// crash leaves: the end of the last segment, not known to be durable. A power
// loss may keep a later page and lose an earlier one; it is taken for that
// only if no later record attests that this one was durable, and a sector
// where the record was is zero, from where the durable records end.
func (s *scanner) torn(off int, next uint64, err error) bool {
	if s.until != 0 || next <= s.head.whole || errors.Is(err, errVersion) {
		return false
	}
	at, later := s.nextValid(off+1, next)
	if at < 0 {
		return true
	}
	return later.seq-uint64(later.behind) < next && hole(s.data[:at], off)
}

// nextValid finds the next whole record that could follow, and returns -1 if
// there is none.
func (s *scanner) nextValid(from int, next uint64) (int, record) {
	for at := from; at+frameBytes+fixedBytes <= len(s.data); at++ {
		b := s.data[at:]
		n := bodyLength(b)
		if n < fixedBytes || n > maxBody || n > len(b)-frameBytes ||
			b[frameBytes] < kindIntent || b[frameBytes] > kindFact {
			continue
		}
		if r, _, err := parseRecord(b); err == nil && r.seq >= next {
			return at, r
		}
	}
	return -1, record{}
}

// hole reports whether data has a sector that is zero from off on, which is
// what a lost one looks like: it still has what was durable before off.
func hole(data []byte, off int) bool {
	const sector = 512
	for end := (off/sector + 1) * sector; end <= len(data); end += sector {
		if isZero(data[max(off, end-sector):end]) {
			return true
		}
	}
	return false
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
