package dialect

import (
	"bytes"

	"github.com/weirhq/weir/metering"
)

func (r *messagesReader) unknownField(_, _ []byte) {}

func (r *messagesReader) report(u *metering.Usage) reported {
	if !r.usage.given() {
		if r.usage.input.bad || r.usage.output.bad {
			u.Flag(metering.FlagInvalidNumber)
		}
		return reportedNothing
	}
	n, flags := r.usage.normal()
	split, declined := r.usage.billable(r.model.String(), n)
	if split != nil {
		n = normal{}
		for i := range split {
			n.plus(split[i].normal)
		}
	}
	if declined > 0 {
		u.Quantities = append(u.Quantities, metering.Quantity{
			Name: "declined_attempts", Amount: metering.NumberOf(declined),
		})
	}
	n.fill(u)
	for _, f := range flags {
		u.Flag(f)
	}
	if len(split) > 1 || len(split) == 1 && split[0].model != u.Model {
		u.ByModel = byModel(split)
	}
	switch {
	case r.usage.output.bad:
		return reportedInput
	case r.usage.input.bad:
		return reportedOutput
	case r.final, r.terminal != "":
		return reportedAll
	default:
		return reportedSoFar // the output count of message_start is a placeholder
	}
}

// billable returns the share of each model where the usage object lists
// iterations: the counts at its top cover only those of type message, while
// compactions and advisors are billed too, the latter at their own model's
// rates. An attempt that was declined with no output, before another model
// answered, is not billed. It returns nil where the top says it all.
func (u *messageUsage) billable(model string, top normal) (split []modelUsage, declined int64) {
	if len(u.iterations) == 0 {
		return nil, 0
	}
	fallback := false
	for i := range u.iterations {
		fallback = fallback || u.iterations[i].kind == "fallback_message"
	}
	for i := range u.iterations {
		it := &u.iterations[i]
		if fallback && it.kind == "message" && it.output.n == 0 {
			declined++
			continue
		}
		n, _ := it.normal()
		name := it.model
		if name == "" {
			name = model
		}
		split = addModel(split, name, n)
	}
	if len(split) == 0 {
		return nil, declined
	}
	split[0].normal.reasoning = top.reasoning
	return split, declined
}

// usageObject is a JSON object of usage merged from several, each member's text
// verbatim.
type usageObject struct {
	names  [][]byte
	values [][]byte
}

// maxMembers bounds a merged object; recorded ones have at most nine members.
const maxMembers = 64

// merge takes the members of raw that are not null; a nested object replaces an
// earlier one of its name.
func (o *usageObject) merge(raw []byte) {
	c := cursor{b: raw}
	if !c.enter('{') {
		return
	}
	for {
		key, ok := c.member()
		if !ok {
			return
		}
		value := c.value()
		if isNull(value) || len(value) > maxRaw {
			continue
		}
		o.set(key, value)
	}
}

func (o *usageObject) set(key, value []byte) {
	for i := range o.names {
		if bytes.Equal(o.names[i], key) {
			o.values[i] = bytes.Clone(value)
			return
		}
	}
	if len(o.names) < maxMembers && len(key) <= maxLabel {
		o.names = append(o.names, bytes.Clone(key))
		o.values = append(o.values, bytes.Clone(value))
	}
}

// bytes is the object as JSON.
func (o *usageObject) bytes() []byte {
	b := []byte{'{'}
	for i := range o.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, o.names[i]...)
		b = append(b, '"', ':')
		b = append(b, o.values[i]...)
	}
	return append(b, '}')
}
