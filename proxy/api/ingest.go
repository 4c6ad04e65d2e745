package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Bounds of a batch of events. They are those that Polar documents for its
// ingestion endpoint, whose shape this one has; the sizes of the batch are ours.
const (
	maxIngest      = 4 << 20
	maxBatch       = 1000
	maxEventName   = 128
	maxExternalID  = 255
	maxMetadata    = 50
	maxMetadataKey = 40
	maxMetadataStr = 500

	// maxAhead is how far a sender's clock may be ahead of ours.
	maxAhead = 60_000_000
)

// ingestEvents takes a batch of events from another source, all or none.
func (s *Server) ingestEvents(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	if !o.has("events") {
		o.fault("events", "is required")
	}
	items := o.list("events", maxBatch)
	o.close()
	b := batch{Server: s, call: c, byID: map[string]owner{}, byExternal: map[string]owner{}}
	events := make([]*metering.Event, 0, len(items))
	for i, raw := range items {
		e, err := b.read(readObject(raw, fmt.Sprintf("events[%d]", i), &c.faults))
		if err != nil {
			return answer{}, err
		}
		events = append(events, e)
	}
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if len(events) == 0 {
		return ok(Ingested{Conflicts: []string{}})
	}
	result, err := s.opts.Store.Ingest(c.Context(), c.org, events)
	if err != nil {
		return answer{}, fmt.Errorf("ingest %d events: %w", len(events), err)
	}
	return ok(Ingested{result.Inserted, result.Duplicates, orEmpty(result.Conflicts)})
}

// batch reads the events of one request and asks for each customer once.
type batch struct {
	*Server
	*call
	byID, byExternal map[string]owner
}

type owner struct {
	id    string
	known bool
}

// read reads one event. What is wrong with it is noted as a fault; an error is
// of the store.
func (b *batch) read(o *object) (*metering.Event, error) {
	id, err := metering.NewID()
	if err != nil {
		return nil, err
	}
	e := &metering.Event{Name: o.label("name", 1, maxEventName)}
	e.ID, e.Org, e.At = id, b.org, b.at()
	if o.has("timestamp") {
		if e.At = o.instant("timestamp"); e.At > b.at()+maxAhead {
			o.fault("timestamp", "is in the future; it is %s here", Instant(b.at()))
		}
	}
	e.End = e.At
	e.ExternalID = o.label("external_id", 0, maxExternalID)
	if err := b.owner(o, e); err != nil {
		return nil, err
	}
	e.Usage.State = metering.UsageNone
	readMetadata(o, e)
	o.close()
	b.price(e)
	return e, nil
}

// owner finds whose event it is. An external id that nobody has yet is kept:
// the event belongs to the customer that gets it.
func (b *batch) owner(o *object, e *metering.Event) error {
	id, external := o.label("customer_id", 0, 64), o.label("external_customer_id", 0, maxExternal)
	if (id == "") == (external == "") {
		o.faults.add(o.path, "needs exactly one of customer_id and external_customer_id")
		return nil
	}
	ref, known := id, b.byID
	if external != "" {
		ref, known = external, b.byExternal
	}
	found, asked := known[ref]
	if !asked {
		var err error
		if found, err = b.ask(ref, external != ""); err != nil {
			return err
		}
		known[ref] = found
	}
	if id != "" && !found.known {
		o.fault("customer_id", "names no customer")
	}
	e.Customer, e.ExternalCustomer = found.id, external
	return nil
}

// ask looks a customer up by one kind of reference alone: an external id that
// looks like somebody's id is not theirs.
func (b *batch) ask(ref string, external bool) (owner, error) {
	found, err := b.opts.Store.Customer(b.Context(), b.org, ref)
	if errors.Is(err, metering.ErrNotFound) {
		return owner{}, nil
	}
	if err != nil {
		return owner{}, fmt.Errorf("find customer: %w", err)
	}
	if external && found.ExternalID != ref || !external && found.ID != ref {
		return owner{}, nil
	}
	return owner{found.ID, true}, nil
}

// price says what the event cost upstream: what the sender states, else what
// its tokens cost by the book. An event without either cost nothing.
func (b *batch) price(e *metering.Event) {
	switch {
	case e.CostState == metering.CostStated:
	case !e.Metered:
		e.CostState = metering.CostFree
	case b.opts.Pricer == nil:
		e.CostState, e.CostReason = metering.CostUnpriced, "no cost was stated"
	default:
		b.opts.Pricer.Price(e)
	}
}

// readMetadata reads the properties of the event. They are stored with their
// members sorted and each once, so that both databases see the same object.
func readMetadata(o *object, e *metering.Event) {
	rawMetadata, present := o.take("metadata")
	if !present {
		e.Properties = json.RawMessage("{}")
		return
	}
	m := readObject(rawMetadata, o.at("metadata"), o.faults)
	if len(m.names) > maxMetadata {
		m.faults.add(m.path, "must have at most %d members, has %d", maxMetadata, len(m.names))
		return
	}
	kept := make(map[string]json.RawMessage, len(m.names))
	for _, name := range m.names {
		value, present := m.take(name)
		if n := utf8.RuneCountInString(name); n == 0 || n > maxMetadataKey || unprintable(name) != "" {
			m.fault(name, "must have a name of 1 to %d printable characters", maxMetadataKey)
			continue
		}
		switch name {
		case "_cost":
			readCost(readObject(value, m.at(name), m.faults), e)
		case "_llm":
			value = readLLM(readObject(value, m.at(name), m.faults), e)
		default:
			if message := unfitProperty(value, present); message != "" {
				m.fault(name, "%s", message)
			}
		}
		kept[name] = value
	}
	b, err := json.Marshal(kept)
	if err != nil {
		m.faults.add(m.path, "cannot be kept: %v", err)
	}
	e.Properties = b
}

