package journal

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/weirhq/weir/metering"
)

const (
	kindIntent     = 1
	kindCheckpoint = 2
	kindFact       = 3
	kindHeader     = 4

	formatVersion = 1
	magic         = "weirwal\n"

	frameBytes = 8  // length and checksum
	fixedBytes = 48 // from kind to id
	// maxBody bounds a record; the texts in one are bounded far below by those
	// who make them.
	maxBody = 4 << 20
)

var (
	errShort   = errors.New("the record is cut off")
	errSum     = errors.New("the checksum does not match")
	errVersion = errors.New("unknown format version or kind")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record is one record as it stands in a segment. Payload shares memory with
// what it was read from.
type record struct {
	kind    byte
	behind  uint32 // seq minus the last durable one when it was made
	seq     uint64
	intent  uint64
	at      metering.Micros
	id      metering.ID
	payload []byte
}

// appendRecord appends r with its frame to b.
func appendRecord(b []byte, r *record) []byte {
	start := len(b)
	n := fixedBytes + len(r.payload)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	b = append(b, 0, 0, 0, 0, r.kind, formatVersion, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, r.behind)
	b = binary.LittleEndian.AppendUint64(b, r.seq)
	b = binary.LittleEndian.AppendUint64(b, r.intent)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.at))
	b = append(b, r.id[:]...)
	b = append(b, r.payload...)
	seal(b[start:])
	return b
}

// seal sets the checksum of the record that b is.
func seal(b []byte) {
	binary.LittleEndian.PutUint32(b[4:], crc32.Checksum(b[frameBytes:], castagnoli))
}

// parseRecord reads the record at the start of b and returns its size with the
// frame. The error is errShort, errSum or errVersion; with errVersion the
// checksum was right.
func parseRecord(b []byte) (record, int, error) {
	if len(b) < frameBytes {
		return record{}, 0, errShort
	}
	n := int(binary.LittleEndian.Uint32(b))
	if n < fixedBytes || n > maxBody {
		return record{}, 0, errSum
	}
	if len(b) < frameBytes+n {
		return record{}, 0, errShort
	}
	body := b[frameBytes : frameBytes+n]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return record{}, 0, errSum
	}
	if body[1] != formatVersion || body[0] < kindIntent || body[0] > kindHeader {
		return record{}, 0, errVersion
	}
	r := record{
		kind:    body[0],
		behind:  binary.LittleEndian.Uint32(body[4:]),
		seq:     binary.LittleEndian.Uint64(body[8:]),
		intent:  binary.LittleEndian.Uint64(body[16:]),
		at:      metering.Micros(binary.LittleEndian.Uint64(body[24:])),
		payload: body[fixedBytes:],
	}
	copy(r.id[:], body[32:])
	return r, frameBytes + n, nil
}
