package proxytest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// stream writes server-sent events at a pace.
type stream struct {
	w    http.ResponseWriter
	a    *asked
	pace time.Duration
	sent int
	gone bool
}

// begin sends the head of a stream.
func (s *Simulator) begin(w http.ResponseWriter, a *asked) *stream {
	out := &stream{w: w, a: a, pace: s.opts.Pace}
	if a.model == "sim-slow" {
		out.pace = time.Second
	}
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(http.StatusOK)
	return out
}

// resetAfter is how many pieces come before sim-reset breaks off.
const resetAfter = 5

// data sends one event without a name, event one with it.
func (s *stream) data(v any) { s.event("", v) }

func (s *stream) event(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	text := "data: " + string(b) + "\n\n"
	if name != "" {
		text = "event: " + name + "\n" + text
	}
	s.raw(text)
}

func (s *stream) raw(text string) {
	if s.gone {
		return
	}
	if s.pace > 0 && s.sent > 0 {
		timer := time.NewTimer(s.pace)
		select {
		case <-s.a.Context().Done():
			timer.Stop()
			s.gone = true
			return
		case <-timer.C:
		}
	}
	if s.sent++; s.sent > resetAfter && s.a.model == "sim-reset" {
		reset(s.w)
	}
	_, err := fmt.Fprint(s.w, text)
	s.gone = err != nil || http.NewResponseController(s.w).Flush() != nil
}

// reset breaks the connection without an end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset instead of an end; closing is all that is left anyway
	}
	_ = conn.Close()
	panic(http.ErrAbortHandler)
}
