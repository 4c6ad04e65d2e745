package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// clauseRows is how many conditions the form of a meter has.
const clauseRows = 3

// metersPage is the list of meters.
type metersPage struct {
	Meters []meterRow
	Pager  page.Pager
	Form   form
}

// meterRow is a meter in words.
type meterRow struct{ metering.Meter }

// Rule is what the meter counts.
func (m meterRow) Rule() string { return ruleText(m.Aggregate) }

// Where is which events it counts.
func (m meterRow) Where() string { return filterText(&m.Filter) }

// Functions are the aggregations for the form.
func (metersPage) Functions() []metering.Aggregation {
	return []metering.Aggregation{
		metering.AggregateSum, metering.AggregateCount, metering.AggregateAvg, metering.AggregateMin, metering.AggregateMax, metering.AggregateUnique,
	}
}

// Properties are those that every call has; a tag or a property of a reported
// event can be typed.
func (metersPage) Properties() []string {
	return []string{
		"name", "model", "provider", "totalTokens", "inputTokens", "cachedInputTokens", "outputTokens", "_llm.reasoning_tokens", "_llm.cache_write_tokens",
		"_cost.amount", "customer_id", "source",
	}
}

// Operators are for the form.
func (metersPage) Operators() []metering.Operator { return operators() }

func operators() []metering.Operator {
	return []metering.Operator{
		metering.OpEq, metering.OpNe, metering.OpGt, metering.OpGte, metering.OpLt, metering.OpLte, metering.OpIn, metering.OpLike, metering.OpNotLike,
	}
}

// Clauses are the numbers of the conditions of the form.
func (metersPage) Clauses() []int {
	out := make([]int, clauseRows)
	for i := range out {
		out[i] = i
	}
	return out
}

func ruleText(a metering.Aggregate) string {
	if a.Func == metering.AggregateCount {
		return "number of events"
	}
	what := map[metering.Aggregation]string{
		metering.AggregateSum: "sum of", metering.AggregateAvg: "average of", metering.AggregateMin: "least", metering.AggregateMax: "greatest", metering.AggregateUnique: "number of different",
	}[a.Func]
	return what + " " + a.Property
}

// filterText is a filter in words.
func filterText(f *metering.Filter) string {
	if len(f.Clauses) == 0 {
		return "every event"
	}
	parts := make([]string, 0, len(f.Clauses))
	for i := range f.Clauses {
		c := &f.Clauses[i]
		if c.Filter != nil {
			parts = append(parts, "("+filterText(c.Filter)+")")
			continue
		}
		value, err := c.Value.MarshalJSON()
		if err != nil {
			value = []byte("?")
		}
		parts = append(parts, fmt.Sprintf("%s %s %s", c.Property, operatorText(c.Operator), value))
	}
	return strings.Join(parts, " "+string(f.Conjunction)+" ")
}

func operatorText(o metering.Operator) string {
	words := map[metering.Operator]string{
		metering.OpEq: "=", metering.OpNe: "≠", metering.OpGt: ">", metering.OpGte: "≥", metering.OpLt: "<", metering.OpLte: "≤",
		metering.OpIn: "is one of", metering.OpLike: "contains", metering.OpNotLike: "does not contain",
	}
	return words[o]
}

func (s *Server) showMeters(w http.ResponseWriter, r *http.Request) error {
	return s.listMeters(w, r, http.StatusOK, form{})
}

func (s *Server) listMeters(w http.ResponseWriter, r *http.Request, status int, f form) error {
	cursor := r.URL.Query().Get("cursor")
	list, next, err := s.opts.Store.Meters(r.Context(), s.opts.Org, listed, cursor)
	if err != nil {
		return fmt.Errorf("meters: %w", err)
	}
	out := metersPage{Form: f}
	for _, m := range list {
		out.Meters = append(out.Meters, meterRow{m})
	}
	if out.Pager, err = pagerOf(r, cursor, next); err != nil {
		return err
	}
	s.site.Render(w, r, status, "meters", out)
	return nil
}

func (s *Server) createMeter(w http.ResponseWriter, r *http.Request) error {
	m, err := s.newMeter(r)
	if mendable(err) {
		return s.listMeters(w, r, http.StatusUnprocessableEntity, refusedForm(r, err))
	}
	if err != nil {
		return err
	}
	s.opts.Logger.InfoContext(r.Context(), "meter made", "meter", m.ID, "by", viewer(r))
	http.Redirect(w, r, Base+"/meters/"+url.PathEscape(m.ID), http.StatusSeeOther)
	return nil
}

func (s *Server) newMeter(r *http.Request) (metering.Meter, error) {
	m := metering.Meter{Org: s.opts.Org, Created: s.at(), Filter: metering.Filter{Conjunction: metering.And}}
	var err error
	if m.Name, err = label(r, "name", "the name", 1, metering.MaxMeterName); err != nil {
		return m, err
	}
	m.Aggregate.Func = metering.Aggregation(r.PostFormValue("func"))
	if m.Aggregate.Property, err = label(r, "property", "the property", 0, metering.MaxPropertyName); err != nil {
		return m, err
	}
	if m.Aggregate.Func != metering.AggregateCount && m.Aggregate.Property == "" {
		return m, invalid("choose the property that the meter is to read")
	}
	if r.PostFormValue("conjunction") == string(metering.Or) {
		m.Filter.Conjunction = metering.Or
	}
	for i := range clauseRows {
		c, ok, err := readClause(r, i)
		if err != nil {
			return m, err
		}
		if ok {
			m.Filter.Clauses = append(m.Filter.Clauses, c)
		}
	}
	if err := m.Validate(); err != nil {
		return m, err
	}
	made, err := s.opts.Store.CreateMeter(r.Context(), m)
	if errors.Is(err, metering.ErrConflict) {
		return m, fmt.Errorf("a meter named %q exists: %w", m.Name, metering.ErrConflict)
	}
	if err != nil {
		return m, fmt.Errorf("make a meter: %w", err)
	}
	return made, nil
}

// readClause reads one condition of the form; ok is false for an empty one.
func readClause(r *http.Request, i int) (c metering.Clause, ok bool, err error) {
	n := strconv.Itoa(i)
	if c.Property, err = label(r, "property"+n, "the property of a condition", 0, metering.MaxPropertyName); err != nil || c.Property == "" {
		return c, false, err
	}
	if c.Operator = metering.Operator(r.PostFormValue("operator" + n)); !slices.Contains(operators(), c.Operator) {
		return c, false, invalid("there is no operator %.20q", c.Operator)
	}
	text, err := label(r, "value"+n, "the value of a condition", 1, metering.MaxClauseText)
	if err != nil {
		return c, false, err
	}
	c.Value = scalar(text, c.Operator)
	if c.Operator == metering.OpIn {
		c.Value = metering.Value{Kind: metering.KindList}
		for part := range strings.SplitSeq(text, ",") {
			c.Value.List = append(c.Value.List, scalar(strings.TrimSpace(part), c.Operator))
		}
	}
	return c, true, nil
}

// scalar reads a value as it was meant: in quotes it is text whatever it says.
func scalar(text string, op metering.Operator) metering.Value {
	if op == metering.OpLike || op == metering.OpNotLike {
		return metering.StringValue(text)
	}
	var quoted string
	if json.Unmarshal([]byte(text), &quoted) == nil {
		return metering.StringValue(quoted)
	}
	switch text {
	case "true", "false":
		return metering.BoolValue(text == "true")
	}
	if n, err := metering.ParseNumber(text); err == nil {
		return metering.NumberValue(n)
	}
	return metering.StringValue(text)
}
