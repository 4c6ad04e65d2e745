package journal_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// gate is a directory whose files can be held in their writes.
type gate struct {
	recorder
	held chan struct{} // a write takes one; nil holds nothing
}

type gatedFile struct {
	journal.File
	g *gate
}

func (g *gate) Create(path string) (journal.File, error) {
	f, err := g.recorder.Create(path)
	return gatedFile{f, g}, err
}

func (f gatedFile) Write(p []byte) (int, error) {
	if f.g.held != nil {
		<-f.g.held
	}
	return f.File.Write(p)
}

// Those who come while a write is running share the next one, and each of them
// goes on when it is done.
func TestCommit_FollowersShareOneWrite(t *testing.T) {
	t.Parallel()
	const followers = 5
	synctest.Test(t, func(t *testing.T) {
		g := new(gate)
		j, err := journal.OpenFiles(t.TempDir(), journal.Options{Logger: journal.Quiet()}, g)
		if err != nil {
			t.Fatal(err)
		}
		g.held = make(chan struct{})
		done := make(chan error, followers+1)
		start := func() {
			c := newCall(t)
			go func() { done <- j.Begin(c) }()
			synctest.Wait()
		}
		before := g.len()
		for range followers + 1 {
			start()
		}
		g.held <- struct{}{}
		synctest.Wait()
		if len(done) != 1 {
			t.Errorf("%d calls went on after the first write, want the one that it was for", len(done))
		}
		g.held <- struct{}{}
		synctest.Wait()
		if len(done) != followers+1 || g.len()-before != 2 {
			t.Errorf("after the second write %d calls of %d go on, there were %d", len(done), followers+1, g.len()-before)
		}
		close(g.held)
		for range followers + 1 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Facts waits for what is durable, and ends with its context and with the
// journal.
func TestFacts_Waits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j, _, _ := faulty(t, journal.Options{})
		ctx, cancel := context.WithCancel(t.Context())
		type answer struct {
			facts []*metering.Event
			err   error
		}
		answers := make(chan answer, 1)
		ask := func(after uint64) {
			go func() {
				got, err := j.Facts(ctx, after, 10)
				answers <- answer{got, err}
			}()
			synctest.Wait()
		}
		ask(0)
		e := exchange(t, j)
		synctest.Wait()
		if len(answers) != 0 {
			t.Error("a fact was given out before it was durable")
		}
		if a := <-answers; a.err != nil || len(a.facts) != 1 || a.facts[0].ID != e.ID {
			t.Errorf("facts %+v, %v, want the one of %s", a.facts, a.err, e.ID)
		}
		ask(e.FactSeq)
		cancel()
		if a := <-answers; !errors.Is(a.err, context.Canceled) {
			t.Errorf("facts after the end of the context: %v", a.err)
		}
		ctx = t.Context()
		ask(e.FactSeq)
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		if a := <-answers; !errors.Is(a.err, journal.ErrClosed) {
			t.Errorf("facts of a closed journal: %v", a.err)
		}
	})
}
