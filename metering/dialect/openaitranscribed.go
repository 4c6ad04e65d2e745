package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// methodSpeech names an estimate of seconds by where speech began and ended.
const methodSpeech = "speech"

// transcribed is the turn of a transcription of what the user said.
func (s *openAISession) transcribed(e *socketEvent) []Turn {
	id := readName(e.itemID)
	if n := rawCount(e.index); n.n > 0 {
		id += "#" + string(e.index) // one item may have several parts of audio
	}
	if len(e.usage) == 0 && len(e.status) > 0 || s.turns.hasEnded(id) {
		// xAI transcribes as it listens and bills that time with the response.
		return nil
	}
	s.turns.remember(id)
	read := &transcribedReader{}
	t := newTurn(s.route, Request{Model: s.hear.String()}, read)
	t.see(e.usage)
	done := t.close(Ended, s.listen.String())
	done.Usage.ObjectID = id
	if !read.usage.given() && !read.timed {
		bySpeech(&done.Usage, s.voice.seconds(readName(e.itemID)))
	}
	return []Turn{done}
}

// transcribedReader reads the usage of a transcription, tokens or a duration. Old
// versions of the API send none; then the length of the speech is all there is.
type transcribedReader struct {
	answer
	usage openAIUsage
	timed bool
}

// event sees a usage object.
func (r *transcribedReader) event(_, data []byte) {
	r.end("input_audio_transcription.completed")
	if len(data) == 0 || data[0] != '{' {
		return
	}
	r.objects++
	r.usage = readOpenAIUsage(data, &r.answer)
	if v := gjson.GetBytes(data, "seconds"); v.Type == gjson.Number {
		r.counts.set("audio_seconds", v)
		r.timed = true
	}
	if r.usage.given() || r.timed {
		r.keepUsage(data)
	}
}

func (r *transcribedReader) unknownField(_, _ []byte) {}

func (r *transcribedReader) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	switch {
	case r.usage.given():
		r.usage.normal.fill(u)
		return reportedAll
	case r.timed:
		return reportedAll
	default:
		return reportedNothing
	}
}

// bySpeech makes u an estimate of so many seconds, if that is known.
func bySpeech(u *metering.Usage, seconds int64) {
	u.State, u.Estimate = metering.UsageUnknown, nil
	if seconds > 0 {
		u.State = metering.UsageEstimated
		u.Estimate = &metering.Estimate{Method: methodSpeech}
		u.Quantities = []metering.Quantity{{Name: "audio_seconds", Amount: metering.NumberOf(seconds)}}
	}
}

// maxSpeech bounds what is remembered of who spoke when.
const maxSpeech = 16

// speech remembers how long the latest items of speech were.
type speech struct {
	items [maxSpeech]struct {
		id         string
		start, end count
	}
	next int
}

func (s *speech) begin(id string, at count) {
	s.items[s.next].id, s.items[s.next].start, s.items[s.next].end = id, at, count{}
	s.next = (s.next + 1) % maxSpeech
}

func (s *speech) stop(id string, at count) {
	for i := range s.items {
		if s.items[i].id == id {
			s.items[i].end = at
		}
	}
}

// seconds is the length of an item, begun seconds whole as they are billed; 0 if
// it is not known.
func (s *speech) seconds(id string) int64 {
	for _, item := range s.items {
		if item.id == id && item.start.set && item.end.set && item.end.n > item.start.n {
			return (item.end.n - item.start.n + 999) / 1000
		}
	}
	return 0
}
