package journal

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/weirhq/weir/metering"
)

// orphan is a call without a fact.
type orphan struct {
	intent     record
	checkpoint record // kind 0: there is none
}

// recovery is what the segments say.
type recovery struct {
	next    uint64 // expected next record
	latest  metering.Micros
	last    uint64 // last fact
	orphans map[uint64]*orphan
	marks   *marks
}

func (v *recovery) visit(r *record) {
	v.next = r.seq + 1
	v.latest = max(v.latest, r.at)
	switch r.kind {
	case kindIntent:
		v.orphans[r.seq] = &orphan{intent: *r}
	case kindCheckpoint:
		if o := v.orphans[r.intent]; o != nil {
			o.checkpoint = *r
		}
	case kindFact:
		delete(v.orphans, r.intent)
		v.last = r.seq
		v.marks.add(r.seq, r.at)
	}
}

// own copies the payloads of calls that are still open, so that the segment
// they came from can be freed.
func (v *recovery) own() {
	for _, o := range v.orphans {
		o.intent.payload = slices.Clone(o.intent.payload)
		o.checkpoint.payload = slices.Clone(o.checkpoint.payload)
	}
}

// recover reads the directory and makes the journal ready to be written.
func (j *Journal) recover() error {
	var err error
	if j.clock, j.latest, err = openClock(j.dir); err != nil {
		return err
	}
	list, err := listSegments(j.fs, j.dir)
	if err != nil {
		return err
	}
	if j.id, err = identity(j.fs, j.dir, len(list) == 0); err != nil {
		return err
	}
	j.name = hex.EncodeToString(j.id[:])
	v := &recovery{next: 1, orphans: make(map[uint64]*orphan), marks: &j.marks}
	if err := j.scan(list, v); err != nil {
		return err
	}
	j.latest = max(j.latest, v.latest)
	j.next, j.written, j.durable = v.next, v.next-1, v.next-1
	j.lastFact, j.safeFact, j.tail.from = v.last, v.last, v.last
	orphans, err := j.crashed(v.orphans)
	if err != nil {
		return err
	}
	return j.resume(list, orphans)
}

// scan reads all segments. A torn tail of the last one is cut off.
func (j *Journal) scan(list []*segment, v *recovery) error {
	heads := make([]header, len(list))
	for i, seg := range list {
		h, err := readHeader(seg.path)
		if err == nil && h.id != j.id {
			err = fmt.Errorf("the segment belongs to journal %x, this is %x", h.id[:], j.id[:])
		}
		if err == nil && i > 0 && h.first < heads[i-1].first {
			err = fmt.Errorf("the segment begins with record %d, before the one that precedes it", h.first)
		}
		if err != nil {
			return headerDamage(seg.path, err)
		}
		heads[i], seg.first, seg.before = h, h.first, h.lastFact
	}
	for i, seg := range list {
		if i == 0 {
			v.next, v.last = heads[0].first, heads[0].lastFact
		}
		v.latest = max(v.latest, heads[i].latest)
		data, err := os.ReadFile(seg.path)
		if err != nil {
			return fmt.Errorf("read journal segment: %w", err)
		}
		seg.size = int64(len(data))
		s := scanner{path: seg.path, data: data, head: heads[i]}
		if i+1 < len(list) {
			s.until = heads[i+1].first
		}
		end, err := s.run(v.visit)
		if err != nil {
			return err
		}
		seg.lastFact = v.last
		v.own()
		if i+1 == len(list) {
			if err := j.cut(seg, end); err != nil {
				return err
			}
		}
	}
	return nil
}

// cut removes the torn tail of the last segment and makes the rest durable:
// the segment after it will say that everything before it is there.
func (j *Journal) cut(seg *segment, end int64) error {
	if end < seg.size {
		j.log.Warn("cutting off the torn tail of the journal",
			"file", seg.path, "at", end, "bytes", seg.size-end)
		if err := j.fs.Truncate(seg.path, end); err != nil {
			return fmt.Errorf("cut torn tail of the journal: %w", err)
		}
		seg.size = end
	}
	if err := j.fs.Sync(seg.path); err != nil {
		return fmt.Errorf("sync last journal segment: %w", err)
	}
	return nil
}

// crashed makes the facts of calls that the last process left open.
func (j *Journal) crashed(orphans map[uint64]*orphan) ([]*metering.Event, error) {
	seqs := slices.Sorted(maps.Keys(orphans))
	facts := make([]*metering.Event, 0, len(seqs))
	for _, seq := range seqs {
		o := orphans[seq]
		call, err := decodeIntent(&o.intent)
		if err != nil {
			return nil, fmt.Errorf("settle open call: %w", err)
		}
		e := &metering.Event{Call: call, Name: cmp.Or(call.EventName, metering.EventLLM), Outcome: metering.OutcomeCrashed, Journal: j.ID()}
		if o.checkpoint.kind != 0 {
			if e.Usage, err = decodeCheckpoint(&o.checkpoint); err != nil {
				return nil, fmt.Errorf("settle open call: %w", err)
			}
		}
		e.Usage.State = metering.UsageUnknown
		facts = append(facts, e)
	}
	return facts, nil
}

// resume begins a segment and settles the orphans. Where there is no room for
// a segment but there are others, the journal opens without being writable: it
// can be shipped, which makes room.
func (j *Journal) resume(list []*segment, orphans []*metering.Event) error {
	number := 1
	if len(list) > 0 {
		number = list[len(list)-1].number + 1
	}
	h := header{first: j.next, lastFact: j.lastFact, latest: j.latest, id: j.id, whole: j.written}
	seg, err := createSegment(j.fs, j.dir, number, h)
	if err != nil && len(list) == 0 {
		return err
	}
	for _, e := range orphans {
		j.calls.add(e.Seq, &e.Call)
		j.calls.bySeq[e.Seq].ending = true
	}
	if err != nil {
		j.sealed, j.seg = list[:len(list)-1], list[len(list)-1]
		j.seg.broken, j.parked = err, orphans
		j.goDown(err, j.newBatch())
		return nil
	}
	seg.limit = j.limit
	j.sealed, j.seg = list, seg
	j.mu.Lock()
	defer j.mu.Unlock()
	for some := range slices.Chunk(orphans, 256) {
		if err := j.writeFacts(some); err != nil {
			return fmt.Errorf("settle open calls: %w", err)
		}
	}
	if len(orphans) > 0 {
		j.log.Warn("settled calls that the last process left open", "calls", len(orphans))
	}
	return nil
}
