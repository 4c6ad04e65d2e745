package dialect

import "github.com/weirhq/weir/metering"

// modalities counts tokens by modality. Text is what remains of the whole.
type modalities [5]int64

// allocation is the order in which tokens without a stated modality are taken
// from the modalities: a cache holds a prefix, and prefixes are mostly text.
var allocation = [...]metering.Modality{
	metering.Text, metering.Image, metering.Audio, metering.Video, metering.Document,
}

func (m *modalities) sum() int64 {
	var n int64
	for _, v := range m {
		n += v
	}
	return n
}

// most is the modality with the most tokens.
func (m *modalities) most() metering.Modality {
	most := 0
	for i, v := range m {
		if v > m[most] {
			most = i
		}
	}
	return metering.Modality(most)
}

// normal is the form every dialect brings its counts into: wholes that include
// their parts.
type normal struct {
	input, output int64 // inclusive
	total         count // the provider's own

	cacheRead                    int64
	write5m, write30m, write1h   int64
	reasoning                    int64
	inputBy, cachedBy, generated modalities // parts that are not text; cachedBy is part of inputBy
}

// additive sets the input of APIs that count beside each other what was read at
// full price, read from the cache and written to it. What a breakdown of the
// writes does not cover, because there is none or because the total has grown
// since, takes the default of five minutes.
func (n *normal) additive(input, read, written, write5m, write1h count) (flags []metering.Flag) {
	all := written.n
	if !written.set {
		all = write5m.n + write1h.n
	}
	n.cacheRead = read.n
	n.input = input.n + read.n + all
	n.write1h = min(write1h.n, all)
	n.write5m = all - n.write1h
	switch parts := write5m.n + write1h.n; {
	case all > 0 && parts == 0:
		return []metering.Flag{metering.FlagTTLNotReported}
	case parts > all:
		return []metering.Flag{metering.FlagTotalMismatch}
	default:
		return nil
	}
}

// plus adds the counts of o, totals apart.
func (n *normal) plus(o normal) {
	n.input += o.input
	n.output += o.output
	n.cacheRead += o.cacheRead
	n.write5m += o.write5m
	n.write30m += o.write30m
	n.write1h += o.write1h
	n.reasoning += o.reasoning
	for i := range n.inputBy {
		n.inputBy[i] += o.inputBy[i]
		n.cachedBy[i] += o.cachedBy[i]
		n.generated[i] += o.generated[i]
	}
}

// cells splits the wholes into disjoint cells. Parts are kept as the provider
// gave them, and what remains of the whole is never below zero, so that where
// parts exceed their whole the cells do not add up; flags say so. Where the parts
// of the cache are of other modalities than those of the input, the input's
// stand: Vertex calls the pages of a PDF documents in one and images in the other.
func (n *normal) cells() metering.Tokens {
	var t metering.Tokens
	left := n.inputBy
	if left.sum() == 0 {
		left = n.cachedBy
	}
	left[metering.Text] = max(0, n.input-(left.sum()-left[metering.Text]))
	astray := int64(0)
	for m, cached := range n.cachedBy {
		take := min(cached, left[m])
		t[metering.InputCell(metering.CacheRead, metering.Modality(m))] += take
		left[m] -= take
		astray += cached - take
	}
	if most := left.most(); astray > 0 && left[most] >= astray {
		t[metering.InputCell(metering.CacheRead, most)] += astray
		left[most] -= astray
		astray = 0
	}
	allocate(&t, &left, metering.CacheRead, astray+max(0, n.cacheRead-n.cachedBy.sum()))
	allocate(&t, &left, metering.CacheWrite5m, n.write5m)
	allocate(&t, &left, metering.CacheWrite30m, n.write30m)
	allocate(&t, &left, metering.CacheWrite1h, n.write1h)
	for m, v := range left {
		t[metering.InputCell(metering.CacheNone, metering.Modality(m))] += v
	}
	parts := n.generated.sum() - n.generated[metering.Text] + n.reasoning
	for m, v := range n.generated {
		if metering.Modality(m) != metering.Text {
			t[metering.OutputCell(false, metering.Modality(m))] = v
		}
	}
	t[metering.OutputCell(true, metering.Text)] = n.reasoning
	t[metering.OutputCell(false, metering.Text)] = max(0, n.output-parts)
	return t
}

// allocate takes amount from left and counts it in the cache state.
func allocate(t *metering.Tokens, left *modalities, state metering.Cache, amount int64) {
	if amount <= 0 {
		return
	}
	for _, m := range allocation {
		take := min(amount, left[m])
		t[metering.InputCell(state, m)] += take
		left[m] -= take
		amount -= take
	}
	t[metering.InputCell(state, metering.Text)] += amount
}

// fill writes the counts into u and flags what does not add up.
func (n *normal) fill(u *metering.Usage) {
	u.Input, u.Output = n.input, n.output
	u.Total, u.HasTotal = n.total.n, n.total.set
	u.Tokens = n.cells()
	if n.cacheRead+n.write5m+n.write30m+n.write1h > n.input {
		u.Flag(metering.FlagCachedExceedInput)
	} else if u.Tokens.Input() != n.input {
		u.Flag(metering.FlagTotalMismatch)
	}
	if n.reasoning > n.output {
		u.Flag(metering.FlagReasoningExceeds)
	} else if u.Tokens.Output() != n.output {
		u.Flag(metering.FlagTotalMismatch)
	}
	if n.input == 0 && n.output == 0 && u.Tokens == (metering.Tokens{}) {
		u.Flag(metering.FlagAllZero)
	}
	if u.HasTotal && u.Total != n.input+n.output {
		u.Flag(metering.FlagTotalMismatch)
	}
	u.Reconcile()
}

// modelUsage is the share of one model in an answer of several.
type modelUsage struct {
	model  string
	normal normal
}

// addModel adds n to the share of model.
func addModel(split []modelUsage, model string, n normal) []modelUsage {
	for i := range split {
		if split[i].model == model {
			split[i].normal.plus(n)
			return split
		}
	}
	return append(split, modelUsage{model: model, normal: n})
}

func byModel(split []modelUsage) []metering.ModelTokens {
	out := make([]metering.ModelTokens, 0, len(split))
	for i := range split {
		n := &split[i].normal
		out = append(out, metering.ModelTokens{
			Model: split[i].model, Tokens: n.cells(), Input: n.input, Output: n.output,
		})
	}
	return out
}