// unfitProperty says why a value cannot be a property, or nothing.
func unfitProperty(value json.RawMessage, present bool) string {
	var v metering.Value
	switch {
	case !present || value[0] == '{' || value[0] == '[':
		return "must be a string, a number or a boolean"
	case json.Unmarshal(value, &v) != nil:
		return "must be a number of at most twelve decimals below 2^63"
	case utf8.RuneCountInString(v.Text) > maxMetadataStr:
		return fmt.Sprintf("must have at most %d characters", maxMetadataStr)
	}
	return ""
}

// readCost reads a stated cost: US cents with at most twelve decimals and
// seventeen digits. We keep pico-dollars, which is ten decimals of a cent; the
// rest is rounded half away from zero, and the text as sent stays in the event.
func readCost(o *object, e *metering.Event) {
	value, present := o.take("amount")
	if currency := o.text("currency", 3, 3); currency != "usd" && currency != "" {
		o.fault("currency", "must be usd")
	}
	o.close()
	if !present {
		o.fault("amount", "is required")
		return
	}
	text := string(value)
	if value[0] == '"' {
		if json.Unmarshal(value, &text) != nil {
			text = ""
		}
	}
	n, err := metering.ParseNumber(text)
	if err != nil || digits(text) > 17 || n.Units > maxCents || n.Units < -maxCents {
		o.fault("amount", "must be a decimal of US cents, at most %d, with at most 17 digits, 12 of them decimals", int64(maxCents))
		return
	}
	// cents/1e12 → dollars/1e12: divide by 100.
	cents := new(big.Int).Mul(big.NewInt(n.Units), big.NewInt(metering.PicosPerUnit))
	cents.Add(cents, big.NewInt(n.Picos))
	e.Cost, e.CostState = costOfCents(cents), metering.CostStated
	e.Usage.StatedCost = &metering.StatedCost{Amount: text, Unit: "usd/1e2", Field: "metadata._cost.amount"}
}

// maxCents bounds a stated cost, a million dollars, so that no sum of them
// leaves the 63 bits of a column.
const maxCents = 100_000_000

// digits counts the digits of a number from the first that is not zero.
func digits(text string) int {
	mantissa, _, _ := strings.Cut(strings.ToLower(text), "e")
	return len(strings.TrimLeft(strings.NewReplacer("-", "", "+", "", ".", "").Replace(mantissa), "0"))
}

// costOfCents converts 1e-12 cents.
func costOfCents(cents *big.Int) metering.Cost {
	half := big.NewInt(50)
	if cents.Sign() < 0 {
		half.Neg(half)
	}
	picos := new(big.Int).Quo(new(big.Int).Add(cents, half), big.NewInt(100))
	micros, rest := new(big.Int).DivMod(picos, big.NewInt(metering.PicosPerMicro), new(big.Int))
	return metering.Cost{Micros: micros.Int64(), Picos: rest.Int64()}
}

// maxCount bounds a reported number of tokens, as the dialects do.
const maxCount = 1_000_000_000

// readLLM reads reported tokens and returns what is kept of them: prompt and
// response are accepted, because senders have them, and never stored.
func readLLM(o *object, e *metering.Event) json.RawMessage {
	vendor, model := o.label("vendor", 1, 100), o.label("model", 1, 200)
	input := o.required("input_tokens", 0, maxCount)
	output := o.required("output_tokens", 0, maxCount)
	total := o.required("total_tokens", 0, 2*maxCount)
	cached := o.integer("cached_input_tokens", 0, 0, maxCount)
	o.text("prompt", 0, maxIngest)
	o.text("response", 0, maxIngest)
	o.close()
	if cached > input {
		o.fault("cached_input_tokens", "is more than input_tokens, of which it is a part")
	}
	e.Provider, e.Model, e.Metered = vendor, model, true
	u := &e.Usage
	u.State, u.Model = metering.UsageExact, model
	u.Tokens[metering.InputCell(metering.CacheNone, metering.Text)] = input - cached
	u.Tokens[metering.InputCell(metering.CacheRead, metering.Text)] = cached
	u.Tokens[metering.OutputCell(false, metering.Text)] = output
	u.Input, u.Output, u.Total, u.HasTotal = input, output, total, true
	u.Reconcile()
	kept, err := json.Marshal(map[string]any{
		"vendor": vendor, "model": model, "input_tokens": input, "output_tokens": output,
		"total_tokens": total, "cached_input_tokens": cached,
	})
	if err != nil {
		o.faults.add(o.path, "cannot be kept: %v", err)
	}
	return kept
}
