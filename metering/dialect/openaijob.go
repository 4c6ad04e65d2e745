package dialect

import (
	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// jobReader reads objects that stand for work that ends later: batches, tuning
// jobs, videos. Their status is how they have ended, and their usage, where they
// have any, is of all that was done by then.
type jobReader struct {
	openAIAnswer
	batch bool
	sum   lineSum // of a batch whose answers stand in its object
}

func (r *jobReader) event(_, data []byte) {
	var usage []byte
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "id", "batch_id":
			r.id.set(value)
		case "model":
			r.model.set(value)
		case "status":
			r.finish.set(value)
		case "usage":
			usage = value
		case "outputs":
			eachElement(value, r.sum.add)
		case "trained_tokens":
			r.counts.set("trained_tokens", gjson.ParseBytes(value))
		case "error":
			r.failJob(value)
		}
	})
	r.see(usage)
	r.failBody(data)
	if r.sum.objects > 0 {
		r.objects = r.sum.objects
	}
}

// failJob takes an error, of a job that failed or of the call. Objects of jobs
// that have not failed may have an error without a word in it.
func (r *jobReader) failJob(raw []byte) {
	v := gjson.ParseBytes(raw)
	if v.IsObject() && scalar(v.Get("message")) == "" && scalar(v.Get("code")) == "" {
		return
	}
	where := "body"
	if r.status < 400 {
		where = "response"
	}
	r.fail(where, raw)
}

func (r *jobReader) report(u *metering.Usage) reported {
	if got := r.sum.fill(u); got != reportedNothing {
		return got
	}
	got := r.openAIAnswer.report(u)
	if r.batch && got != reportedNothing {
		u.Flag(metering.FlagBatchPrice)
	}
	return got
}

// videoReader reads videos, which are billed by the second at the price of their
// size.
type videoReader struct {
	jobReader
	seconds metering.Number // as the answer says
}

func (r *videoReader) event(name, data []byte) {
	r.jobReader.event(name, data)
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "seconds":
			r.seconds = readSeconds(value)
		case "size":
			r.said.Size = readName(value)
		case "video":
			r.seconds = readSeconds(rawMember(value, "duration"))
		}
	})
	r.counts.put("video_seconds", r.seconds)
}

// units counts the seconds that were asked for.
func (r *videoReader) units(q Request, u *metering.Usage) {
	if r.seconds.IsZero() {
		addQuantity(u, "video_seconds", q.askedFor("video_seconds"))
	}
}

// readSeconds reads a duration: OpenAI writes it as a text, xAI as a number. What
// is none, or beyond a day, is zero.
func readSeconds(raw []byte) metering.Number {
	v := gjson.ParseBytes(raw)
	if v.Type == gjson.String {
		v = gjson.Parse(v.Str)
	}
	var q quantities
	q.setCost("", v)
	if n := q.of(""); n.Units < 24*60*60 {
		return n
	}
	return metering.Number{}
}
