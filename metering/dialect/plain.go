package dialect

import (
	"bytes"
	"strings"
)

// plainReader is a reader that wants the bytes of an answer that is neither JSON
// nor events: subtitles.
type plainReader interface {
	plain(p []byte)
}

// plain sees bytes of such an answer.
func (s *scanner) plain(p []byte) {
	s.binary = s.binary || bytes.IndexByte(p, 0) >= 0
	if r, ok := s.read.(plainReader); ok {
		r.plain(p)
	}
}

// plainTerminal names the end of such an answer: by its type, and where the type
// says nothing by whether a byte of it is zero, as of no text.
func (s *scanner) plainTerminal() string {
	kind, _, _ := strings.Cut(s.resp.ContentType, "/")
	switch {
	case kind == "audio", kind == "video", kind == "image", s.binary:
		return "binary"
	case strings.Contains(s.resp.ContentType, "json") && s.word > 0 && strings.IndexByte(`"-0123456789tfn`, s.head[len(s.head)-s.word]) >= 0:
		return "json" // a scalar: xAI answers null
	default:
		return "text"
	}
}

// severalDocuments reports whether the answers of an endpoint may be one JSON
// document behind the other.
func severalDocuments(e Endpoint) bool {
	switch e {
	case "ollama.chat", "ollama.generate", "openai.files_content", "anthropic.batch_results", "gemini.files_content":
		return true
	default:
		return false
	}
}

// streamsArray reports whether an endpoint streams by writing one array, so that
// its end says nothing of how the answer ended.
func streamsArray(e Endpoint) bool { return strings.HasPrefix(string(e), "gemini.") }

// lineReader is a reader of the results of a batch, a JSON document a line.
type lineReader interface {
	// lineCount is how many of the lines so far were results.
	lineCount() int
}

// severalTerminal names the end of an answer of several documents.
func (s *scanner) severalTerminal(a *answer) string {
	lines, ok := s.read.(lineReader)
	switch {
	case ok && lines.lineCount() > 0:
		return "jsonl"
	case s.doc.whole == 1 && !a.lines:
		return "json"
	case ok:
		return "text"
	case a.finish.String() != "":
		return "eof_after_finish_reason"
	default:
		return "eof"
	}
}
