package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

const (
	defaultSync         = 5 * time.Millisecond
	defaultSegmentBytes = 32 << 20
	retryEvery          = 100 * time.Millisecond // while the directory cannot be written

	maxTail     = 8192     // facts kept in memory for the shipper
	maxParked   = 10_000   // facts kept while they cannot be written
	maxUnsynced = 64 << 20 // bytes written and not durable before writers wait
)

// Options configure a journal. The zero value is the default.
type Options struct {
	// Sync is how long a written record may stay without fdatasync: what a power
	// loss may take. Zero is 5 ms, negative is none: each write is durable
	// before its caller goes on.
	Sync time.Duration
	// SegmentBytes is the size after which a new segment is begun; zero is 32 MiB.
	SegmentBytes int64
	// Now is the wall clock; nil is time.Now. It may step back: instants do not.
	Now func() time.Time
	// Logger hears about recovery and about every fault; nil is slog.Default.
	Logger *slog.Logger
}

// Journal is an open journal. Its methods are safe for concurrent use.
type Journal struct {
	dir   string
	id    metering.ID
	name  string // id in hexadecimal
	fs    files
	sync  time.Duration
	limit int64
	now   func() time.Time
	log   *slog.Logger

	lockFile *os.File
	claiming sync.Mutex // guards the file of nonces
	deleting sync.Mutex // guards deletion of segments, and the clock file
	bodies   sync.Pool  // *[]byte for encoding outside mu
	wake     chan struct{}
	stop     context.CancelFunc
	syncer   sync.WaitGroup

	mu   sync.Mutex
	idle sync.Cond // something below has changed: a write or a sync has ended

	next    uint64 // of the next record
	written uint64 // last record that write(2) took
	durable uint64 // last record that fdatasync confirmed
	latest  metering.Micros
	beaten  metering.Micros // last watermark given out

	pending *batch // what the next leader writes
	leading *batch // what a leader is writing
	spare   *batch // recycled
	writing bool   // a leader is at work; only it touches seg
	syncing bool   // the syncer is in fdatasync
	seg     *segment
	sealed  []*segment

	// Written and not durable, in order: atSync is what the running fdatasync
	// covers, unsynced what came after it began.
	atSync, unsynced backlog
	free             blocks

	calls    calls
	marks    marks // of facts that the database does not have
	tail     tail
	lastFact uint64 // written
	safeFact uint64 // durable
	more     chan struct{}

	parked []*metering.Event
	down   error // why nothing can be written
	fenced error
	closed bool
	faults Faults

	clock clock
	disk  reader
}

// Faults count what went wrong since the journal was opened. They never go
// back to zero by themselves.
type Faults struct {
	Writes int64 // failed write(2)
	Syncs  int64 // failed fdatasync(2)
	Lost   int64 // facts that found no room in memory while they could not be written
	Clock  int64 // failed writes of the clock file
}

// Status is what a person wants to know about a journal.
type Status struct {
	Down     error // why nothing can be written now; nil if all is well
	Faults   Faults
	Parked   int // facts in memory that could not be written yet
	Open     int // calls without a fact
	Segments int
	Bytes    int64  // in segments
	Written  uint64 // last record
	Durable  uint64 // last record that a power loss cannot take
	LastFact uint64
}

// Open locks the directory, making it if need be, recovers what is there and
// settles the calls that the last process left open. It returns a
// [*CorruptError] for damage that a crash cannot cause and an error wrapping
// [ErrLocked] if another process holds the directory.
func Open(dir string, o Options) (*Journal, error) {
	return open(dir, o, disk{})
}

func open(dir string, o Options, fsys files) (*Journal, error) {
	if err := makeDir(fsys, dir); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	held, err := lock(dir)
	if err != nil {
		return nil, err
	}
	j := build(dir, o, fsys)
	j.lockFile = held
	if err := j.recover(); err != nil {
		return nil, errors.Join(err, j.release())
	}
	ctx, stop := context.WithCancel(context.Background())
	j.stop = stop
	j.syncer.Go(func() { j.keepSynced(ctx) })
	return j, nil
}

func build(dir string, o Options, fsys files) *Journal {
	if o.Sync == 0 {
		o.Sync = defaultSync
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = defaultSegmentBytes
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	j := &Journal{
		dir: dir, fs: fsys, sync: o.Sync, limit: o.SegmentBytes, now: o.Now,
		log:   o.Logger.With("journal", dir),
		wake:  make(chan struct{}, 1),
		next:  1,
		calls: calls{bySeq: make(map[uint64]*openCall)},
	}
	j.bodies.New = func() any { return new([]byte) }
	j.idle.L = &j.mu
	j.pending = j.newBatch()
	return j
}

// ID is the identity of the journal: 32 hexadecimal digits.
func (j *Journal) ID() string { return j.name }

// Fence stops the journal from authorising calls: from now on Begin fails with
// [metering.ErrFenced]. Open calls can still be finished.
func (j *Journal) Fence(err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.fenced == nil {
		j.fenced = fenced(err)
	}
}

func fenced(err error) error {
	switch {
	case err == nil:
		return metering.ErrFenced
	case errors.Is(err, metering.ErrFenced):
		return err
	default:
		return fmt.Errorf("%w: %w", metering.ErrFenced, err)
	}
}

// Status reports the state of the journal.
func (j *Journal) Status() Status {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := Status{
		Down: j.down, Faults: j.faults, Parked: len(j.parked), Open: len(j.calls.bySeq),
		Written: j.written, Durable: j.durable, LastFact: j.lastFact,
	}
	for _, seg := range append(j.sealed, j.seg) {
		s.Segments++
		s.Bytes += seg.size
	}
	return s
}

// Close writes and syncs what is left and releases the directory. It reports
// facts that still could not be written; their calls are settled as crashed
// when the directory is opened again.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return nil
	}
	j.closed = true
	j.mu.Unlock()
	j.stop()
	j.syncer.Wait()

	j.mu.Lock()
	for j.writing || j.pending.waiting > 0 {
		j.idle.Wait()
	}
	j.work()
	err := j.down
	if len(j.parked) > 0 {
		err = errors.Join(err, fmt.Errorf("%d facts could not be written", len(j.parked)))
	}
	latest := j.latest
	j.announce()
	j.mu.Unlock()

	if err != nil {
		err = fmt.Errorf("close journal: %w", err)
	}
	return errors.Join(err, j.clock.set(latest), j.release())
}

// release closes what is open; the lock goes last.
func (j *Journal) release() error {
	var errs []error
	if j.seg != nil && j.seg.f != nil {
		errs = append(errs, j.seg.f.Close())
	}
	errs = append(errs, j.disk.close())
	if j.clock.f != nil {
		errs = append(errs, j.clock.f.Close())
	}
	return errors.Join(append(errs, j.lockFile.Close())...)
}
