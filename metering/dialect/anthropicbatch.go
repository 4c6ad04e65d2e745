package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// messageBatchReader reads a batch of messages, which says how many of its
// requests have come to what; their usage is in its results.
type messageBatchReader struct{ answer }

func (r *messageBatchReader) event(_, data []byte) {
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "id":
			r.id.set(value)
		case "request_counts":
			r.counts.setAll("batch_requests.", gjson.ParseBytes(value))
		case "error":
			r.fail(r.where(), value)
		}
	})
	r.failBody(data)
}

func (r *messageBatchReader) unknownField(_, _ []byte) {}

func (r *messageBatchReader) report(*metering.Usage) reported { return reportedNothing }

// messageResultsReader reads the results of a batch: JSON lines, each with the
// message that answers one request, or with why there is none, which costs nothing
// (https://docs.anthropic.com/en/docs/build-with-claude/batch-processing).
type messageResultsReader struct {
	answer
	lines int
	sum   modelSum
}

// lineCount implements lineReader.
func (r *messageResultsReader) lineCount() int { return r.lines }

func (r *messageResultsReader) event(_, data []byte) {
	r.fail(r.where(), rawMember(data, "error"))
	r.failBody(data)
	if id := rawMember(data, "custom_id"); isNull(id) {
		return
	}
	r.lines++
	message := rawMember(rawMember(data, "result"), "message")
	if isNull(message) {
		return
	}
	var one messagesReader
	one.event(nil, message)
	r.objects += one.objects
	r.model.set(one.model.raw)
	r.tier.set(one.tier.raw)
	r.region.set(one.region.raw)
	for _, q := range one.counts {
		r.counts.add(q.Name, q.Amount)
	}
	if one.usage.given() {
		r.add(&one)
	}
}

// add adds the usage of one message.
func (r *messageResultsReader) add(one *messagesReader) {
	n, flags := one.usage.normal()
	for _, f := range flags {
		if len(r.flags) < maxQuantities {
			r.flags = append(r.flags, f)
		}
	}
	split, declined := one.usage.billable(one.model.String(), n)
	r.counts.add("declined_attempts", metering.NumberOf(declined))
	if split == nil {
		split = []modelUsage{{model: one.model.String(), normal: n}}
	}
	for _, share := range split {
		r.sum.add(share.model, share.normal)
	}
}

func (r *messageResultsReader) unknownField(_, _ []byte) {}

// report gives the sum of the lines so far: only the end of the answer says that
// there are no more.
func (r *messageResultsReader) report(u *metering.Usage) reported {
	if !r.sum.given() {
		return reportedNothing
	}
	r.sum.fill(u)
	return reportedSoFar
}
