package journal_test

import (
	"hash/maphash"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// volume is what a trace of changes has made of a directory, and how much of
// it is known to be on the medium.
type volume struct {
	dir     string           // base name of the directory
	names   map[string]*node // as the process sees them
	durable map[string]*node // as of the last sync of the directory
	changes []change         // since then, in order
	created map[int]*node    // by creation
	now     int              // changes so far
}

// change gives a name to a node, takes one away, or both.
type change struct {
	node     *node
	from, to string
}

func (c change) apply(names map[string]*node) {
	if names[c.from] == c.node {
		delete(names, c.from)
	}
	if c.to != "" {
		names[c.to] = c.node
	}
}

// node is the content of a file.
type node struct {
	durable []byte
	pending []op // writes and truncations that no sync has confirmed
	touched int  // the change that added the last one
	// lost is set once a sync failed: the kernel may have dropped what was
	// pending, and no later sync that succeeds brings it back.
	lost bool
}

func newVolume(dir string) *volume {
	return &volume{dir: dir, names: make(map[string]*node), durable: make(map[string]*node), created: make(map[int]*node)}
}

func (n *node) apply(ops []op) []byte {
	content := slices.Clone(n.durable)
	for _, o := range ops {
		content = applyData(content, o)
	}
	return content
}

func applyData(content []byte, o op) []byte {
	if o.kind == opWrite {
		return append(content, o.data...)
	}
	return content[:min(o.size, int64(len(content)))]
}

// apply replays one change.
func (v *volume) apply(o op) {
	v.now++
	switch o.kind {
	case opCreate:
		n := new(node)
		v.created[o.file] = n
		v.change(change{node: n, to: o.path})
	case opWrite:
		n := v.created[o.file]
		n.pending, n.touched = append(n.pending, o), v.now
	case opTruncate:
		n := v.names[o.path]
		n.pending, n.touched = append(n.pending, o), v.now
	case opSync:
		n := v.created[o.file]
		if o.file < 0 {
			n = v.names[o.path]
		}
		n.lost = n.lost || o.failed
		if !n.lost {
			n.durable, n.pending = n.apply(n.pending), nil
		}
	case opRename:
		v.change(change{node: v.names[o.path], from: o.path, to: o.to})
	case opRemove:
		v.change(change{node: v.names[o.path], from: o.path})
	case opSyncDir:
		if o.path == v.dir && !o.failed {
			v.durable, v.changes = maps.Clone(v.names), nil
		}
	}
}

func (v *volume) change(c change) {
	c.apply(v.names)
	v.changes = append(v.changes, c)
}

// namings lists every set of names that a power loss may leave: the durable
// ones with any part of the later changes, in order. Of a long list only the
// last few may each be missing alone.
func (v *volume) namings() []map[string]*node {
	const loose = 4
	var all []map[string]*node
	sure := max(0, len(v.changes)-loose)
	for part := range 1 << (len(v.changes) - sure) {
		names := maps.Clone(v.durable)
		for i, c := range v.changes {
			if i < sure || part&(1<<(i-sure)) != 0 {
				c.apply(names)
			}
		}
		all = append(all, names)
	}
	return all
}

const sector = 512

// contents lists what a power loss may leave of a file: any prefix of what was
// pending, with the last write torn, with zeros where the size had reached the
// medium and the data had not, and with any one sector or page missing.
func (n *node) contents() [][]byte {
	if len(n.pending) == 0 {
		return [][]byte{n.durable}
	}
	var all [][]byte
	for i := range len(n.pending) + 1 {
		whole := n.apply(n.pending[:i])
		all = append(all, whole)
		if i == len(n.pending) || n.pending[i].kind != opWrite {
			continue
		}
		data := n.pending[i].data
		for _, cut := range tears(len(whole), len(data)) {
			torn := append(slices.Clone(whole), data[:cut]...)
			all = append(all, torn, append(slices.Clone(torn), make([]byte, len(data)-cut)...))
		}
	}
	latest := n.apply(n.pending)
	kept := min(len(n.durable), len(latest))
	for _, unit := range []int{sector, 8 * sector} {
		for at := kept / unit * unit; at < len(latest); at += unit {
			hole := slices.Clone(latest)
			clear(hole[max(at, kept):min(at+unit, len(hole))])
			all = append(all, hole)
		}
	}
	return all
}

// tears are the places in a write of that size at which it is torn: around its
// ends, in the middle of the first frame, and where a sector ends.
func tears(offset, size int) []int {
	cuts := []int{1, 9, 57, size / 2, size - 1}
	for at := sector - offset%sector; at < size; at += sector {
		cuts = append(cuts, at)
	}
	slices.Sort(cuts)
	return slices.DeleteFunc(slices.Compact(cuts), func(c int) bool { return c <= 0 || c >= size })
}

// state is a directory after a power loss.
type state map[string][]byte

// states lists every directory that a power loss may leave now. Of the files
// that have something pending each one written of late is varied in full, while
// the others have none or all of it.
func (v *volume) states() []state {
	const late = 8
	var all []state
	for _, names := range v.namings() {
		varied := []string{""}
		for name, n := range names {
			if len(n.pending) > 0 && v.now-n.touched < late {
				varied = append(varied, name)
			}
		}
		for _, name := range varied {
			all = append(all, combined(names, name)...)
		}
	}
	return all
}

// combined varies one file in full.
func combined(names map[string]*node, full string) []state {
	some := []state{{}}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		n := names[name]
		contents := [][]byte{n.durable}
		switch {
		case name == full:
			contents = n.contents()
		case len(n.pending) > 0:
			contents = append(contents, n.apply(n.pending))
		}
		var longer []state
		for _, content := range contents {
			for _, s := range some {
				s = maps.Clone(s)
				s[name] = content
				longer = append(longer, s)
			}
		}
		some = longer
	}
	return some
}

var stateSeed = maphash.MakeSeed()

func (s state) hash() uint64 {
	var h maphash.Hash
	h.SetSeed(stateSeed)
	for _, name := range slices.Sorted(maps.Keys(s)) {
		h.WriteString(name)
		h.WriteByte(0)
		maphash.WriteComparable(&h, len(s[name]))
		h.Write(s[name])
	}
	return h.Sum64()
}

// write puts the state into a directory.
func (s state) write(t testing.TB, dir string) {
	t.Helper()
	for name, content := range s {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
