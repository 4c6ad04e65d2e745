package dialect

import (
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// bedrockUsage is a TokenUsage of Converse, the invocation metrics of a stream,
// or the counts in the header of an answer. Unlike OpenAI's, its input is what
// was neither read from a cache nor written to it.
type bedrockUsage struct {
	input, output, total                    count
	cacheRead, cacheWrite, write5m, write1h count
	cacheReadTwin, cacheWriteTwin           count // the same under the other name
	flags                                   []metering.Flag
}

// readBedrockUsage reads a usage object in any of the spellings that Bedrock
// has, and adds what it says beyond tokens to a.
func readBedrockUsage(v gjson.Result, a *answer) *bedrockUsage {
	u := &bedrockUsage{}
	v.ForEach(func(key, v gjson.Result) bool {
		switch k := key.String(); k {
		case "inputTokens", "inputTokenCount":
			u.input = readCount(v)
		case "outputTokens", "outputTokenCount":
			u.output = readCount(v)
		case "totalTokens", "totalTokenCount":
			u.total = readCount(v)
		case "cacheReadInputTokens":
			u.cacheRead = readCount(v)
		case "cacheReadInputTokenCount":
			u.cacheReadTwin = readCount(v)
		case "cacheWriteInputTokens":
			u.cacheWrite = readCount(v)
		case "cacheWriteInputTokenCount":
			u.cacheWriteTwin = readCount(v)
		case "cacheDetails":
			u.readDetails(v)
		case "serverToolUsage":
			v.ForEach(func(tool, n gjson.Result) bool {
				a.counts.set(clean(snake(tool.String()), maxLabel), n)
				return true
			})
		case "pydantic_ai_gateway":
			a.gatewayCost(v)
		default:
			if isTokenCount(k, v) || strings.HasSuffix(k, "Tokens") && isTokenCount("_tokens", v) {
				u.flags = append(u.flags, metering.FlagUnknownField)
			}
		}
		return true
	})
	u.cacheRead, u.cacheWrite = u.cacheRead.or(u.cacheReadTwin), u.cacheWrite.or(u.cacheWriteTwin)
	return u
}

// readDetails reads how much was written to the cache for how long.
func (u *bedrockUsage) readDetails(v gjson.Result) {
	if !v.IsArray() {
		return
	}
	v.ForEach(func(_, d gjson.Result) bool {
		n := readCount(d.Get("inputTokens"))
		to := &u.write5m
		switch d.Get("ttl").String() {
		case "5m":
		case "1h":
			to = &u.write1h
		default:
			u.flags = append(u.flags, metering.FlagUnknownField)
			return true
		}
		to.n, to.set, to.bad = to.n+n.n, to.set || n.set, to.bad || n.bad
		return true
	})
}

// given reports whether the object had any count at all.
func (u *bedrockUsage) given() bool {
	return u != nil && (u.input.set || u.output.set || u.cacheRead.set || u.cacheWrite.set)
}

// fill adds what v has and u lacks.
func (u *bedrockUsage) fill(v *bedrockUsage) {
	if v == nil {
		return
	}
	u.input, u.output = u.input.or(v.input), u.output.or(v.output)
	u.cacheRead, u.cacheWrite = u.cacheRead.or(v.cacheRead), u.cacheWrite.or(v.cacheWrite)
}

// agrees reports whether no count differs of those that both have.
func (u *bedrockUsage) agrees(input, output int64) bool {
	return (!u.input.set || u.input.n+u.cacheRead.n+u.cacheWrite.n == input) && (!u.output.set || u.output.n == output)
}

// normal brings the counts into the common form: the whole input is what was
// read at full price, read from the cache and written to it.
func (u *bedrockUsage) normal() (n normal, flags []metering.Flag) {
	flags = u.flags
	for _, c := range []count{u.input, u.output, u.total, u.cacheRead, u.cacheWrite, u.write5m, u.write1h} {
		if c.bad {
			flags = append(flags, metering.FlagInvalidNumber)
		}
	}
	n.output, n.total = u.output.n, u.total
	return n, append(flags, n.additive(u.input, u.cacheRead, u.cacheWrite, u.write5m, u.write1h)...)
}

// report writes the counts into to and says how much of a usage they are.
func (u *bedrockUsage) report(to *metering.Usage, final bool) reported {
	if !u.given() {
		if u != nil && (u.input.bad || u.output.bad) {
			to.Flag(metering.FlagInvalidNumber)
		}
		return reportedNothing
	}
	n, flags := u.normal()
	n.fill(to)
	for _, f := range flags {
		to.Flag(f)
	}
	switch {
	case !u.output.set:
		return reportedInput
	case !u.input.set:
		return reportedOutput
	case !final:
		return reportedSoFar
	default:
		return reportedAll
	}
}

// snake writes webSearchRequests as web_search_requests.
func snake(camel string) string {
	var b strings.Builder
	for i, c := range camel {
		if c >= 'A' && c <= 'Z' {
			if i > 0 {
				b.WriteByte('_')
			}
			c += 'a' - 'A'
		}
		b.WriteRune(c)
	}
	return b.String()
}
