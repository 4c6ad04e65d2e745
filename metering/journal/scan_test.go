package journal_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// smallCalls are calls whose records are small, so that what fuzzing keeps is
// small too: it spends the time that it does not need for minimizing.
func smallCalls(n int) []*metering.Event {
	events := make([]*metering.Event, n)
	for i := range events {
		e := &metering.Event{Journal: "j"}
		e.ID, e.At = metering.ID{1, byte(i + 1)}, metering.Micros(i+1)
		e.Customer, e.Usage.Total = "c", int64(i+1)
		events[i] = e
	}
	return events
}

func segmentOf(t testing.TB, events []*metering.Event, durable int) []byte {
	t.Helper()
	data, err := journal.Segment(events, durable)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// prefix reports whether got is the beginning of want.
func prefix(got, want []*metering.Event) bool {
	return len(got) <= len(want) && slices.EqualFunc(got, want[:len(got)], equal)
}

// FuzzScan: no bytes make the reader panic or invent a fact.
func FuzzScan(f *testing.F) {
	events := smallCalls(2)
	data := segmentOf(f, events, 1)
	f.Add(data)
	f.Add(data[:len(data)-3])
	f.Add(data[:64])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 4096 {
			return
		}
		got, end, err := journal.ScanSegment("j", b)
		if err == nil && end > int64(len(b)) {
			t.Errorf("the records end at %d of %d bytes", end, len(b))
		}
		if err == nil && !prefix(got, events) {
			t.Errorf("read facts that were never written: %+v", got)
		}
	})
}

// FuzzDamage: damage of any kind leaves a beginning of what was written or is
// refused, and what was durable is never taken for torn.
func FuzzDamage(f *testing.F) {
	const durable = 2
	events := smallCalls(5)
	whole := segmentOf(f, events, durable)
	f.Add(byte(0), uint16(100), uint16(1), byte(255))
	f.Add(byte(1), uint16(512), uint16(512), byte(0))
	f.Add(byte(2), uint16(700), uint16(0), byte(0))
	f.Add(byte(3), uint16(64), uint16(150), byte(0))
	f.Add(byte(4), uint16(300), uint16(50), byte(0))
	f.Fuzz(func(t *testing.T, how byte, at, n uint16, v byte) {
		from := int(at) % len(whole)
		to := min(len(whole), from+int(n))
		data := slices.Clone(whole)
		switch how % 5 {
		case 0:
			for i := from; i < to; i++ {
				data[i] ^= v
			}
		case 1:
			clear(data[from:to])
		case 2:
			data = data[:from]
		case 3:
			data = slices.Insert(data, to, data[from:to]...)
		case 4:
			data = slices.Delete(data, from, to)
		}
		got, _, err := journal.ScanSegment("j", data)
		if err != nil {
			return
		}
		if !prefix(got, events) {
			t.Fatalf("read facts that were never written: %+v", got)
		}
		// A record behind the damage attests what was durable, if any is left.
		if len(got) < durable && bytes.HasSuffix(data, whole[len(whole)-200:]) {
			t.Errorf("%d facts are left of %d durable ones", len(got), durable)
		}
	})
}

// FuzzPayload: what can be read can be written and reads the same.
func FuzzPayload(f *testing.F) {
	one := smallCalls(1)[0]
	one.Tags = []metering.Tag{{Name: "a", Value: "b"}}
	one.Usage.Tokens[3] = 5
	one.Usage.Flags = []metering.Flag{"f"}
	for _, e := range append(smallCalls(1), one) {
		payload, err := journal.EncodePayload(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		first, err := journal.DecodePayload(b)
		if err != nil || len(b) > 4096 {
			return
		}
		again, err := journal.EncodePayload(first)
		if err != nil {
			t.Fatalf("encode %+v: %v", first, err)
		}
		second, err := journal.DecodePayload(again)
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		if !equal(first, second) {
			t.Errorf("it changes (-first +second):\n%s", cmp.Diff(first, second))
		}
	})
}

// The time to find out that a tail holds no record is bounded by its length:
// with a search that hashes at each byte what could be a length, these took
// minutes.
func TestScan_LongTailOfGarbage(t *testing.T) {
	t.Parallel()
	events := smallCalls(3)
	whole := segmentOf(t, events, 3)
	random := make([]byte, 8<<20)
	source := rand.NewChaCha8([32]byte{1})
	if _, err := source.Read(random); err != nil {
		t.Fatal(err)
	}
	lengths := bytes.Repeat([]byte{0, 0, 32, 0}, 2<<20)
	// At every other byte the frame of a record that could be meant, whose
	// length reaches far.
	frames := bytes.Repeat([]byte{0, 1}, 4<<20)
	for i := 0; i+64 < len(frames); i += 64 {
		binary.LittleEndian.PutUint32(frames[i:], 3<<20)
		clear(frames[i+8 : i+16])
		binary.LittleEndian.PutUint64(frames[i+16:], uint64(7+i/64))
	}
	for name, c := range map[string]struct {
		tail []byte
		torn bool
	}{
		"zeros": {make([]byte, 8<<20), true}, "random": {random, true}, "lengths": {lengths, true}, "frames": {frames, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, end, err := journal.ScanSegment("j", append(slices.Clone(whole), c.tail...))
			if !c.torn {
				wantCorrupt(t, err)
				return
			}
			if err != nil || len(got) != 3 || end != int64(len(whole)) {
				t.Errorf("%d facts, torn at %d of %d: %v", len(got), end, len(whole), err)
			}
		})
	}
}
