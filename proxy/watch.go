package proxy

import (
	"errors"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// watchEvery is how often clients are asked whether they are still there. One
// that hangs up is noticed within two rounds.
const watchEvery = 250 * time.Millisecond

// watcher notices clients that hang up while their upstream is silent. One
// system call asks for all of them. A client is asked from the second round on,
// so that short calls cost nothing.
type watcher struct {
	mu    sync.Mutex
	list  []*client
	round uint64

	turn  sync.Mutex // of a round: every Serve has a watcher
	asked []*client  // of the round, used again
	polls []unix.PollFd
}

func (w *watcher) add(k *client) {
	if k.fd < 0 {
		return
	}
	w.mu.Lock()
	k.place, k.since = len(w.list), w.round
	w.list = append(w.list, k)
	w.mu.Unlock()
}

func (w *watcher) remove(k *client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.place < 0 {
		return
	}
	last := len(w.list) - 1
	w.list[k.place] = w.list[last]
	w.list[k.place].place = k.place
	w.list[last] = nil
	w.list = w.list[:last]
	k.place = -1
}

// run watches until stop is closed, and closes upstream connections that have
// been idle for too long.
func (w *watcher) run(s *Server, stop <-chan struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case now := <-tick.C:
			w.tend(s, now)
		}
	}
}

func (w *watcher) tend(s *Server, now time.Time) {
	defer func() {
		if cause := recover(); cause != nil {
			s.recovered("watcher", cause)
		}
	}()
	w.look()
	s.sockets.check(s.o.Keyring)
	for _, u := range s.table.Load().byName {
		u.sweep(now, false)
	}
}

// look asks about every client once.
func (w *watcher) look() {
	w.turn.Lock()
	defer w.turn.Unlock()
	w.mu.Lock()
	w.round++
	w.asked, w.polls = w.asked[:0], w.polls[:0]
	for _, k := range w.list {
		if k.since+1 < w.round && k.signal.Load()&signalGone == 0 {
			w.asked = append(w.asked, k)
			w.polls = append(w.polls, unix.PollFd{Fd: int32(k.fd), Events: unix.POLLRDHUP})
		}
	}
	w.mu.Unlock()
	if len(w.polls) == 0 {
		return
	}
	if n, err := unix.Poll(w.polls, 0); err != nil || n == 0 {
		return // EINTR: the next round asks again
	}
	for i := range w.polls {
		if w.polls[i].Revents != 0 && gone(w.asked[i]) {
			w.asked[i].raise(signalGone)
		}
	}
	clear(w.asked)
}

// gone asks a second time, in a way that is safe even if the connection was
// closed meanwhile and its descriptor belongs to somebody else now.
func gone(k *client) bool {
	var polls [1]unix.PollFd
	var err error
	if e := k.raw.Control(func(fd uintptr) {
		polls[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}
		_, err = unix.Poll(polls[:], 0)
	}); e != nil || errors.Is(err, unix.EINTR) {
		return false
	}
	return polls[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
}
