package dialect

import (
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
)

// walk calls visit with every raw value that a path leads to in a JSON text. It
// reads forward and needs no memory; of members with one name the last stands,
// as for most parsers. "#" as the last step visits the length of an array.
func walk(raw []byte, path []string, visit func(raw []byte)) {
	if len(path) == 0 {
		if len(raw) > 0 {
			visit(raw)
		}
		return
	}
	c := cursor{b: raw}
	if c.peek() == '[' {
		walkArray(&c, path, visit)
		return
	}
	if next := rawMember(raw, path[0]); next != nil {
		walk(next, path[1:], visit)
	}
}

func walkArray(c *cursor, path []string, visit func(raw []byte)) {
	step, index := path[0], -1
	if n, err := strconv.Atoi(step); err == nil && n >= 0 {
		index = n
	}
	c.enter('[')
	n := 0
	for ; c.element(); n++ {
		if v := c.value(); step == "*" || n == index {
			walk(v, path[1:], visit)
		}
	}
	if step == "#" && len(path) == 1 && !c.bad {
		visit(strconv.AppendInt(nil, int64(n), 10))
	}
}

// find reads the number of a rule in a JSON text; several are added up.
func (r *customRule) find(raw []byte) (sum metering.Number, ok bool) {
	walk(raw, r.path, func(raw []byte) {
		if n, is := amount(raw); is {
			sum, ok = sum.Add(n), true
		}
	})
	return sum, ok
}

// amount reads a number that can be a quantity, also one written as a text.
func amount(raw []byte) (metering.Number, bool) {
	if len(raw) > 2 && raw[0] == '"' && len(raw) < 64 {
		raw = raw[1 : len(raw)-1]
	}
	n, err := metering.ParseNumber(string(raw[:min(len(raw), 65)]))
	if err != nil || n.Units < 0 || n.Units > maxCount {
		return metering.Number{}, false
	}
	return n, true
}

// found is what a rule has found so far.
type found struct {
	n   metering.Number
	set bool
}

func (f *found) see(n metering.Number, add bool) {
	if add && f.set {
		n = f.n.Add(n)
	}
	f.n, f.set = n, true
}

// customReader applies the rules of a custom API to an answer.
type customReader struct {
	answer
	rules []customRule
	found []found
}

// begin reads what is known before the body comes.
func (r *customReader) begin(q Request, resp Response) {
	for i := range r.rules {
		rule := &r.rules[i]
		switch rule.From {
		case FromHeader:
			if resp.Header == nil {
				continue
			}
			if n, ok := amount([]byte(strings.TrimSpace(resp.Header(rule.Header)))); ok {
				r.found[i].see(n, false)
			}
		case FromRequest:
			at := slices.IndexFunc(q.Asked, func(have metering.Quantity) bool { return have.Name == rule.Name })
			if at >= 0 {
				r.found[i].see(q.Asked[at].Amount, false)
			}
		}
	}
}

func (r *customReader) event(name, data []byte) {
	if isDone(data) {
		r.end("[DONE]")
		return
	}
	for i := range r.rules {
		rule := &r.rules[i]
		switch {
		case r.stream && rule.From == FromEvent && (rule.Event == "" || rule.Event == string(name)),
			!r.stream && rule.From == FromResponse:
			if n, ok := rule.find(data); ok {
				r.found[i].see(n, rule.Sum)
			}
		}
	}
	r.model.set(rawMember(data, "model"))
	r.id.set(rawMember(data, "id"))
	r.fail(r.where(), rawMember(data, "error"))
}

func (*customReader) unknownField(_, _ []byte) {}

// report implements reader. Rules for streams say nothing about documents, nor
// the other way round.
func (r *customReader) report(u *metering.Usage) reported {
	var n normal
	complete := true
	for i := range r.rules {
		rule, f := &r.rules[i], r.found[i]
		applies := rule.From == FromHeader || rule.From == FromRequest || (rule.From == FromEvent) == r.stream
		if !f.set {
			complete = complete && (rule.Optional || !applies)
			continue
		}
		switch rule.Name {
		case "input_tokens":
			n.input = f.n.Units
		case "cached_input_tokens":
			n.cacheRead = f.n.Units
		case "output_tokens":
			n.output = f.n.Units
		case "reasoning_tokens":
			n.reasoning = f.n.Units
		default:
			r.counts.setNumber(rule.Name, f.n)
		}
	}
	n.fill(u)
	u.Flags = slices.DeleteFunc(u.Flags, func(f metering.Flag) bool { return f == metering.FlagAllZero })
	u.Quantities = slices.Clone([]metering.Quantity(r.counts))
	switch {
	case !complete:
		return reportedNothing
	case r.stream && r.terminal == "":
		return reportedSoFar // more may come
	default:
		return reportedAll
	}
}

// setNumber makes n the quantity of that name.
func (q *quantities) setNumber(name string, n metering.Number) {
	*q = slices.DeleteFunc(*q, func(have metering.Quantity) bool { return have.Name == name })
	q.add(name, n)
}

// customScanner is a scanner that does not estimate: of an API that nobody knows,
// what was not said is not known.
type customScanner struct {
	*scanner
	read *customReader
}

// Snapshot implements [Scanner].
func (s *customScanner) Snapshot() metering.Usage { return s.honest(s.scanner.Snapshot()) }

// Close implements [Scanner].
func (s *customScanner) Close(end End) metering.Usage { return s.honest(s.scanner.Close(end)) }

func (s *customScanner) honest(u metering.Usage) metering.Usage {
	switch u.State {
	case metering.UsageEstimated, metering.UsagePartial, metering.UsageUnknown:
	default:
		return u
	}
	known := metering.Usage{}
	s.read.report(&known)
	u.State, u.Estimate = metering.UsageUnknown, nil
	u.Tokens, u.Input, u.Output = known.Tokens, known.Input, known.Output
	u.Flag(metering.FlagUnreadable)
	return u
}
