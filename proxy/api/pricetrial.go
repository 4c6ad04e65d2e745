package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// PriceQuestion is a call whose cost is asked for, without making it.
type PriceQuestion struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`              // as requested
	Answered string `json:"answered,omitempty"` // the model that the answer names, where it is another
	At       string `json:"at,omitempty"`       // an instant, date or span; empty: now
	Tier     string `json:"tier,omitempty"`     // service tier as the answer reports it
	Region   string `json:"region,omitempty"`
	Speed    string `json:"speed,omitempty"`      // speed mode as the answer reports it
	Deployed string `json:"deployment,omitempty"` // kind of deployment, such as provisioned

	// What was used: either a usage object as the provider writes it, or an answer
	// that has one, or numbers.
	Usage      json.RawMessage   `json:"usage,omitempty"`
	Dialect    string            `json:"dialect,omitempty"` // that reads it; empty: the provider's
	Tokens     map[string]int64  `json:"tokens,omitempty"`  // by cell
	Quantities map[string]string `json:"quantities,omitempty"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// PriceTrial is how a call would be priced.
type PriceTrial struct {
	State  metering.CostState `json:"state"`
	Reason string             `json:"reason"`   // why there is no cost, or why it is not certain
	Cost   *metering.Cost     `json:"cost_usd"` // null: unknown
	Book   string             `json:"book"`
	At     Instant            `json:"at"`

	Tokens     metering.Tokens   `json:"tokens"`     // what was read or given
	Quantities map[string]string `json:"quantities"` // beside tokens

	Models   []TrialModel  `json:"models"`
	Lines    []TrialLine   `json:"lines"`
	Rejected []TrialReject `json:"rejected"` // rates of what was used that do not hold
}

// TrialModel is how a model was found.
type TrialModel struct {
	SKU   catalogue.SKU   `json:"sku"`
	Layer catalogue.Level `json:"layer"`
	Match catalogue.Match `json:"match"`
}

// TrialLine is one line of the cost, and why its rate holds.
type TrialLine struct {
	Line
	Layer     catalogue.Level      `json:"layer"`
	Row       catalogue.Rate       `json:"row"`
	Because   []string             `json:"because"`
	Modifiers []catalogue.Modifier `json:"modifiers"`
}

// TrialReject is a rate that does not hold.
type TrialReject struct {
	Item   string          `json:"item"`
	Layer  catalogue.Level `json:"layer"`
	Row    catalogue.Rate  `json:"row"`
	Reason string          `json:"reason"`
}

// maxAmounts bounds the amounts of one question.
const maxAmounts = 50

// testPrices prices a call that nobody made.
func (s *Server) testPrices(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	e := s.readQuestion(c, o)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	return ok(showTrial(s.opts.Prices.book().Try(e), e))
}

// readQuestion makes an event of what is asked.
func (s *Server) readQuestion(c *call, o *object) *metering.Event {
	e := &metering.Event{Call: metering.Call{
		Org: c.org, At: c.at(), Metered: true, Endpoint: "test",
		Provider: o.label("provider", 1, maxPriceName), Model: o.label("model", 1, maxPriceName),
	}}
	if at := o.label("at", 0, 60); at != "" {
		m, err := ParseTime(at, c.now, c.query.zone)
		if err != nil {
			o.fault("at", "must be an instant (2026-01-31T12:00:00Z), a date (2026-01-31) or a span from now (-24h, -7d)")
		}
		e.At = m
	}
	u := &e.Usage
	u.State = metering.UsageExact
	usage, read := o.take("usage")
	name := o.label("dialect", 0, 40)
	tokens, counted := o.take("tokens")
	quantities := o.amounts("quantities")
	switch {
	case read && (counted || len(quantities) > 0):
		o.fault("usage", "and numbers exclude each other")
	case read:
		s.readUsage(o, usage, name, e)
	case counted:
		if err := json.Unmarshal(tokens, &u.Tokens); err != nil {
			o.fault("tokens", "must be an object of whole numbers by the names of token cells, such as input and output")
		}
		for _, n := range u.Tokens {
			if n < 0 || n > maxStated {
				o.fault("tokens", "must be from 0 to %d each", maxStated)
				break
			}
		}
	case len(quantities) == 0:
		o.fault("tokens", "or usage or quantities must be given: what was used")
	}
	if !read {
		u.Quantities = quantities
		u.Input, u.Output = u.Tokens.Input(), u.Tokens.Output()
	}
	s.readFacts(o, e, read)
	return e
}

