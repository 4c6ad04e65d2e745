package metering

// Aggregation turns the matching events of a period into one quantity.
type Aggregation string

// Aggregations. All but count and unique read a numeric property and ignore
// events where it is missing or not a number; unique reads any scalar.
const (
	AggregateCount  Aggregation = "count"
	AggregateSum    Aggregation = "sum"
	AggregateAvg    Aggregation = "avg"
	AggregateMin    Aggregation = "min"
	AggregateMax    Aggregation = "max"
	AggregateUnique Aggregation = "unique"
)

// MeterLLM is the name of the meter that exists from the start: the sum of
// totalTokens over events named EventLLM.
const MeterLLM = "llm-tokens"

// Meter is a rule that turns events into a quantity per customer and period.
type Meter struct {
	Org       string    `json:"-"`
	ID        string    `json:"id"`
	Name      string    `json:"name"` // unique in the organisation
	Filter    Filter    `json:"filter"`
	Aggregate Aggregate `json:"aggregation"`
	Created   Micros    `json:"created_at"`
	Archived  Micros    `json:"archived_at,omitempty"`
}

// Aggregate is an aggregation over a property.
type Aggregate struct {
	Func     Aggregation `json:"func"`
	Property string      `json:"property,omitempty"` // not for count
}

// Conjunction joins the clauses of a filter.
type Conjunction string

// Conjunctions.
const (
	And Conjunction = "and"
	Or  Conjunction = "or"
)

// Filter is a tree of conditions on an event. A filter without clauses matches
// every event.
type Filter struct {
	Conjunction Conjunction `json:"conjunction"`
	Clauses     []Clause    `json:"clauses"`
}

// Operator compares a property with a value.
type Operator string

// Operators. A property that the event lacks, or of another type than the
// value, matches nothing, not even ne and not_like. like is "contains".
const (
	OpEq      Operator = "eq"
	OpNe      Operator = "ne"
	OpGt      Operator = "gt"
	OpGte     Operator = "gte"
	OpLt      Operator = "lt"
	OpLte     Operator = "lte"
	OpIn      Operator = "in"
	OpLike    Operator = "like"
	OpNotLike Operator = "not_like"
)

// Clause is either one condition or a nested filter.
type Clause struct {
	Property string   `json:"property,omitempty"`
	Operator Operator `json:"operator,omitempty"`
	Value    Value    `json:"value,omitzero"`

	Filter *Filter `json:"-"` // set: the other fields are empty
}
