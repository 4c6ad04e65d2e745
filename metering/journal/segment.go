package journal

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// segment is one file. Sealed ones are never written again.
type segment struct {
	number   int
	path     string
	first    uint64 // first record that counts from here on
	before   uint64 // last fact before first
	lastFact uint64 // of a sealed segment: last fact before the next one
	size     int64

	f      file  // nil once sealed
	limit  int64 // size at which the next one is begun
	broken error // an fdatasync of it failed
}

func segmentPath(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("%06d.wal", number))
}

// listSegments returns the segments of dir in order and removes files that a
// crash left unfinished.
func listSegments(fsys files, dir string) ([]*segment, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list journal segments: %w", err)
	}
	var list []*segment
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if strings.HasSuffix(path, ".tmp") {
			if err := fsys.Remove(path); err != nil {
				return nil, fmt.Errorf("remove unfinished file: %w", err)
			}
			continue
		}
		base, isSegment := strings.CutSuffix(entry.Name(), ".wal")
		if !isSegment {
			continue
		}
		number, err := strconv.Atoi(base)
		if err != nil || number <= 0 || segmentPath(dir, number) != path {
			return nil, &CorruptError{File: path, What: "this is no name of a segment", Remedy: remedyRestore}
		}
		list = append(list, &segment{number: number, path: path})
	}
	slices.SortFunc(list, func(a, b *segment) int { return cmp.Compare(a.number, b.number) })
	for i := 1; i < len(list); i++ {
		if want := list[i-1].number + 1; list[i].number != want {
			return nil, &CorruptError{File: segmentPath(dir, want), What: "the segment is missing between others", Remedy: remedyRestore}
		}
	}
	return list, nil
}

// header is what the first record of a segment says.
type header struct {
	first    uint64
	lastFact uint64
	latest   metering.Micros
	id       metering.ID
	// whole is the last record that was durable before the segment had its name:
	// up to it there is no torn tail, only damage.
	whole uint64
}

func appendHeader(b []byte, h header) []byte {
	b = append(b, magic...)
	return appendRecord(b, &record{
		kind: kindHeader, behind: uint32(h.whole + 1 - h.first),
		seq: h.first, intent: h.lastFact, at: h.latest, id: h.id,
	})
}

// parseHeader reads the head of a segment and returns its size.
func parseHeader(b []byte) (header, int, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return header{}, 0, errors.New("this does not begin like a segment")
	}
	r, n, err := parseRecord(b[len(magic):])
	if err != nil {
		return header{}, 0, fmt.Errorf("segment header: %w", err)
	}
	if r.kind != kindHeader || r.seq == 0 {
		return header{}, 0, errors.New("the segment has no header")
	}
	return header{
		first: r.seq, lastFact: r.intent, latest: r.at, id: r.id,
		whole: r.seq + uint64(r.behind) - 1,
	}, len(magic) + n, nil
}

// errNameUnsure says that a segment has its name, perhaps not for long. The
// one before it must not be written any more, since it may be void from there.
var errNameUnsure = errors.New("the name may not be durable")

// createSegment makes a segment that holds the header and records, durable
// under its name when it returns: until then the segment before it is the
// last one, so that a crash at any instant leaves the records in one of them.
func createSegment(fsys files, dir string, number int, h header, records ...[]byte) (*segment, error) {
	s := &segment{number: number, path: segmentPath(dir, number), first: h.first, before: h.lastFact}
	tmp := s.path + ".tmp"
	f, err := fsys.Create(tmp)
	if err != nil {
		return nil, fmt.Errorf("create journal segment: %w", err)
	}
	for _, part := range append([][]byte{appendHeader(nil, h)}, records...) {
		if err == nil && len(part) > 0 {
			_, err = f.Write(part)
			s.size += int64(len(part))
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = fsys.Rename(tmp, s.path)
	}
	if err != nil {
		return nil, fmt.Errorf("create journal segment: %w", errors.Join(err, f.Close(), fsys.Remove(tmp)))
	}
	if err := fsys.SyncDir(dir); err != nil {
		return nil, fmt.Errorf("create journal segment: %w: %w", errNameUnsure, errors.Join(err, f.Close()))
	}
	s.f = f
	return s, nil
}
