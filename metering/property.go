package metering

import "strings"

// Values of the properties "source" and "strategy".
const (
	sourceRecorded = "system" // a call that this program saw itself
	sourceReported = "user"   // an event that another source reported
	strategyLLM    = "LLM"
)

// strategy is how the usage of a call came about, by the protocol of its endpoint.
func strategy(endpoint string) string {
	protocol, _, _ := strings.Cut(endpoint, ".")
	switch protocol {
	case "s3":
		return "S3"
	case "bytes":
		return "Stream"
	case "custom":
		return "Custom"
	default:
		return strategyLLM
	}
}

// Property returns what a filter or an aggregation sees under a name; the zero
// Value means that the event has no such property.
//
// Every event has "name", "source" ("system" for a proxied call, "user" for a
// reported event) and "timestamp" (whole seconds since 1970 of the
// authorisation instant). Any other name, also with "metadata." before it, is
// looked for in the metadata, where a dot descends into an object: for a
// reported event that is [Event].Properties, for a proxied call it is computed:
//
//   - of calls whose usage is metered, with the numbers as recorded even where
//     they are an estimate: inputTokens, cachedInputTokens, outputTokens,
//     totalTokens, and the same as _llm.input_tokens, _llm.cached_input_tokens,
//     _llm.output_tokens and _llm.total_tokens, and _llm.cache_write_tokens and
//     _llm.reasoning_tokens besides. Input is inclusive of the cached part,
//     output of reasoning, and total is their sum;
//   - model (as requested), _llm.model (as the answer reports it, else as
//     requested), provider and _llm.vendor, upstream, endpoint, strategy ("LLM";
//     "Stream", "S3" or "Custom" for upstreams that are none);
//   - bytesIn and bytesOut (of the bodies), bytes (their sum), and, of calls that
//     have ended, duration (seconds) and deltaTime (milliseconds);
//   - the quantities of the call by their names (images, audio_seconds,
//     web_search_requests, …), and what else is known of it (the bucket and the
//     key of an object);
//   - _cost.amount (US cents) and _cost.currency, while the cost is known;
//   - the tags of the call, as strings. A tag named like one of the above is
//     hidden by it.
//
// Last, unless the metadata has properties of those names, "customer" and
// "customer_id" are the internal id of the customer and "external_customer_id"
// is the name that a reported event gave it. Of a reported event that has _llm and
// no numbers of its own, the four counts and the cost are those of its tokens. The
// names are those that Polar's
// ingestion gives to an LLM event, so that a meter made for it counts the same
// here.
func (e *Event) Property(name string) Value {
	switch name {
	case "name":
		return StringValue(e.Name)
	case "source":
		if e.reported() {
			return StringValue(sourceReported)
		}
		return StringValue(sourceRecorded)
	case "timestamp":
		return NumberValue(NumberOf(e.At.Time().Unix()))
	}
	path, prefixed := strings.CutPrefix(name, "metadata.")
	if v := e.metadata(path); prefixed || !v.IsZero() {
		return v
	}
	switch path {
	case "customer", "customer_id":
		return text(e.Customer)
	case "external_customer_id":
		return text(e.ExternalCustomer)
	}
	return Value{}
}

// reported tells an event of another source from a call: every call has an
// outcome, and every reported event has metadata, if only an empty object.
func (e *Event) reported() bool { return e.Outcome == "" && len(e.Properties) > 0 }

func (e *Event) metadata(path string) Value {
	if e.reported() {
		return e.reportedProperty(path)
	}
	if v := e.callProperty(path); !v.IsZero() {
		return v
	}
	for i := range e.Tags {
		if e.Tags[i].Name == path {
			return StringValue(e.Tags[i].Value)
		}
	}
	return Value{}
}

