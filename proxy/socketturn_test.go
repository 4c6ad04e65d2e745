package proxy_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// TestSocket_Turns covers T22: every turn is an event of its own, once, and
// their sum is what the upstream has said.
func TestSocket_Turns(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), nil)
	c := r.open(socketPath, "X-Weir-Tags: feature=voice", "X-Weir-Run: run-1", "X-Request-Id: mine", "X-Weir-Customer: globex")
	end := f.end(t)
	const n = 60
	var all []byte
	input, output := int64(0), int64(0)
	for i := range n {
		input, output = input+int64(i), output+int64(2*i)
		m := done(i, 2*i)
		if i == 7 {
			m = strings.Replace(m, "{", `{"model":"gpt-4o-transcribe",`, 1)
		}
		if i%3 == 0 {
			all = append(all, framed(0x01, nil, []byte(m[:5]))...)
			all = append(all, framed(0x89, nil, []byte("ping"))...)
			all = append(all, framed(0x80, nil, []byte(m[5:]))...)
			continue
		}
		all = append(all, text(`{"type":"begin"}`)...)
		all = append(all, text(m)...)
	}
	go write(end, string(all), string(closing.down))
	expect(t, c, append(all, closing.down...))
	end.Close()
	own, turns := r.journal.factsOf(t, n+1)
	if begun, facts := r.journal.counts(); begun != n+1 || facts != n+1 {
		t.Errorf("%d intents, %d facts", begun, facts)
	}
	seen := map[metering.ID]bool{own.ID: true}
	for i, e := range turns {
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		seen[e.ID] = true
		input, output = input-e.Usage.Input, output-e.Usage.Output
		want := own.Call
		want.ID, want.At, want.Seq, want.Session, want.ClientID = e.ID, e.At, e.Seq, own.ID, ""
		if i == 7 {
			want.Model = "gpt-4o-transcribe"
		}
		if diff := cmp.Diff(want, e.Call); diff != "" || e.Outcome != metering.OutcomeComplete || e.End == 0 {
			t.Errorf("turn %d is %+v: %s", i, e, diff)
		}
	}
	if input != 0 || output != 0 {
		t.Errorf("the turns miss %d and %d tokens", input, output)
	}
	if own.Customer != "c2" || own.Run != "run-1" || own.ClientID != "mine" || len(own.Tags) != 2 || own.Usage.Input != 0 {
		t.Errorf("fact is %+v", own)
	}
}

// TestSocket_Withheld holds that bytes pass before their message is whole, and
// the last ones of a turn not before its fact is written.
func TestSocket_Withheld(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), nil)
	c := r.open(socketPath)
	end := f.end(t)
	r.journal.hold, r.journal.held = make(chan struct{}), make(chan struct{}, 8)
	release := sync.OnceFunc(func() { close(r.journal.hold) })
	defer release()
	m := text(done(3, 4))
	for _, b := range m[:len(m)-1] {
		write(end, string([]byte{b}))
		expect(t, c, []byte{b})
	}
	write(end, string(m[len(m)-1:]))
	<-r.journal.held
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("%d bytes were released before the fact: %v", n, err)
	}
	// The other direction does not wait.
	write(c, string(framed(0x81, []byte{1, 2, 3, 4}, []byte("on"))))
	expect(t, end, framed(0x81, []byte{1, 2, 3, 4}, []byte("on")))
	release()
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	expect(t, c, m[len(m)-1:])
}

// TestSocket_Abrupt covers T22, S13 and S14: whoever goes, and however, what was
// received is billed, and the other side learns it at once.
func TestSocket_Abrupt(t *testing.T) {
	t.Parallel()
	reset := func(c net.Conn) {
		if h, ok := c.(*heldConn); ok {
			c = h.Conn
		}
		if err := c.(*net.TCPConn).SetLinger(0); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct {
		name    string
		end     func(c, end net.Conn)
		outcome metering.Outcome
		open    metering.Outcome
		told    dialect.End
	}{
		{"client ends", func(c, _ net.Conn) { c.Close() }, metering.OutcomeClientGone, metering.OutcomeClientGone, dialect.Abandoned},
		{"client resets", func(c, _ net.Conn) { reset(c); c.Close() }, metering.OutcomeClientGone, metering.OutcomeClientGone, dialect.Abandoned},
		{"client closes and goes", func(c, _ net.Conn) { write(c, string(closing.up)); c.Close() }, metering.OutcomeComplete, metering.OutcomeClientGone, dialect.Abandoned},
		{"upstream ends", func(_, end net.Conn) { end.Close() }, metering.OutcomeTruncated, metering.OutcomeTruncated, dialect.Truncated},
		{"upstream resets", func(_, end net.Conn) { reset(end); end.Close() }, metering.OutcomeTruncated, metering.OutcomeTruncated, dialect.Truncated},
		{"upstream closes and goes", func(_, end net.Conn) { write(end, string(closing.down)); end.Close() }, metering.OutcomeComplete, metering.OutcomeTruncated, dialect.Ended},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, f := newFar(t)
			r, d := startSocket(t, o.url(), func(o *proxy.Options) { o.Upstreams[0].MaxConns = 1 })
			c := r.open(socketPath)
			end := f.end(t)
			said := append(text(done(3, 4)), text(`{"type":"begin"}`)...)
			write(end, string(said))
			expect(t, c, said)
			began := time.Now()
			tt.end(c.Conn, end)
			other, closes := io.Reader(c), strings.Contains(tt.name, "closes")
			if strings.HasPrefix(tt.name, "client") {
				other = end
			}
			rest, err := ended(t, other)
			if took := time.Since(began); took > time.Second {
				t.Errorf("the other side learned it after %v", took)
			}
			if strings.HasPrefix(tt.name, "upstream") && (err == nil) != closes || closes != (len(rest) > 0) {
				t.Errorf("the other side got %x, %v", rest, err)
			}
			own, turns := r.journal.factsOf(t, 3)
			if own.Outcome != tt.outcome || turns[0].Outcome != metering.OutcomeComplete || turns[0].Usage.Input != 3 || turns[1].Outcome != tt.open || turns[1].Usage.State != metering.UsagePartial {
				t.Errorf("outcomes are %s, %s and %s", own.Outcome, turns[0].Outcome, turns[1].Outcome)
			}
			if diff := cmp.Diff([]dialect.End{tt.told}, d.ends); diff != "" {
				t.Error(diff)
			}
			// I10: the slot is free for the next socket.
			next := r.open(socketPath)
			f.end(t).Close()
			if next.head.StatusCode != 101 {
				t.Errorf("the next socket got %d", next.head.StatusCode)
			}
		})
	}
}

