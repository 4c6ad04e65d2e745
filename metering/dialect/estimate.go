package dialect

import (
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/estimate"
)

// Counter counts the tokens of texts, each for itself. ok is false if it cannot
// tell now.
type Counter interface {
	Count(e estimate.Encoding, texts []string) (n int64, ok bool)
}

// Evidence is what an estimate is made from besides what the scanner saw. What
// is missing is estimated by bytes.
type Evidence struct {
	Provider string  // whose tokenizer it was
	Body     []byte  // of the request, as the client sent it; nil: not held
	Counter  Counter // nil: none
}

// Estimating is a scanner that can estimate better than by bytes what was not
// reported. Of reported usage CloseWith returns what Close does.
type Estimating interface {
	Scanner

	// CloseWith is Close with evidence.
	CloseWith(end End, e Evidence) metering.Usage
}

// bytesPerToken is the common rule of thumb for English text and code with the
// byte-pair encodings in use.
const bytesPerToken = 4

// methodBytes names the estimate in [metering.Estimate].
const methodBytes = "bytes/4"

// estimate replaces what was not reported: of the input by the text of the
// request, of the output by what the answer showed, counted by a tokenizer where
// there is evidence and one can be had, else by a fourth of the bytes.
//
// A token of a byte-level encoding is at least a byte, so as many tokens as
// bytes bound both from above, as long as the request is closed (no references
// to files or earlier answers) and reasoning is visible; an output cap that was
// asked for is the bound where reasoning may be hidden, and no estimate is
// beyond it.
func (s *scanner) estimate(u *metering.Usage, got reported, ev *Evidence) {
	m := &measurement{s: s, ev: ev, scheme: estimate.SchemeOf(ev.Provider, s.modelName(u))}
	e := &metering.Estimate{}
	hidden := max(s.req.OutputCap, 0) * max(s.req.Choices, 1)
	a := s.read.state()
	if a.text == 0 && s.framing == framingOther {
		hidden = max(hidden, s.seen)
	}
	if got == reportedNothing || got == reportedOutput {
		in := m.input()
		u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] += in.n
		u.Input += in.n
		e.Input, e.Low, e.High = in.n, in.low, in.high
	} else {
		e.Low, e.High = u.Input, u.Input
	}
	if got == reportedOutput {
		e.Low += u.Output
		e.High += u.Output
	} else {
		out := m.output(got)
		if s.req.OutputCap > 0 {
			out.n = min(out.n, max(hidden-u.Output, 0))
			out.low = min(out.low, out.n)
		}
		e.Low += u.Output + out.low
		e.High += max(u.Output+out.high, hidden)
		u.Tokens[metering.OutputCell(false, metering.Text)] += out.n
		u.Output += out.n
		e.Output = out.n
	}
	e.High = max(e.High, u.Input+u.Output)
	e.Method = m.method()
	u.Estimate = e
}

// modelName is the model that is known best.
func (s *scanner) modelName(u *metering.Usage) string {
	if u.Model != "" {
		return u.Model
	}
	return s.req.Model
}

// figure is an estimate with what bounds it.
type figure struct{ n, low, high int64 }

// measurement counts for one estimate.
type measurement struct {
	s       *scanner
	ev      *Evidence
	scheme  estimate.Scheme
	counted bool // some of it by the tokenizer
	rough   bool // some of it by bytes
}

// method names how it was counted.
func (m *measurement) method() string {
	switch {
	case m.counted && m.rough:
		return m.scheme.Method() + "+" + methodBytes
	case m.counted:
		return m.scheme.Method()
	default:
		return methodBytes
	}
}

// count counts texts, if that can be done.
func (m *measurement) count(texts []string) (n int64, ok bool) {
	if m.ev.Counter == nil {
		return 0, false
	}
	if n, ok = m.ev.Counter.Count(m.scheme.Encoding, texts); ok && n > 0 {
		m.counted = true
	}
	return n, ok
}

// byBytes is a fourth of the bytes.
func (m *measurement) byBytes(n int64) int64 {
	m.rough = m.rough || n > 0
	return bounded((n + bytesPerToken - 1) / bytesPerToken)
}

// input estimates what was sent.
func (m *measurement) input() figure {
	body := max(0, m.s.req.BodyBytes)
	if len(m.ev.Body) > 0 {
		// Of a request in which no text was found, the shape is not one that is known.
		ask := readAsk(m.ev.Body)
		texts, ok := m.count(ask.texts)
		schemas, also := m.count(ask.schemas)
		if ok && also && texts+schemas > 0 {
			all := texts + schemas
			f := figure{n: bounded(m.scheme.Of(all) + ask.framing()), low: m.scheme.Low(texts), high: max(body, m.scheme.High(all)) + ask.beyond()}
			f.high = max(f.high, f.n)
			return f
		}
		m.counted = false
	}
	return figure{n: m.byBytes(body), high: body}
}

// output estimates what came since the latest report of it.
func (m *measurement) output(got reported) figure {
	a := m.s.read.state()
	since := a.text - a.textThen
	if got == reportedNothing || got == reportedInput {
		since = a.text
	}
	f := figure{high: since}
	rest := since
	if a.shown != nil && a.shown.Len() > 0 {
		if n, ok := m.count(a.shown.Texts()); ok {
			f.n, f.low, f.high = m.scheme.Of(n), m.scheme.Low(n), max(since, m.scheme.High(n))
			rest = max(0, since-int64(a.shown.Len()))
		}
	}
	f.n = bounded(f.n + m.byBytes(rest))
	f.high = max(f.high, f.n)
	return f
}

// bounded keeps an estimate within what is believed of a count.
func bounded(n int64) int64 { return min(n, maxCount) }
