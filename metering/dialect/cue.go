package dialect

import (
	"bytes"

	"github.com/weirhq/weir/metering"
)

// cueReader finds where the last cue of subtitles ends, which is all that says how
// much was transcribed: SubRip's "00:00:01,000 --> 00:00:03,700", and WebVTT's
// (https://www.w3.org/TR/webvtt1/#webvtt-timestamp) "00:01.000 --> 00:03.700",
// where there may be no hours, and settings behind it.
type cueReader struct {
	line []byte          // so far; no more than maxCue
	end  metering.Number // in seconds
}

// maxCue is how much of a line is read; the longest timing of less than a hundred
// hours has 29 bytes.
const maxCue = 64

func (c *cueReader) feed(p []byte) {
	for len(p) > 0 {
		n := bytes.IndexByte(p, '\n')
		if n < 0 {
			n = len(p)
		}
		c.line = append(c.line, p[:min(n, maxCue-len(c.line))]...)
		if n == len(p) {
			return
		}
		if end, ok := cueEnd(c.line); ok && end.Compare(c.end) > 0 {
			c.end = end
		}
		c.line = c.line[:0]
		p = p[n+1:]
	}
}

// cueEnd reads the end of a cue from its line of timings.
func cueEnd(line []byte) (metering.Number, bool) {
	_, after, ok := bytes.Cut(line, []byte("-->"))
	if !ok {
		return metering.Number{}, false
	}
	after = bytes.TrimLeft(after, " \t")
	if n := bytes.IndexAny(after, " \t\r"); n >= 0 {
		after = after[:n]
	}
	// Hours if there are any, minutes, seconds, milliseconds.
	var parts [4]int64
	at, digits := 0, 0
	for _, b := range after {
		switch {
		case b >= '0' && b <= '9' && digits < 4:
			parts[at] = parts[at]*10 + int64(b-'0')
			digits++
		case (b == ':' || b == '.' || b == ',') && digits > 0 && at < len(parts)-1:
			at, digits = at+1, 0
		default:
			return metering.Number{}, false
		}
	}
	if at < 2 || digits != 3 {
		return metering.Number{}, false
	}
	seconds := parts[at-2]*60 + parts[at-1]
	if at == 3 {
		seconds += parts[0] * 3600
	}
	return metering.Number{Units: seconds, Picos: parts[at] * (metering.PicosPerUnit / 1000)}, true
}
