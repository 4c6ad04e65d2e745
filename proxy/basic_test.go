package proxy_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// TestRelay_JSON passes a call through and records it.
func TestRelay_JSON(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", chatAnswer, "x-request-id: req_1")))
	r := start(t, o, nil)
	resp, body, err := r.ask("POST", post(chatPath, chatRequest))
	if err != nil || resp.StatusCode != 200 || string(body) != chatAnswer {
		t.Fatalf("got %v %q %v", resp, body, err)
	}
	requests, _ := o.seen()
	if g := requests[0]; g.line != "POST /v1/chat/completions HTTP/1.1" || string(g.body) != chatRequest {
		t.Errorf("upstream got %q with %q", g.line, g.body)
	}
	e := r.journal.fact(t, 1)
	if e.Outcome != metering.OutcomeComplete || e.Usage.State != metering.UsageExact || e.Usage.Input != 11 || e.Usage.Output != 7 {
		t.Errorf("fact is %+v", e)
	}
	type identity struct{ Customer, Key, Upstream, Endpoint, Model, ProviderID, Event string }
	want := identity{"c1", "key-1", "openai", "openai.chat", "gpt-x", "req_1", resp.Header.Get("X-Weir-Event-Id")}
	have := identity{e.Customer, e.Key, e.Upstream, e.Endpoint, e.Model, e.ProviderID, e.ID.String()}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Error(diff)
	}
	if e.BytesOut != int64(len(chatAnswer)) || e.Status != 200 || e.FirstByte == 0 || e.End < e.At || e.BodyBytes != int64(len(chatRequest)) {
		t.Errorf("fact is %+v", e)
	}
}

// stream is a recorded shape of a chat stream that reports its usage.
func stream() []string {
	return []string{
		"data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n",
		"data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\n",
		"data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n",
		"data: {\"id\":\"c\",\"model\":\"gpt-x\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
		"data: [DONE]\n\n",
	}
}

const (
	eventsHead    = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
	streamRequest = `{"model":"gpt-x","stream":true,"stream_options":{"include_usage":true},"messages":[]}`
)

// TestRelay_Stream passes a stream event by event: each reaches the client
// before the upstream sends the next.
func TestRelay_Stream(t *testing.T) {
	t.Parallel()
	next := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, _ got) {
		write(c, eventsHead)
		for _, p := range stream() {
			<-next
			write(c, chunk(p))
		}
		<-next
		write(c, "0\r\n\r\n")
	})
	r := start(t, o, nil)
	c := r.dial()
	b := bufio.NewReader(c)
	for call := range 2 { // the connections on both sides serve another call
		write(c, post(chatPath, streamRequest))
		head := readHead(t, b)
		if !strings.Contains(head, "Transfer-Encoding: chunked\r\n") || !strings.Contains(head, "Content-Type: text/event-stream\r\n") {
			t.Fatalf("head is %q", head)
		}
		for _, p := range stream() {
			next <- struct{}{}
			want := chunk(p)
			have := make([]byte, len(want))
			if _, err := io.ReadFull(b, have); err != nil || string(have) != want {
				t.Fatalf("got %q, want %q, %v", have, want, err)
			}
		}
		next <- struct{}{}
		end := make([]byte, 5)
		if _, err := io.ReadFull(b, end); err != nil || string(end) != "0\r\n\r\n" {
			t.Fatalf("end is %q, %v", end, err)
		}
		e := r.journal.fact(t, call+1)
		if e.Outcome != metering.OutcomeComplete || e.Usage.State != metering.UsageExact || e.Usage.Input != 9 || e.Usage.Output != 2 || !e.Stream {
			t.Errorf("fact is %+v", e)
		}
		if want := int64(len(strings.Join(stream(), ""))); e.BytesOut != want {
			t.Errorf("%d bytes out, want %d", e.BytesOut, want)
		}
	}
	if _, conns := o.seen(); conns != 1 {
		t.Errorf("%d upstream connections", conns)
	}
}

func readHead(t testing.TB, b *bufio.Reader) string {
	t.Helper()
	var head bytes.Buffer
	for {
		line, err := b.ReadString('\n')
		if err != nil {
			t.Fatalf("head: %v after %q", err, head.String())
		}
		head.WriteString(line)
		if line == "\r\n" {
			return head.String()
		}
	}
}
