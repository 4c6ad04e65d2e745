package dialect

import (
	"bytes"
	"strings"
)

// framing is how the bytes of an answer are laid out.
type framing uint8

const (
	framingUnknown framing = iota // nothing but blanks has come
	framingEvents
	framingDocument
	framingOther  // text, audio, HTML
	framingFrames // of an AWS event stream
)

// maxBlanks is how many blanks before the first event may matter.
const maxBlanks = 64

// scanner reads one answer: it undoes compression, finds the framing from the
// first bytes (a Content-Type may be wrong) and feeds a reader.
type scanner struct {
	route Route
	req   Request
	resp  Response
	read  reader

	decoder *decoder // nil: the bytes are plain
	framing framing
	head    []byte // the first line so far, while the framing is unknown
	word    int    // how many bytes of head are not leading blanks
	sse     sseReader
	doc     documentReader
	frames  frameReader

	seen   int64 // decoded bytes
	binary bool  // of another framing, and no text
	// lost: something that may have held usage could not be read.
	lost bool

	made    []Object // what Made has returned
	created bool     // it begins with the object that the route creates
}

// headReader is a reader that looks at the request, or at headers of the answer;
// these may be gone when the body comes.
type headReader interface {
	head(q Request, resp Response)
}

// newScanner returns a scanner that feeds read.
func newScanner(r Route, q Request, resp Response, read reader) *scanner {
	s := &scanner{route: r, req: q, resp: resp, read: read}
	s.sse.sink, s.doc.sink, s.frames.sink = s, s, s
	s.doc.omit, s.doc.many = "data", severalDocuments(r.Endpoint)
	a := read.state()
	a.status = resp.Status
	a.lines = strings.Contains(resp.ContentType, "ndjson") || strings.Contains(resp.ContentType, "jsonl")
	if r.Class == Metered && resp.Status < 400 {
		a.shown = resp.Text
	}
	if h, ok := read.(headReader); ok {
		h.head(q, resp)
	}
	a.served.head(a, r, resp)
	a.stateInHead(r, resp)
	if r.Creates == KindCall && resp.Header != nil {
		// The answer's body is a session description.
		location := resp.Header("Location")
		a.id.set([]byte(`"` + location[strings.LastIndexByte(location, '/')+1:] + `"`))
	}
	if compressed(resp.ContentEncoding) {
		s.decoder = newDecoder(resp.ContentEncoding, s.feed)
	}
	return s
}

// Scan implements [Scanner].
func (s *scanner) Scan(p []byte) {
	if s.decoder != nil {
		s.decoder.push(p)
		return
	}
	s.feed(p)
}

// feed sees decoded bytes.
func (s *scanner) feed(p []byte) {
	s.seen += int64(len(p))
	if s.framing == framingUnknown {
		p = s.sniff(p)
	}
	switch s.framing {
	case framingEvents:
		s.sse.feed(p)
	case framingDocument:
		s.doc.feed(p)
	case framingOther:
		s.plain(p)
	case framingFrames:
		s.frames.feed(p)
	}
}

// sniff decides on the framing from the first bytes that are not blank, and
// returns what is still to be read. Gateways keep a connection alive with blank
// lines before JSON, and a byte order mark may come before anything.
func (s *scanner) sniff(p []byte) []byte {
	for i, c := range p {
		if s.word == 0 {
			switch c {
			case '\r', '\n', 0xef, 0xbb, 0xbf:
				s.head = s.head[:0]
				continue
			case ' ', '\t':
				if len(s.head) < maxBlanks {
					s.head = append(s.head, c)
				}
				continue
			case '{', '[':
				s.framing = framingDocument
				if !s.doc.many && s.manyObjects() {
					s.doc.many, s.read.state().stream = true, true
				}
				return p[i:]
			}
		}
		s.head = append(s.head, c)
		s.word++
		switch s.framing = s.judge(s.head[len(s.head)-s.word:]); s.framing {
		case framingEvents:
			s.read.state().stream = true
			s.sse.feed(s.head)
			s.head = nil
			return p[i+1:]
		case framingFrames:
			s.read.state().stream = true
			s.frames.feed(s.head[len(s.head)-s.word:])
			s.head = nil
			return p[i+1:]
		case framingOther:
			return p[i:]
		}
	}
	return nil
}

// manyObjects reports whether an answer that begins as JSON is a sequence of
// objects, usually a line each, and not one.
func (s *scanner) manyObjects() bool {
	switch contentType := s.resp.ContentType; {
	case strings.Contains(contentType, "stream+json"):
		return true
	default:
		return contentType == "" && s.resp.Status == 200 && s.req.Stream && s.route.Endpoint == "cohere.chat"
	}
}

// judge tells from the first word what an answer that is no JSON is.
func (s *scanner) judge(word []byte) framing {
	if strings.Contains(s.resp.ContentType, "event-stream") {
		return framingEvents
	}
	// A frame begins with its length, so below 16 MiB with a zero byte.
	if strings.Contains(s.resp.ContentType, "amazon.eventstream") || word[0] == 0 && isBedrock(s.route.Endpoint) {
		return framingFrames
	}
	open := framingOther
	for _, field := range [...]string{"data:", "event:", "id:", "retry:", ":"} {
		if bytes.HasPrefix(word, []byte(field)) {
			return framingEvents
		}
		if strings.HasPrefix(field, string(word)) {
			open = framingUnknown
		}
	}
	return open
}

// event implements eventSink.
func (s *scanner) event(name, data []byte) {
	s.read.state().elements = s.doc.omitted
	s.read.event(name, data)
	s.find(data)
}

// frame implements frameSink.
func (s *scanner) frame(f *frame) {
	if r, ok := s.read.(framedReader); ok {
		r.frame(f)
		return
	}
	s.lost = true
}

// framedReader is a reader of an API that answers in event streams of AWS.
type framedReader interface {
	reader
	frame(f *frame)
}

func (s *scanner) unknownField(name, value []byte) { s.read.unknownField(name, value) }

func (s *scanner) oversize() { s.lost = true }
