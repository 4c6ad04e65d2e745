package dialect

import "github.com/weirhq/weir/metering"

// openAIAnswer is the state of readers of answers that have one usage object in
// OpenAI's shapes. Of several the last with counts stands.
type openAIAnswer struct {
	answer
	usage openAIUsage
	// billed: a usage object said something else than tokens that is billed.
	billed bool
}

// see takes one usage object.
func (r *openAIAnswer) see(raw []byte) {
	if len(raw) == 0 || raw[0] != '{' {
		return
	}
	r.objects++
	u := readOpenAIUsage(raw, &r.answer)
	seconds := r.counts.of("audio_seconds")
	switch {
	case u.given(), len(u.flags) > 0 && !r.usage.given():
		r.usage = u
	case r.stated.cost == nil && seconds.IsZero():
		return
	}
	r.billed = r.billed || r.stated.cost != nil || !seconds.IsZero()
	r.keepUsage(raw)
}

func (r *openAIAnswer) unknownField(_, _ []byte) {}

func (r *openAIAnswer) report(u *metering.Usage) reported {
	for _, f := range r.usage.flags {
		u.Flag(f)
	}
	if !r.usage.given() {
		if r.billed {
			return reportedAll
		}
		return reportedNothing
	}
	r.usage.normal.fill(u)
	switch {
	case r.usage.output.bad:
		return reportedInput
	case r.usage.input.bad, !r.usage.input.set && !r.usage.total.set:
		return reportedOutput
	default:
		return reportedAll
	}
}

// eachMember calls see for each member of the object that data is.
func eachMember(data []byte, see func(key, value []byte)) {
	c := cursor{b: data}
	if !c.enter('{') {
		return
	}
	for key, ok := c.member(); ok; key, ok = c.member() {
		see(key, c.value())
	}
}

// eachElement calls see for each element of the array that data is.
func eachElement(data []byte, see func(value []byte)) {
	c := cursor{b: data}
	if !c.enter('[') {
		return
	}
	for c.element() {
		see(c.value())
	}
}

// earlierReader reads what repeats the usage of an earlier request: a retrieval,
// or a poll.
type earlierReader struct{ reader }

func (r earlierReader) report(u *metering.Usage) reported {
	got := r.reader.report(u)
	if got == reportedNothing {
		u.Quantities = nil // what was asked for is counted where it was
		return got
	}
	u.Flag(metering.FlagEarlierRequest)
	return got
}
