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
	at, later, err := s.nextValid(off+1, next)
	switch {
	case err != nil:
		return false
	case at < 0:
		return true
	}
	return later.seq-uint64(later.behind) < next && hole(s.data[:at], off)
}

var errUnclear = errors.New("too much looks like records and is none")

// nextValid finds the next whole record that could follow, and returns -1 if
// there is none. It computes a checksum only where a record that could be meant
// begins, and gives up when it has read the segment a few times over.
func (s *scanner) nextValid(from int, next uint64) (int, record, error) {
	budget := 4*len(s.data) + maxBody
	const far = 1 << 32 // no segment has so many records
	for at := from; at+frameBytes+fixedBytes <= len(s.data); at++ {
		b := s.data[at:]
		n := bodyLength(b)
		if n < fixedBytes || n > maxBody || n > len(b)-frameBytes {
			continue
		}
		body := b[frameBytes:]
		seq := binary.LittleEndian.Uint64(body[8:])
		if body[2] != 0 || body[3] != 0 || seq < next || seq-next > far {
			continue
		}
		if budget -= n; budget < 0 {
			return 0, record{}, errUnclear
		}
		r, _, err := parseRecord(b)
		switch {
		case errors.Is(err, errVersion):
			return 0, record{}, err
		case err == nil && r.kind != kindHeader:
			return at, r, nil
		}
	}
	return -1, record{}, nil
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
