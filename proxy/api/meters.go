package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Bounds of a meter.
const (
	maxDepth    = 5
	maxClauses  = 50
	maxProperty = 200
	maxValue    = 1000
	maxValues   = 100
)

func (s *Server) listMeters(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Store.Meters(c.Context(), c.org, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showMeter))
}

func (s *Server) createMeter(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	m := metering.Meter{Org: c.org, Name: o.label("name", 1, maxName), Created: c.at()}
	m.Filter = metering.Filter{Conjunction: metering.And}
	if raw, present := o.take("filter"); present {
		m.Filter = readFilter(readObject(raw, o.at("filter"), o.faults), 1)
	}
	if raw, present := o.take("aggregation"); present {
		m.Aggregate = readAggregate(readObject(raw, o.at("aggregation"), o.faults))
	} else {
		o.fault("aggregation", "is required")
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	made, err := s.opts.Store.CreateMeter(c.Context(), m)
	if errors.Is(err, metering.ErrConflict) {
		return answer{}, problem(CodeConflict, fmt.Sprintf("a meter named %q exists", m.Name))
	}
	if err != nil {
		return answer{}, fmt.Errorf("create meter: %w", err)
	}
	return created(showMeter(made))
}

func readAggregate(o *object) metering.Aggregate {
	a := metering.Aggregate{Func: choice(o, "func", metering.AggregateCount, metering.AggregateSum, metering.AggregateAvg,
		metering.AggregateMin, metering.AggregateMax, metering.AggregateUnique)}
	a.Property = o.label("property", 0, maxProperty)
	if a.Func == metering.AggregateCount && a.Property != "" {
		o.fault("property", "has no meaning for count")
	}
	if a.Func != metering.AggregateCount && a.Property == "" {
		o.fault("property", "is required for %s", a.Func)
	}
	o.close()
	return a
}

func readFilter(o *object, depth int) metering.Filter {
	f := metering.Filter{Conjunction: choice(o, "conjunction", metering.And, metering.Or)}
	if depth > maxDepth {
		o.faults.add(o.path, "is nested more than %d deep", maxDepth)
		return f
	}
	items := o.list("clauses", maxClauses)
	if depth > 1 && len(items) == 0 {
		o.fault("clauses", "must not be empty")
	}
	for i, raw := range items {
		f.Clauses = append(f.Clauses, readClause(readObject(raw, fmt.Sprintf("%s[%d]", o.at("clauses"), i), o.faults), depth))
	}
	o.close()
	return f
}

func readClause(o *object, depth int) metering.Clause {
	if o.has("clauses") || o.has("conjunction") {
		nested := readFilter(o, depth+1)
		return metering.Clause{Filter: &nested}
	}
	cl := metering.Clause{Property: o.label("property", 1, maxProperty)}
	if !o.has("operator") {
		o.fault("operator", "is required")
	}
	cl.Operator = choice(o, "operator", metering.OpEq, metering.OpNe, metering.OpGt, metering.OpGte, metering.OpLt,
		metering.OpLte, metering.OpIn, metering.OpLike, metering.OpNotLike)
	cl.Value = readValue(o, cl.Operator)
	o.close()
	return cl
}

// readValue reads what a clause compares with and refuses what could never
// match: an operator decides which kinds of value mean anything.
func readValue(o *object, op metering.Operator) metering.Value {
	raw, present := o.take("value")
	if !present {
		o.fault("value", "is required")
		return metering.Value{}
	}
	var v metering.Value
	if err := json.Unmarshal(raw, &v); err != nil {
		o.fault("value", "must be a string, true, false, a number of at most twelve decimals, or a list of them")
		return v
	}
	kinds := []metering.Kind{metering.KindString, metering.KindNumber, metering.KindBool}
	switch op {
	case metering.OpIn:
		kinds = []metering.Kind{metering.KindList}
	case metering.OpLike, metering.OpNotLike:
		kinds = []metering.Kind{metering.KindString}
	case metering.OpGt, metering.OpGte, metering.OpLt, metering.OpLte:
		kinds = []metering.Kind{metering.KindNumber}
	default:
	}
	if !slices.Contains(kinds, v.Kind) {
		o.fault("value", "is of a kind that %s does not compare with", op)
	}
	if v.Kind == metering.KindList && (len(v.List) == 0 || len(v.List) > maxValues) {
		o.fault("value", "must have 1 to %d elements", maxValues)
	}
	for _, e := range append([]metering.Value{v}, v.List...) {
		if utf8.RuneCountInString(e.Text) > maxValue {
			o.fault("value", "must have at most %d characters", maxValue)
		}
	}
	for _, e := range v.List {
		if e.Kind == metering.KindList || e.Kind == metering.KindNone {
			o.fault("value", "must be a list of strings, numbers and booleans")
		}
	}
	return v
}

// meter finds the meter that the path names.
func (s *Server) meter(c *call) (metering.Meter, error) {
	ref := c.PathValue("meter")
	m, err := s.opts.Store.Meter(c.Context(), c.org, ref)
	if errors.Is(err, metering.ErrNotFound) {
		return m, notFound("meter", ref)
	}
	if err != nil {
		return m, fmt.Errorf("find meter: %w", err)
	}
	return m, nil
}

func (s *Server) showMeter(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	m, err := s.meter(c)
	if err != nil {
		return answer{}, err
	}
	return ok(showMeter(m))
}

func (s *Server) updateMeter(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	name := o.label("name", 1, maxName)
	o.close() // filter and aggregation are what its history was counted by
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	m, err := s.meter(c)
	if err != nil {
		return answer{}, err
	}
	err = s.opts.Store.RenameMeter(c.Context(), c.org, m.ID, name)
	if errors.Is(err, metering.ErrConflict) {
		return answer{}, problem(CodeConflict, fmt.Sprintf("a meter named %q exists", name))
	}
	if err != nil {
		return answer{}, fmt.Errorf("rename meter: %w", err)
	}
	m.Name = name
	return ok(showMeter(m))
}

func (s *Server) archiveMeter(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	m, err := s.meter(c)
	if err != nil {
		return answer{}, err
	}
	if m.Archived == 0 {
		if err := s.opts.Store.ArchiveMeter(c.Context(), c.org, m.ID, c.at()); err != nil {
			return answer{}, fmt.Errorf("archive meter: %w", err)
		}
		m.Archived = c.at()
	}
	return ok(showMeter(m))
}

func (s *Server) listQuantities(c *call) (answer, error) {
	q := metering.QuantityQuery{Org: c.org, Zone: c.query.zoned()}
	q.From, q.To = c.query.span()
	q.Interval = c.query.text("interval", 10)
	if !slices.Contains([]string{"", "hour", "day", "month"}, q.Interval) {
		c.query.fault("interval", "must be hour, day or month")
	}
	if q.Interval != "" && q.From == 0 {
		c.query.fault("from", "is required with an interval")
	}
	if q.To == 0 {
		q.To = c.at()
	}
	if q.Interval != "" && rows(q) > maxRows {
		c.query.fault("interval", "gives more than %d rows; take a longer one or a shorter span", maxRows)
	}
	ref := c.query.text("customer", 512)
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	m, err := s.meter(c)
	if err != nil {
		return answer{}, err
	}
	if q.Customer, err = s.customerID(c, ref); err != nil {
		return answer{}, err
	}
	q.Meter = m.ID
	found, err := s.opts.Store.Quantities(c.Context(), q)
	if err != nil {
		return answer{}, fmt.Errorf("quantities: %w", err)
	}
	out := Quantities{Meter: m.ID, Items: make([]Quantity, 0, len(found))}
	for _, r := range found {
		out.Items = append(out.Items, Quantity{Instant(r.From), r.Quantity, r.Exact, r.Events})
	}
	return ok(out)
}

// maxRows bounds an answer that has no pages: two months of hours.
const maxRows = 1500

func rows(q metering.QuantityQuery) int64 {
	const hour = 3600 * 1_000_000
	span := int64(q.To - q.From)
	switch q.Interval {
	case "hour":
		return span / hour
	case "day":
		return span / (24 * hour)
	default:
		return span / (28 * 24 * hour)
	}
}