// readFacts reads what prices depend on beside amounts. What an answer says
// itself is not said again.
func (s *Server) readFacts(o *object, e *metering.Event, read bool) {
	u := &e.Usage
	u.Model = cmp.Or(o.label("answered", 0, maxPriceName), u.Model)
	u.ServiceTier = cmp.Or(o.label("tier", 0, maxPriceName), u.ServiceTier)
	u.Region = cmp.Or(o.label("region", 0, maxPriceName), u.Region)
	modes := make(map[string]string)
	for name, member := range map[string]string{"speed": "speed", "deployment": "trafficType"} {
		if value := o.label(name, 0, maxPriceName); value != "" {
			modes[member] = value
		}
		if read && modes[member] != "" {
			o.fault(name, "is what the usage says; leave it out")
		}
	}
	if len(modes) > 0 && !read {
		raw, err := json.Marshal(modes)
		if err != nil {
			o.fault("speed", "%v", err)
		}
		u.Raw = raw
	}
	given := o.labels("attributes")
	for _, name := range slices.Sorted(maps.Keys(given)) {
		u.Attributes = append(u.Attributes, metering.Tag{Name: name, Value: given[name]})
	}
	slices.SortFunc(u.Attributes, func(a, b metering.Tag) int { return strings.Compare(a.Name, b.Name) })
}

// labels reads an object of texts.
func (o *object) labels(name string) map[string]string {
	raw, there := o.take(name)
	if !there {
		return nil
	}
	in := readObject(raw, o.at(name), o.faults)
	out := make(map[string]string, len(in.names))
	if len(in.names) > maxAmounts {
		o.fault(name, "must have at most %d members", maxAmounts)
		return nil
	}
	for _, key := range in.names {
		out[key] = in.label(key, 1, maxPriceName)
	}
	return out
}

// amounts reads decimals by name.
func (o *object) amounts(name string) []metering.Quantity {
	raw, there := o.take(name)
	if !there {
		return nil
	}
	in := readObject(raw, o.at(name), o.faults)
	if len(in.names) > maxAmounts {
		o.fault(name, "must have at most %d members", maxAmounts)
		return nil
	}
	var out []metering.Quantity
	for _, key := range slices.Sorted(slices.Values(in.names)) {
		n, _ := in.decimal(key)
		out = append(out, metering.Quantity{Name: key, Amount: n})
	}
	return out
}

// readUsage has a dialect read the usage object, or a whole answer.
func (s *Server) readUsage(o *object, raw json.RawMessage, name string, e *metering.Event) {
	if name == "" {
		name = s.dialectOf(e.Provider)
	}
	d, known := dialect.Named(name)
	if !known {
		o.fault("dialect", "is none that reads JSON: openai, anthropic, gemini, cohere or bedrock")
		return
	}
	path, body := wholeAnswer(name, e.Model, raw)
	r := d.Route("POST", path)
	sc := d.Scanner(r, dialect.Request{Model: e.Model}, dialect.Response{Status: 200, ContentType: "application/json"})
	sc.Scan(body)
	u := sc.Close(dialect.Ended)
	if u.State != metering.UsageExact {
		o.fault("usage", "has no usage that the dialect %s can read; it is what an answer of %s has", name, path)
		return
	}
	e.Usage, e.Endpoint = u, string(r.Endpoint)
}

