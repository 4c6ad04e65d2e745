package catalogue

import (
	"slices"
	"strconv"
	"strings"
)

// Identify is the id of a rate that has none: level (but for the snapshot's),
// provider, SKU, the instant it is in force from, meter and conditions, as in
// "openai/gpt-5.4@2026-03-05/input+flex>272000" or "operator:openai/…".
func (r *Rate) Identify(l Level) string {
	return origin(l) + r.Provider + "/" + r.SKU + since(r.From) + "/" + r.Meter + r.When.Key()
}

// Identify is the id of a modifier that has none:
// "anthropic/*@2026-02-05/x1.1+region=us".
func (m *Modifier) Identify(l Level) string {
	skus := Any
	if len(m.SKUs) > 0 {
		skus = m.SKUs[0]
	}
	if more := len(m.SKUs) - 1; more > 0 {
		skus += ",+" + strconv.Itoa(more)
	}
	return origin(l) + m.Provider + "/" + skus + since(m.From) + "/x" + m.Multiply + m.When.Key()
}

func origin(l Level) string {
	if l == Embedded {
		return ""
	}
	return l.String() + ":"
}

func since(i Instant) string {
	if i == 0 {
		return ""
	}
	return "@" + i.String()
}

// Key is how conditions stand in an id: equal conditions, and only those, have
// equal keys.
func (w *When) Key() string {
	var b strings.Builder
	add := func(name, value string) {
		if value != "" {
			b.WriteString("+" + name + value)
		}
	}
	add("", w.Tier)
	add("region=", w.Region)
	add("endpoint=", w.Endpoint)
	add("speed=", w.Speed)
	add("calendar=", w.Calendar)
	for _, a := range w.Attributes {
		add(a.Name+"=", strings.Join(a.Values, ","))
	}
	add("plan=", w.Plan)
	add("any=", strings.Join(w.Any, ","))
	if w.Above > 0 {
		b.WriteString(">" + strconv.FormatInt(w.Above, 10))
		add("of=", strings.Join(w.Counts, ","))
		if w.Marginal {
			b.WriteString("+marginal")
		}
	}
	if v := w.Volume; v != nil {
		add(v.Pool+"/"+v.Window+">", strconv.FormatInt(v.From, 10))
	}
	return b.String()
}

// identified returns the rows with an id on every rate and modifier. Those that
// say otherwise the same as an earlier one get a number behind it.
func (r Rows) identified(l Level) Rows {
	taken := make(map[string]bool, len(r.Rates)+len(r.Modifiers))
	id := func(have, made string) string {
		if have != "" {
			taken[have] = true
			return have
		}
		name := made
		for n := 2; taken[name]; n++ {
			name = made + "~" + strconv.Itoa(n)
		}
		taken[name] = true
		return name
	}
	r.Rates, r.Modifiers = slices.Clone(r.Rates), slices.Clone(r.Modifiers)
	for i := range r.Rates {
		r.Rates[i].ID = id(r.Rates[i].ID, r.Rates[i].Identify(l))
	}
	for i := range r.Modifiers {
		r.Modifiers[i].ID = id(r.Modifiers[i].ID, r.Modifiers[i].Identify(l))
	}
	return r
}