// callProperty computes a property of a proxied call.
func (e *Event) callProperty(path string) Value {
	switch path {
	case "strategy":
		return StringValue(strategy(e.Endpoint))
	case "upstream":
		return text(e.Upstream)
	case "endpoint":
		return text(e.Endpoint)
	case "provider", "_llm.vendor":
		return text(e.Provider)
	case "model":
		return firstText(e.Model, e.Usage.Model)
	case "_llm.model":
		return firstText(e.Usage.Model, e.Model)
	case "_cost.amount":
		if e.costKnown() {
			return NumberValue(e.Cost.Cents())
		}
	case "_cost.currency":
		if e.costKnown() {
			return StringValue("usd")
		}
	default:
		if n, ok := e.tokenProperty(path); ok {
			return NumberValue(NumberOf(n))
		}
		return e.measured(path)
	}
	return Value{}
}

// measured is what the proxy has measured of a call itself, or what the answer
// said beside tokens.
func (e *Event) measured(path string) Value {
	switch path {
	case "bytesIn":
		return NumberValue(NumberOf(e.BodyBytes))
	case "bytesOut":
		return NumberValue(NumberOf(e.BytesOut))
	case "bytes":
		return NumberValue(NumberOf(e.BodyBytes + e.BytesOut))
	case "duration", "deltaTime":
		if e.End < e.At || e.At == 0 {
			return Value{}
		}
		took, micros := int64(e.End-e.At), int64(1_000_000) // of the unit
		if path == "deltaTime" {
			micros = 1_000
		}
		return NumberValue(Number{Units: took / micros, Picos: took % micros * (PicosPerUnit / micros)})
	}
	for _, q := range e.Usage.Quantities {
		if q.Name == path {
			return NumberValue(q.Amount)
		}
	}
	for _, a := range e.Usage.Attributes {
		if a.Name == path {
			return StringValue(a.Value)
		}
	}
	return Value{}
}

// tokenProperty counts the tokens that a name stands for. An unmetered call has
// none of these properties: that nobody looked for its usage is not zero.
func (e *Event) tokenProperty(path string) (n int64, ok bool) {
	t := &e.Usage.Tokens
	switch path {
	case "totalTokens", "_llm.total_tokens":
		n = t.Input() + t.Output()
	case "inputTokens", "_llm.input_tokens":
		n = t.Input()
	case "outputTokens", "_llm.output_tokens":
		n = t.Output()
	case "cachedInputTokens", "_llm.cached_input_tokens":
		n = t.sum(func(c Cell) bool { return c.Cache() == CacheRead })
	case "_llm.cache_write_tokens":
		n = t.sum(func(c Cell) bool { return c.Cache() > CacheRead })
	case "_llm.reasoning_tokens":
		n = t.sum(Cell.Reasoning)
	default:
		return 0, false
	}
	return n, e.Metered || *t != Tokens{}
}

func (t *Tokens) sum(in func(Cell) bool) int64 {
	var n int64
	for i, v := range t {
		if v != 0 && in(Cell(i)) {
			n += v
		}
	}
	return n
}

// costKnown reports whether the cost is worth anything as a number.
func (e *Event) costKnown() bool {
	switch e.CostState {
	case CostExact, CostProvisional, CostFree, CostStated, CostPriced, CostWithdrawn:
		return true
	default:
		return false
	}
}

// Cents returns the amount in US cents, exactly.
func (c Cost) Cents() Number {
	const perCent = MicrosPerDollar / 100
	c = c.Normal()
	units, rest := c.Micros/perCent, c.Micros%perCent
	if rest < 0 {
		units, rest = units-1, rest+perCent
	}
	// rest micro-dollars and c.Picos pico-dollars are below a cent, which is
	// 1e10 pico-dollars, so a hundred of them are below the 1e12 parts of a Number.
	return Number{Units: units, Picos: (rest*PicosPerMicro + c.Picos) * 100}
}

// text is a string property that is absent when it is empty.
func text(s string) Value {
	if s == "" {
		return Value{}
	}
	return StringValue(s)
}

func firstText(a, b string) Value {
	if a == "" {
		a = b
	}
	return text(a)
}