// dialectOf is the dialect in which a provider answers, as the upstreams say.
func (s *Server) dialectOf(provider string) string {
	if s.opts.Upstreams != nil {
		for _, u := range s.opts.Upstreams() {
			if u.Provider == provider {
				return u.Dialect
			}
		}
	}
	switch provider {
	case "anthropic", "cohere", "bedrock":
		return provider
	case "google", "vertex":
		return "gemini"
	default:
		return "openai"
	}
}

// wholeAnswer puts a usage object into an answer, and names a path that answers
// like that. What has a usage object in it is an answer already.
func wholeAnswer(name, model string, raw json.RawMessage) (path string, body []byte) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		return "/v1/chat/completions", raw
	}
	_, responses := members["input_tokens"]
	wrap := func(member string) []byte {
		if _, whole := members[member]; whole {
			return raw
		}
		return slices.Concat([]byte(`{`), []byte(strconv.Quote(member)), []byte(`:`), raw, []byte(`}`))
	}
	switch name {
	case "anthropic":
		return "/v1/messages", wrap("usage")
	case "gemini":
		return "/v1beta/models/" + model + ":generateContent", wrap("usageMetadata")
	case "cohere":
		return "/v2/chat", wrap("usage")
	case "bedrock":
		return "/model/" + model + "/converse", wrap("usage")
	}
	if answer, whole := members["usage"]; whole {
		var inner map[string]json.RawMessage
		if json.Unmarshal(answer, &inner) == nil {
			_, responses = inner["input_tokens"]
		}
	}
	if responses {
		return "/v1/responses", wrap("usage")
	}
	return "/v1/chat/completions", wrap("usage")
}

func showTrial(t pricebook.Trial, e *metering.Event) PriceTrial {
	out := PriceTrial{
		State: t.State, Reason: t.Reason, Book: t.Book, At: Instant(e.At), Tokens: e.Usage.Tokens, Quantities: make(map[string]string),
		Models: []TrialModel{}, Lines: []TrialLine{}, Rejected: []TrialReject{},
	}
	if t.State != metering.CostUnpriced {
		out.Cost = &t.Cost
	}
	for _, q := range e.Usage.Quantities {
		out.Quantities[q.Name] = q.Amount.String()
	}
	for _, m := range t.Matches {
		out.Models = append(out.Models, TrialModel{m.SKU, m.Level, showMatch(m.Match)})
	}
	for _, l := range t.Lines {
		line := Line{Item: l.Item, Quantity: l.Quantity.String(), Price: l.Price, Per: l.Per, Rate: l.Rate, Amount: l.Amount}
		out.Lines = append(out.Lines, TrialLine{line, l.Level, withPer(l.Row), because(&l.Row.When), orEmpty(l.Modifiers)})
	}
	for _, r := range t.Rejected {
		out.Rejected = append(out.Rejected, TrialReject{r.Item, r.Level, withPer(r.Row), r.Reason})
	}
	return out
}

// because is what a call has to have for a rate to hold, for people.
func because(w *catalogue.When) []string {
	out := []string{}
	add := func(format, value string) {
		if value != "" {
			out = append(out, fmt.Sprintf(format, value))
		}
	}
	add("service tier %s", w.Tier)
	add("region %s", w.Region)
	add("deployment %s", w.Endpoint)
	add("speed %s", w.Speed)
	add("in the hours of %s", w.Calendar)
	add("plan %s", w.Plan)
	add("any %s", strings.Join(w.Any, ", "))
	if w.Above > 0 {
		of := cmp.Or(strings.Join(w.Counts, "+"), "input")
		out = append(out, fmt.Sprintf("more than %d tokens of %s", w.Above, of))
	}
	for _, a := range w.Attributes {
		out = append(out, a.Name+" is "+strings.Join(a.Values, " or "))
	}
	if v := w.Volume; v != nil {
		out = append(out, fmt.Sprintf("beyond %d of %s in a %s", v.From, v.Pool, v.Window))
	}
	return out
}
