package dialect

import (
	"slices"

	"github.com/weirhq/weir/metering"
)

// lineSum adds up the answers of a batch. Models may differ by line.
type lineSum struct {
	lines   int // that have the shape of a batch's output
	objects int // usage objects
	sum     modelSum
	bad     bool // a count that is none
	flags   []metering.Flag
	counts  quantities
	model   label // the latest
}

// add adds one line: an answer in response.body, as OpenAI and Mistral write it,
// or in batch_result.response, by the operation, as xAI does. A line without an
// answer is an error, which costs nothing.
func (s *lineSum) add(line []byte) {
	var response, result []byte
	eachMember(line, func(key, value []byte) {
		switch string(key) {
		case "response":
			response = value
		case "batch_result":
			result = value
		case "custom_id", "batch_request_id":
			s.lines++
		}
	})
	if result != nil {
		eachMember(rawMember(result, "response"), func(_, answer []byte) { s.answer(answer) })
		return
	}
	s.answer(rawMember(response, "body"))
}

// answer adds the usage of one answer.
func (s *lineSum) answer(body []byte) {
	var usage []byte
	eachMember(body, func(key, value []byte) {
		switch string(key) {
		case "usage":
			usage = value
		case "model":
			s.model.set(value)
		}
	})
	if len(usage) == 0 || usage[0] != '{' {
		return
	}
	s.objects++
	var beside answer
	u := readOpenAIUsage(usage, &beside)
	for _, f := range u.flags {
		if !slices.Contains(s.flags, f) {
			s.flags = append(s.flags, f)
		}
	}
	s.bad = s.bad || u.input.bad || u.output.bad
	for _, q := range beside.counts {
		s.counts.add(q.Name, q.Amount)
	}
	s.sum.add(s.model.String(), u.normal)
}

// fill writes the sums into u.
func (s *lineSum) fill(u *metering.Usage) reported {
	if s.objects == 0 {
		return reportedNothing
	}
	for _, f := range s.flags {
		u.Flag(f)
	}
	for _, q := range s.counts {
		addQuantity(u, q.Name, q.Amount)
	}
	s.sum.fill(u)
	if s.bad {
		return reportedInput
	}
	return reportedSoFar // only the end of the answer says that there are no more
}

// linesReader reads the output file of a batch: JSON lines.
type linesReader struct {
	answer
	sum lineSum
}

func (r *linesReader) event(_, data []byte) {
	r.sum.add(data)
	r.objects = r.sum.objects
	r.model.set(r.sum.model.raw)
	if r.status >= 400 {
		r.fail(r.where(), rawMember(data, "error"))
		r.failBody(data)
	}
}

func (r *linesReader) unknownField(_, _ []byte) {}

// lineCount implements lineReader.
func (r *linesReader) lineCount() int { return r.sum.lines }

func (r *linesReader) report(u *metering.Usage) reported { return r.sum.fill(u) }

// resultsReader reads a page of the results of a batch of xAI's.
type resultsReader struct{ linesReader }

func (r *resultsReader) event(_, data []byte) {
	eachMember(data, func(key, value []byte) {
		if string(key) == "results" {
			eachElement(value, r.sum.add)
		}
	})
	r.objects = r.sum.objects
	r.model.set(r.sum.model.raw)
	r.fail(r.where(), rawMember(data, "error"))
	r.failBody(data)
}
