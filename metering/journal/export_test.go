package journal

import (
	"log/slog"
	"testing"

	"github.com/weirhq/weir/metering"
)

// Files and File let tests stand between the journal and its directory.
type (
	Files = files
	File  = file
)

// Disk is the real directory.
type Disk = disk

// OpenFiles is Open with every change to the directory going through fs.
func OpenFiles(dir string, o Options, fs Files) (*Journal, error) { return open(dir, o, fs) }

// RoundTrip encodes a fact and reads it back.
func RoundTrip(e *metering.Event) (*metering.Event, error) {
	body, err := appendFact(nil, e)
	if err != nil {
		return nil, err
	}
	return decodeFact(e.Journal, &record{seq: e.FactSeq, intent: e.Seq, at: e.At, id: e.ID, payload: body})
}

// RoundTripIntent encodes an intent and reads it back.
func RoundTripIntent(c *metering.Call) (metering.Call, error) {
	body, err := appendIntent(nil, c)
	if err != nil {
		return metering.Call{}, err
	}
	return decodeIntent(&record{seq: c.Seq, at: c.At, id: c.ID, payload: body})
}

// RecordSizes walks the records of a healthy segment and returns their sizes.
func RecordSizes(t *testing.T, data []byte) (head int, sizes []int) {
	t.Helper()
	_, head, err := parseHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	for off := head; off < len(data); {
		_, n, err := parseRecord(data[off:])
		if err != nil {
			t.Fatalf("record at %d: %v", off, err)
		}
		sizes = append(sizes, n)
		off += n
	}
	return head, sizes
}

// ScanSegment reads bytes as the last segment of a journal and returns the
// facts in them and where the torn tail begins.
func ScanSegment(journal string, data []byte) ([]*metering.Event, int64, error) {
	h, _, err := parseHeader(data)
	if err != nil {
		return nil, 0, err
	}
	var facts []*metering.Event
	s := scanner{path: "x.wal", data: data, head: h}
	end, err := s.run(func(r *record) {
		if r.kind != kindFact {
			return
		}
		if e, err := decodeFact(journal, r); err == nil {
			facts = append(facts, e)
		}
	})
	return facts, end, err
}

// Segment is what a segment holds of calls that each began and ended, the first
// durable ones of them synced before the next began.
func Segment(events []*metering.Event, durable int) ([]byte, error) {
	b := appendHeader(nil, header{first: 1, latest: 1})
	seq, safe := uint64(0), uint64(0)
	add := func(kind byte, e *metering.Event, payload []byte, err error) error {
		seq++
		r := record{kind: kind, behind: uint32(seq - safe), seq: seq, intent: e.Seq, at: e.At, id: e.ID, payload: payload}
		b = appendRecord(b, &r)
		return err
	}
	for i, e := range events {
		e.Seq, e.FactSeq = seq+1, seq+2
		payload, err := appendIntent(nil, &e.Call)
		if err := add(kindIntent, e, payload, err); err != nil {
			return nil, err
		}
		payload, err = appendFact(nil, e)
		if err := add(kindFact, e, payload, err); err != nil {
			return nil, err
		}
		if i < durable {
			safe = seq
		}
	}
	return b, nil
}

// DecodePayload reads bytes as the payload of a fact.
func DecodePayload(b []byte) (*metering.Event, error) {
	return decodeFact("", &record{payload: b})
}

// EncodePayload is the payload of a fact.
func EncodePayload(e *metering.Event) ([]byte, error) { return appendFact(nil, e) }

// Quiet discards what the journal logs.
func Quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Reseal sets the version of the n-th record of a segment and makes its
// checksum right again, as a later release would have written it.
func Reseal(t *testing.T, data []byte, n int, version byte) {
	t.Helper()
	off, sizes := RecordSizes(t, data)
	for i := range n {
		off += sizes[i]
	}
	r, size, err := parseRecord(data[off:])
	if err != nil {
		t.Fatal(err)
	}
	again := appendRecord(nil, &r)
	again[frameBytes+1] = version
	seal(again)
	copy(data[off:off+size], again)
}

// DecodeExtended reads e back from what a later release may write: its payload
// with unknown fields of every form and an unknown section.
func DecodeExtended(e *metering.Event) (*metering.Event, error) {
	extended := func(s *section) {
		for number := byte(maxField - 3); number <= maxField; number++ {
			s.b = append(s.b, number<<2|formTrue, number<<2|formNumber, 0xff, 0x01, number<<2|formShort, 2, 'h', 'i')
			start := s.open(number)
			s.b = append(s.b, "later"...)
			s.close(start)
		}
	}
	s := begun(nil)
	extended(&s)
	s.event(e)
	b, err := s.ended(0)
	if err != nil {
		return nil, err
	}
	start := len(b)
	s = begun(b)
	s.usage(&e.Usage)
	extended(&s)
	if b, err = s.ended(start); err != nil {
		return nil, err
	}
	b = append(b, 3, 0, 0, 0, 'n', 'e', 'w')
	return decodeFact(e.Journal, &record{seq: e.FactSeq, intent: e.Seq, at: e.At, id: e.ID, payload: b})
}
