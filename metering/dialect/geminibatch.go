package dialect

import (
	"bytes"

	"github.com/weirhq/weir/metering"
)

// contentSum adds up answers of generateContent and embedContent that were made
// in one batch.
type contentSum struct {
	answer
	sum   modelSum
	lines int // answers and errors
}

// line adds one line: {"response": …} with the answer, or {"error": …}, which
// costs nothing.
func (s *contentSum) line(raw []byte) {
	response := rawMember(raw, "response")
	s.lines++
	if isNull(response) {
		return
	}
	var one contentReader
	one.event(nil, response)
	s.objects += one.objects
	s.model.set(one.model.raw)
	for _, q := range one.counts {
		s.counts.add(q.Name, q.Amount)
	}
	for _, f := range one.usage.flags {
		if len(s.flags) < maxQuantities {
			s.flags = append(s.flags, f)
		}
	}
	if !one.usage.given() {
		return
	}
	s.sum.add(one.model.String(), one.usage.normal())
}

func (s *contentSum) unknownField(_, _ []byte) {}

func (s *contentSum) report(u *metering.Usage) reported {
	if !s.sum.given() {
		return reportedNothing
	}
	s.sum.fill(u)
	return reportedAll
}

// batchReader reads a batch. When it is done it has the same answers twice, as
// the response of the operation and as the output of the batch.
type batchReader struct{ contentSum }

func (r *batchReader) event(_, data []byte) {
	var response, metadata, failure []byte
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		switch string(key) {
		case "name":
			r.id.set(c.value())
		case "response":
			response = c.value()
		case "metadata":
			metadata = c.value()
		case "error":
			failure = c.value()
		default:
			c.value()
		}
	}
	r.fail(r.inside(), failure)
	r.failBody(data)
	if !r.inlined(response) {
		r.inlined(rawMember(metadata, "output"))
	}
}

// inlined adds the answers inside an output; false if there are none, as when
// they are in a file.
func (r *batchReader) inlined(output []byte) bool {
	found := false
	for _, name := range [...]string{"inlinedResponses", "inlinedEmbedContentResponses"} {
		list := rawMember(output, name)
		if !isNull(list) && list[0] == '{' {
			list = rawMember(list, "inlinedResponses")
		}
		c := cursor{b: bytes.TrimSpace(list)}
		if !c.enter('[') {
			continue
		}
		for c.element() {
			r.line(c.value())
			found = true
		}
	}
	return found
}

// batchFileReader reads a file of Google's that was downloaded. That of a batch
// has a line with a key for each request, and the answer.
type batchFileReader struct{ contentSum }

// lineCount implements lineReader.
func (r *batchFileReader) lineCount() int { return r.lines }

func (r *batchFileReader) event(_, data []byte) {
	if r.status >= 400 {
		r.fail(r.where(), rawMember(data, "error"))
		r.failBody(data)
	}
	if r.status < 300 && !isNull(rawMember(data, "key")) {
		r.line(data)
	}
}

// report gives the sum of the lines so far: only the end of the answer says that
// there are no more.
func (r *batchFileReader) report(u *metering.Usage) reported {
	if r.contentSum.report(u) == reportedNothing {
		return reportedNothing
	}
	return reportedSoFar
}
