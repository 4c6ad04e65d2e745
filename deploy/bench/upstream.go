package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// upstreamKey is the credential the upstream insists on, which shows that the
// proxies put it there.
const upstreamKey = "sk-bench-upstream"

// upstream is a provider that answers at once: a chat completion of about 1 KB,
// or a stream of chunks with a gap between them, in OpenAI's shape.
type upstream struct {
	ln    net.Listener
	paces paces
	// completion is built once: making it is not what is measured.
	completion string

	mu     sync.Mutex
	open   map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

func startUpstream(p paces) (*upstream, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	u := &upstream{ln: ln, paces: p, completion: newCompletion(), open: map[net.Conn]bool{}}
	u.wg.Go(u.accept)
	return u, nil
}

func (u *upstream) addr() string { return u.ln.Addr().String() }

// close ends all connections and waits for their goroutines.
func (u *upstream) close() {
	u.ln.Close()
	u.mu.Lock()
	u.closed = true
	for c := range u.open {
		c.Close()
	}
	u.mu.Unlock()
	u.wg.Wait()
}

func (u *upstream) accept() {
	for {
		c, err := u.ln.Accept()
		if err != nil {
			return // closed
		}
		u.mu.Lock()
		if u.closed {
			c.Close()
		} else {
			u.open[c] = true
			u.wg.Go(func() { u.serve(newWire(c)) })
		}
		u.mu.Unlock()
	}
}

// serve answers the requests of one connection until it ends.
func (u *upstream) serve(c *wire) {
	defer func() {
		c.Close()
		u.mu.Lock()
		delete(u.open, c.Conn)
		u.mu.Unlock()
	}()
	for {
		if err := u.answer(c); err != nil {
			return // the peer is gone, or said something that its own side reports
		}
	}
}

func (u *upstream) answer(c *wire) error {
	raw, err := c.until("\r\n\r\n")
	if err != nil {
		return err
	}
	authorised := bytes.Contains(raw, []byte(upstreamKey))
	c.r -= len(raw)
	h, err := c.head()
	if err != nil {
		return err
	}
	body, err := c.body(h)
	if err != nil {
		return err
	}
	switch {
	case !authorised:
		_, err = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
		return err
	case !bytes.Contains(body, []byte(`"stream":true`)):
		_, err = io.WriteString(c, u.completion)
		return err
	}
	usage := bytes.Contains(body, []byte(`"include_usage":true`))
	switch {
	case bytes.Contains(body, []byte(modelIdle)):
		return idle(c, usage)
	case bytes.Contains(body, []byte(modelTimed)):
		return stream(c, usage, u.paces.timed)
	case bytes.Contains(body, []byte(modelCrowd)):
		return stream(c, usage, u.paces.crowd)
	default:
		return stream(c, usage, u.paces.plain)
	}
}

// pace is how a stream comes.
type pace struct {
	chunks  int
	gap     time.Duration // between two chunks
	at      bool          // the first chunk comes with the head, not a gap later
	stamped bool          // each chunk says when it was sent
}

// paces are those of the models that stream.
type paces struct{ plain, timed, crowd pace }

// newPaces has the two of the figures of delay beside the plain one: T14 asks
// for 200 events ten milliseconds apart; for T15 a thousand streams must leave
// the proxies with room, or what is measured is the queue before a full
// processor.
func newPaces(chunks int, gap time.Duration) paces {
	return paces{
		plain: pace{chunks: chunks, gap: gap},
		timed: pace{chunks: 200, gap: 10 * time.Millisecond, stamped: true},
		crowd: pace{chunks: 20, gap: 200 * time.Millisecond, at: true, stamped: true},
	}
}

// length is how long a stream takes.
func (p pace) length() time.Duration { return time.Duration(p.chunks) * p.gap }

// stream sends the chunks, each in a write of its own at its own time.
func stream(c *wire, usage bool, p pace) error {
	data := []byte(framed(event(usage)))
	place := bytes.Index(data, []byte(stampPlace))
	chunk := func() []byte {
		if p.stamped {
			putStamp(data[place:], time.Now())
		}
		return data
	}
	begin := []byte(streamHead)
	left := p.chunks
	if p.at {
		begin = append(begin, chunk()...)
		left--
	}
	if _, err := c.Write(begin); err != nil {
		return err
	}
	tick := time.NewTicker(p.gap)
	defer tick.Stop()
	for range left {
		<-tick.C
		if _, err := c.Write(chunk()); err != nil {
			return err
		}
	}
	last := ""
	if usage {
		last = framed(usageEvent)
	}
	_, err := io.WriteString(c, last+framed("data: [DONE]\n\n")+"0\r\n\r\n")
	return err
}

// idle begins a stream and then says nothing until the peer is gone.
func idle(c *wire, usage bool) error {
	if _, err := io.WriteString(c, streamHead+framed(event(usage))); err != nil {
		return err
	}
	for {
		if err := c.fill(); err != nil {
			return errors.Join(errors.New("idle stream ended"), err)
		}
	}
}

// The models that choose what the upstream does.
const (
	modelCall   = "gpt-4o-mini"
	modelStream = "gpt-4o-mini"
	modelIdle   = "gpt-4o-mini-idle"
	modelTimed  = "gpt-4o-mini-timed"
	modelCrowd  = "gpt-4o-mini-crowd"
)

const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n" +
	"openai-processing-ms: 312\r\nx-request-id: req_0123456789abcdef\r\nx-ratelimit-remaining-tokens: 149999\r\n\r\n"

// framed is an event as a chunk of the transfer coding.
func framed(event string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(event), event) }

// event is one piece of a streamed answer. When usage was asked for, each
// carries a null.
func event(usage bool) string {
	null := ""
	if usage {
		null = `,"usage":null`
	}
	return `data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini-2024-07-18",` +
		`"service_tier":"default","system_fingerprint":"fp_bba3c8e70b","choices":[{"index":0,"delta":{"content":" measured"},"logprobs":null,"finish_reason":null}]` +
		null + `,"obfuscation":"` + stampPlace + `"}` + "\n\n"
}

const usageEvent = `data: {"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4o-mini-2024-07-18",` +
	`"service_tier":"default","system_fingerprint":"fp_bba3c8e70b","choices":[],"usage":{"prompt_tokens":19,"completion_tokens":200,"total_tokens":219,` +
	`"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"obfuscation":"x"}` + "\n\n"

// newCompletion is a whole answer, head included; its body has about 1 KB.
func newCompletion() string {
	body := `{"id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion","created":1741569952,"model":"gpt-4o-mini-2024-07-18",` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("A weir measures the flow. ", 16) + `","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":19,"completion_tokens":96,"total_tokens":115,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},` +
		`"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_bba3c8e70b"}`
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"openai-processing-ms: 312\r\nx-request-id: req_0123456789abcdef\r\nx-ratelimit-remaining-tokens: 149999\r\n\r\n%s", len(body), body)
}
