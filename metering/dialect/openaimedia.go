package dialect

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// medium is what an endpoint of images or audio makes.
type medium uint8

const (
	makesImages medium = iota
	makesSpeech
	makesTranscript
)

// mediaReader reads answers that make images, speech or transcripts: one JSON
// object, the typed events of a stream, or the bytes of the thing itself.
//
// Newer models report tokens and whisper seconds, in usage. DALL·E's answers only
// have their images in them, and the bytes of speech nothing at all: these are
// billed by what was asked for.
type mediaReader struct {
	openAIAnswer
	makes    medium
	images   int64 // those that have come
	awaited  int64 // events that end a stream: one for each image
	duration metering.Number
	cues     cueReader
}

// head takes how many images were asked for, and what Deepgram says in headers:
// it answers with bytes alone.
func (r *mediaReader) head(q Request, resp Response) {
	r.awaited = q.Choices
	if r.makes != makesSpeech || resp.Header == nil || resp.Status >= 400 {
		return
	}
	if model := resp.Header("dg-model-name"); model != "" {
		r.model.set(gjson.AppendJSONString(nil, model))
	}
	r.counts.set("characters", gjson.Parse(resp.Header("dg-char-count")))
}

func (r *mediaReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	var kind, usage []byte
	image := false
	eachMember(data, func(key, value []byte) {
		switch string(key) {
		case "type":
			kind = inner(value)
		case "usage":
			usage = value
		case "b64_json":
			image = true
		case "delta":
			r.show(value)
		case "text":
			if !r.stream {
				r.show(value)
			}
		case "error":
			r.fail(r.where(), value)
		default:
			r.about(key, value)
		}
	})
	r.see(usage)
	if !r.stream {
		r.images = r.elements
		r.failBody(data)
		r.countImages()
		return
	}
	switch {
	case string(kind) == "error" || string(name) == "error":
		r.fail("stream", data)
	case bytes.HasSuffix(kind, []byte(".done")), bytes.HasSuffix(kind, []byte(".completed")):
		if image {
			r.images++
			r.countImages()
		}
		if r.awaited--; r.awaited <= 0 {
			r.end(string(kind))
		}
	}
}

// about reads what is said of the thing made.
func (r *mediaReader) about(key, value []byte) {
	switch string(key) {
	case "model":
		r.model.set(value)
	case "size":
		r.said.Size = readName(value)
	case "quality":
		r.said.Quality = readName(value)
	case "duration":
		if r.makes == makesTranscript {
			var d quantities
			d.setCost("", gjson.ParseBytes(value))
			r.duration = d.of("")
		}
	}
}

// countImages keeps how many there are by now.
func (r *mediaReader) countImages() {
	if r.makes == makesImages {
		r.counts.put("images", metering.NumberOf(r.images))
	}
}

func (r *mediaReader) plain(p []byte) {
	if r.makes == makesTranscript {
		r.cues.feed(p)
	}
}

func (r *mediaReader) report(u *metering.Usage) reported {
	got := r.openAIAnswer.report(u)
	if r.stream && r.objects > 1 && got != reportedNothing {
		u.Flag(metering.FlagRepeated)
	}
	return got
}

// units counts the characters that were spoken and the seconds that were heard.
func (r *mediaReader) units(q Request, u *metering.Usage) {
	switch r.makes {
	case makesImages:
		// They have been, as they came.
	case makesSpeech:
		if r.counts.of("characters").IsZero() {
			addQuantity(u, "characters", q.askedFor("characters"))
		}
	case makesTranscript:
		heard := r.duration
		if heard.IsZero() {
			heard = r.cues.end
		}
		addQuantity(u, "audio_seconds", heard)
	}
}
