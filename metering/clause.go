package metering

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Matches reports whether e satisfies the condition or the nested filter.
func (c *Clause) Matches(e *Event) bool {
	if c.Filter != nil {
		return c.Filter.Matches(e)
	}
	return c.Operator.holds(e.Property(c.Property), &c.Value)
}

// holds compares a property with a value. What is absent or of another kind
// satisfies nothing, so that "not like" cannot be true of what is not there.
func (o Operator) holds(have Value, want *Value) bool {
	if o == OpIn {
		return slices.ContainsFunc(want.List, have.Equal)
	}
	if have.Kind != want.Kind {
		return false
	}
	switch have.Kind {
	case KindNumber:
		return o.orders(have.Num.Compare(want.Num))
	case KindString:
		switch o {
		case OpLike:
			return strings.Contains(have.Text, want.Text)
		case OpNotLike:
			return !strings.Contains(have.Text, want.Text)
		default:
		}
	case KindBool:
	default:
		return false
	}
	switch o {
	case OpEq:
		return have.Equal(*want)
	case OpNe:
		return !have.Equal(*want)
	default:
		return false
	}
}

// orders applies the operator to the outcome of a comparison of numbers.
func (o Operator) orders(cmp int) bool {
	switch o {
	case OpEq:
		return cmp == 0
	case OpNe:
		return cmp != 0
	case OpGt:
		return cmp > 0
	case OpGte:
		return cmp >= 0
	case OpLt:
		return cmp < 0
	case OpLte:
		return cmp <= 0
	default:
		return false
	}
}

// condition is the wire form of a clause that is not nested.
type condition struct {
	Property string   `json:"property"`
	Operator Operator `json:"operator"`
	Value    Value    `json:"value"`
}

// MarshalJSON writes a nested filter as a filter and a condition as property,
// operator and value.
func (c Clause) MarshalJSON() ([]byte, error) {
	if c.Filter != nil {
		return json.Marshal(*c.Filter)
	}
	return json.Marshal(condition{c.Property, c.Operator, c.Value})
}

// UnmarshalJSON reads a condition or a nested filter. A member that neither
// has, one that is missing or there twice, and nesting beyond MaxFilterDepth
// are ErrInvalid; whether it makes sense is for [Filter.Validate] to say.
func (c *Clause) UnmarshalJSON(b []byte) error {
	read, err := readClause(b, "clause", 1)
	if err == nil {
		*c = read
	}
	return err
}

// MarshalJSON writes the conjunction and the clauses; no clauses are [].
func (f Filter) MarshalJSON() ([]byte, error) {
	type plain Filter // without this method
	if f.Clauses == nil {
		f.Clauses = []Clause{}
	}
	return json.Marshal(plain(f))
}

// UnmarshalJSON reads what MarshalJSON writes, as strictly as a clause.
func (f *Filter) UnmarshalJSON(b []byte) error {
	read, err := readFilter(b, "filter", 1)
	if err == nil {
		*f = read
	}
	return err
}

func readFilter(b []byte, at string, depth int) (Filter, error) {
	if depth > MaxFilterDepth {
		return Filter{}, fmt.Errorf("%s is nested more than %d deep: %w", at, MaxFilterDepth, ErrInvalid)
	}
	var f Filter
	var clauses []json.RawMessage
	if err := readExactly(b, at, []string{"conjunction", "clauses"}, []any{&f.Conjunction, &clauses}); err != nil {
		return Filter{}, err
	}
	if len(clauses) > MaxFilterClauses {
		return Filter{}, fmt.Errorf("%s has more than %d clauses: %w", at, MaxFilterClauses, ErrInvalid)
	}
	f.Clauses = make([]Clause, 0, len(clauses))
	for i, raw := range clauses {
		c, err := readClause(raw, fmt.Sprintf("%s.clauses[%d]", at, i), depth)
		if err != nil {
			return Filter{}, err
		}
		f.Clauses = append(f.Clauses, c)
	}
	return f, nil
}

func readClause(b []byte, at string, depth int) (Clause, error) {
	_, conjunction := member(b, "conjunction")
	if _, clauses := member(b, "clauses"); clauses || conjunction {
		nested, err := readFilter(b, at, depth+1)
		return Clause{Filter: &nested}, err
	}
	var c Clause
	err := readExactly(b, at, []string{"property", "operator", "value"}, []any{&c.Property, &c.Operator, &c.Value})
	return c, err
}

// readExactly decodes an object that has just these members, each once.
// Package json would take names in any case and the last of two.
func readExactly(b []byte, at string, names []string, into []any) error {
	seen := make([]bool, len(names))
	var err error
	whole := eachMember(b, func(key, value []byte) bool {
		i := slices.IndexFunc(names, func(name string) bool { return named(key, name) })
		switch {
		case i < 0:
			err = fmt.Errorf("%s has a member %.40q, which is not of %v: %w", at, key, names, ErrInvalid)
		case seen[i]:
			err = fmt.Errorf("%s has %s twice: %w", at, names[i], ErrInvalid)
		default:
			seen[i] = true
			if e := json.Unmarshal(value, into[i]); e != nil {
				err = fmt.Errorf("%s.%s: %w: %w", at, names[i], e, ErrInvalid)
			}
		}
		return err == nil
	})
	if err != nil {
		return err
	}
	if !whole {
		return fmt.Errorf("%s is not an object: %w", at, ErrInvalid)
	}
	if i := slices.Index(seen, false); i >= 0 {
		return fmt.Errorf("%s lacks %s: %w", at, names[i], ErrInvalid)
	}
	return nil
}
