package metering

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds of a filter. They keep what one event costs to match small, and every
// message about a filter short.
const (
	MaxFilterDepth   = 8    // filters within one another, the outermost included
	MaxFilterClauses = 100  // conditions and nested filters together
	MaxPropertyName  = 200  // characters
	MaxClauseText    = 1000 // characters of a value
	MaxClauseList    = 100  // elements on the right of "in"
)

// Matches reports whether e satisfies the filter. A filter without clauses
// matches every event, one whose conjunction or operator is unknown none. It
// does not allocate for proxied calls.
func (f *Filter) Matches(e *Event) bool {
	if len(f.Clauses) == 0 {
		return true
	}
	switch f.Conjunction {
	case And:
		for i := range f.Clauses {
			if !f.Clauses[i].Matches(e) {
				return false
			}
		}
		return true
	case Or:
		for i := range f.Clauses {
			if f.Clauses[i].Matches(e) {
				return true
			}
		}
	}
	return false
}

// Validate reports what makes the filter unusable, wrapping ErrInvalid and
// naming the clause by its path.
func (f *Filter) Validate() error {
	left := MaxFilterClauses
	return f.validate("filter", 1, &left)
}

func (f *Filter) validate(at string, depth int, left *int) error {
	if depth > MaxFilterDepth {
		return fmt.Errorf("%s is nested more than %d deep: %w", at, MaxFilterDepth, ErrInvalid)
	}
	if f.Conjunction != And && f.Conjunction != Or {
		return fmt.Errorf("%s.conjunction is %.20q, not and or or: %w", at, string(f.Conjunction), ErrInvalid)
	}
	if depth > 1 && len(f.Clauses) == 0 {
		return fmt.Errorf("%s.clauses is empty: %w", at, ErrInvalid)
	}
	if *left -= len(f.Clauses); *left < 0 {
		return fmt.Errorf("%s has more than %d clauses with those before it: %w", at, MaxFilterClauses, ErrInvalid)
	}
	for i := range f.Clauses {
		c, here := &f.Clauses[i], fmt.Sprintf("%s.clauses[%d]", at, i)
		if c.Filter == nil {
			if err := c.validate(here); err != nil {
				return err
			}
			continue
		}
		if c.Property != "" || c.Operator != "" || !c.Value.IsZero() {
			return fmt.Errorf("%s is a condition and a nested filter at once: %w", here, ErrInvalid)
		}
		if err := c.Filter.validate(here, depth+1, left); err != nil {
			return err
		}
	}
	return nil
}

func (c *Clause) validate(at string) error {
	if err := validProperty(c.Property); err != nil {
		return fmt.Errorf("%s.property %w", at, err)
	}
	kinds := c.Operator.kinds()
	if kinds == nil {
		return fmt.Errorf("%s.operator is %.20q, which is none: %w", at, string(c.Operator), ErrInvalid)
	}
	if !slices.Contains(kinds, c.Value.Kind) {
		return fmt.Errorf("%s.value is of a kind that %s does not compare with: %w", at, c.Operator, ErrInvalid)
	}
	if c.Value.Kind != KindList {
		return validText(c.Value, at+".value")
	}
	if n := len(c.Value.List); n == 0 || n > MaxClauseList {
		return fmt.Errorf("%s.value has %d elements, not 1 to %d: %w", at, n, MaxClauseList, ErrInvalid)
	}
	for i, v := range c.Value.List {
		here := fmt.Sprintf("%s.value[%d]", at, i)
		if v.Kind == KindList || v.Kind == KindNone {
			return fmt.Errorf("%s is not a string, a number or a boolean: %w", here, ErrInvalid)
		}
		if err := validText(v, here); err != nil {
			return err
		}
	}
	return nil
}

// kinds lists what a value on the right of the operator may be; nil if there is
// no such operator.
func (o Operator) kinds() []Kind {
	switch o {
	case OpEq, OpNe:
		return []Kind{KindString, KindNumber, KindBool}
	case OpGt, OpGte, OpLt, OpLte:
		return []Kind{KindNumber}
	case OpLike, OpNotLike:
		return []Kind{KindString}
	case OpIn:
		return []Kind{KindList}
	default:
		return nil
	}
}

func validProperty(name string) error {
	switch {
	case strings.TrimPrefix(name, "metadata.") == "":
		return fmt.Errorf("is empty: %w", ErrInvalid)
	case utf8.RuneCountInString(name) > MaxPropertyName:
		return fmt.Errorf("has more than %d characters: %w", MaxPropertyName, ErrInvalid)
	case !utf8.ValidString(name):
		return fmt.Errorf("is not UTF-8: %w", ErrInvalid)
	}
	return nil
}

func validText(v Value, at string) error {
	if utf8.RuneCountInString(v.Text) > MaxClauseText {
		return fmt.Errorf("%s has more than %d characters: %w", at, MaxClauseText, ErrInvalid)
	}
	if !utf8.ValidString(v.Text) {
		return fmt.Errorf("%s is not UTF-8: %w", at, ErrInvalid)
	}
	return nil
}