// TestSocket_JournalFails holds that a turn that cannot be recorded follows its
// customer's policy, and is recorded as soon as that is possible.
func TestSocket_JournalFails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, key string
		err       error
		passes    bool
	}{
		{"refuse", key, errors.New("no space left on device"), false},
		{"pass", passKey, errors.New("no space left on device"), true},
		{"fenced", passKey, fmt.Errorf("write intent: %w", metering.ErrFenced), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, f := newFar(t)
			r, _ := startSocket(t, o.url(), nil)
			c := r.open(socketPath, "Authorization: Bearer "+tt.key)
			end := f.end(t)
			r.journal.mu.Lock()
			r.journal.beginErr = tt.err
			r.journal.mu.Unlock()
			said := append(text(done(3, 4)), text(done(5, 6))...)
			write(end, string(said))
			if tt.passes {
				expect(t, c, said)
				write(end, string(closing.down))
				expect(t, c, closing.down)
			} else if rest, err := ended(t, c); err == nil || len(rest) > 0 {
				t.Errorf("%d bytes were released, %v", len(rest), err)
			}
			own, turns := r.journal.factsOf(t, 3)
			if turns[0].Usage.Input != 3 || turns[1].Usage.Input != 5 {
				t.Errorf("turns are %+v", turns)
			}
			if losses := r.s.Stats().Losses; tt.passes && (losses != 2 || own.Outcome != metering.OutcomeComplete) || !tt.passes && own.ErrorCode != "not_recordable" {
				t.Errorf("%d losses, fact is %+v", losses, own)
			}
			if (r.s.Stats().Losses > 0 || strings.Contains(r.log.String(), "taken over") || strings.Contains(r.log.String(), "could not be recorded")) != true {
				t.Error("nobody was told")
			}
		})
	}
}

// TestSocket_ModelOfTurn holds a key to its models also where a message names
// another one: the turn is billed, and the socket ends.
func TestSocket_ModelOfTurn(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), nil)
	c := r.open("/v1/realtime?model=small", "Authorization: Bearer "+modelKey)
	write(f.end(t), string(text(`{"type":"done","model":"large","input":3}`)))
	if rest, err := ended(t, c); err == nil || len(rest) > 0 {
		t.Errorf("%d bytes were released, %v", len(rest), err)
	}
	own, turns := r.journal.factsOf(t, 2)
	if own.ErrorCode != "model_not_allowed" || turns[0].Model != "large" || turns[0].Usage.Input != 3 {
		t.Errorf("facts are %+v and %+v", own, turns)
	}
}

// TestSocket_Panic holds that a session that panics ends nothing: the bytes pass,
// and the usage is not called known.
func TestSocket_Panic(t *testing.T) {
	t.Parallel()
	o, f := newFar(t)
	r, _ := startSocket(t, o.url(), nil)
	c := r.open(socketPath)
	end := f.end(t)
	said := append(text(done(3, 4)), text(`{"type":"panic"}`)...)
	said = append(said, text(done(5, 6))...)
	write(end, string(said), string(closing.down))
	expect(t, c, append(said, closing.down...))
	own, turns := r.journal.factsOf(t, 2)
	if r.s.Stats().Panics != 1 || own.Usage.State != metering.UsageUnknown || own.Outcome != metering.OutcomeComplete || turns[0].Usage.Input != 3 {
		t.Errorf("%d panics, facts are %+v and %+v", r.s.Stats().Panics, own, turns)
	}
}
