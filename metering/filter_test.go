package metering_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// reported is an event of another source with one property of each kind.
func reported() *metering.Event {
	return &metering.Event{
		Name:       "page-view",
		Properties: json.RawMessage(`{"s":"alphabet","n":10,"b":true,"nested":{"n":0.5}}`),
	}
}

func condition(property string, op metering.Operator, v metering.Value) metering.Clause {
	return metering.Clause{Property: property, Operator: op, Value: v}
}

func nest(c metering.Conjunction, clauses ...metering.Clause) metering.Clause {
	return metering.Clause{Filter: &metering.Filter{Conjunction: c, Clauses: clauses}}
}

func list(v ...metering.Value) metering.Value {
	return metering.Value{Kind: metering.KindList, List: v}
}

func operators() []metering.Operator {
	return []metering.Operator{
		metering.OpEq, metering.OpNe, metering.OpGt, metering.OpGte, metering.OpLt, metering.OpLte,
		metering.OpIn, metering.OpLike, metering.OpNotLike,
	}
}

// TestClause_Matches is every operator with every kind of value on a property
// of every kind: the operators that hold are listed, all others do not.
func TestClause_Matches(t *testing.T) {
	t.Parallel()
	e := reported()
	f := func(property string, v metering.Value, holding ...metering.Operator) {
		t.Helper()
		for _, op := range operators() {
			want := false
			for _, h := range holding {
				want = want || h == op
			}
			c := condition(property, op, v)
			if got := c.Matches(e); got != want {
				t.Errorf("%s %s %+v is %v", property, op, v, got)
			}
		}
	}
	text, yes := metering.StringValue, metering.BoolValue
	f("s", text("alphabet"), metering.OpEq, metering.OpLike)
	f("s", text("beta"), metering.OpNe, metering.OpNotLike)
	f("s", text("phab"), metering.OpNe, metering.OpLike)
	f("s", text("Alpha"), metering.OpNe, metering.OpNotLike) // case counts
	f("s", text("%"), metering.OpNe, metering.OpNotLike)     // no wildcards
	f("s", text(""), metering.OpNe, metering.OpLike)
	f("s", number(t, "10"))
	f("s", yes(true))
	f("n", number(t, "10"), metering.OpEq, metering.OpGte, metering.OpLte)
	f("n", number(t, "9.999999999999"), metering.OpNe, metering.OpGt, metering.OpGte)
	f("n", number(t, "10.000000000001"), metering.OpNe, metering.OpLt, metering.OpLte)
	f("n", text("10"))
	f("n", yes(true))
	f("nested.n", number(t, "0.5"), metering.OpEq, metering.OpGte, metering.OpLte)
	f("b", yes(true), metering.OpEq)
	f("b", yes(false), metering.OpNe)
	f("b", text("true"))
	f("b", number(t, "1"))
	f("s", list(text("x"), text("alphabet")), metering.OpIn)
	f("s", list(text("x"), number(t, "10")))
	f("n", list(text("10"), number(t, "10.0")), metering.OpIn)
	f("b", list(yes(true)), metering.OpIn)
	f("s", list())
	f("s", metering.Value{})
	f("n", metering.Value{})

	// A property that is missing, or no scalar, matches nothing, not even "ne"
	// and "not like".
	for _, missing := range []string{"absent", "nested", "nested.absent", "s.x", ""} {
		f(missing, text("x"))
		f(missing, number(t, "1"))
		f(missing, yes(false))
		f(missing, list(text("x")))
		f(missing, metering.Value{})
	}
}

func TestClause_Matches_unknownOperator(t *testing.T) {
	t.Parallel()
	for _, v := range []metering.Value{metering.StringValue("alphabet"), number(t, "10"), metering.BoolValue(true)} {
		for _, property := range []string{"s", "n", "b"} {
			c := condition(property, "between", v)
			if c.Matches(reported()) {
				t.Errorf("%s between %+v matches", property, v)
			}
		}
	}
}

func TestFilter_Matches(t *testing.T) {
	t.Parallel()
	yes := condition("n", metering.OpGt, number(t, "1"))
	no := condition("n", metering.OpLt, number(t, "1"))
	f := func(name string, want bool, c metering.Conjunction, clauses ...metering.Clause) {
		t.Helper()
		filter := metering.Filter{Conjunction: c, Clauses: clauses}
		if got := filter.Matches(reported()); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	f("no clauses", true, metering.And)
	f("no clauses", true, metering.Or)
	f("no filter at all", true, "")
	f("and", true, metering.And, yes, yes)
	f("and with a false one", false, metering.And, yes, no)
	f("or", true, metering.Or, no, yes)
	f("or of false ones", false, metering.Or, no, no)
	f("a conjunction that does not exist", false, "xor", yes)
	f("an or inside an and", true, metering.And, yes, nest(metering.Or, no, yes))
	f("a false or inside an and", false, metering.And, yes, nest(metering.Or, no, no))
	f("an and inside an or", true, metering.Or, no, nest(metering.And, yes, yes))
	f("three deep", false, metering.Or, no, nest(metering.And, yes, nest(metering.Or, no, nest(metering.And, yes, no))))
}

// TestFilter_Matches_tree compares a drawn tree with the plain reading of it.
func TestFilter_Matches_tree(t *testing.T) {
	t.Parallel()
	var draw func(rt *rapid.T, depth int) (metering.Clause, bool)
	draw = func(rt *rapid.T, depth int) (metering.Clause, bool) {
		if depth == 0 || rapid.Bool().Draw(rt, "leaf") {
			v := rapid.Int64Range(8, 12).Draw(rt, "value")
			return condition("n", metering.OpGte, metering.NumberValue(metering.NumberOf(v))), 10 >= v
		}
		and := rapid.Bool().Draw(rt, "and")
		c, want := nest(metering.Or), false
		if and {
			c, want = nest(metering.And), true
		}
		for range rapid.IntRange(1, 3).Draw(rt, "clauses") {
			sub, holds := draw(rt, depth-1)
			c.Filter.Clauses = append(c.Filter.Clauses, sub)
			want = and && want && holds || !and && (want || holds)
		}
		return c, want
	}
	rapid.Check(t, func(rt *rapid.T) {
		c, want := draw(rt, 4)
		if got := c.Matches(reported()); got != want {
			b, err := json.Marshal(c)
			rt.Errorf("%s (%v): %v, want %v", b, err, got, want)
		}
	})
}

func TestFilter_Validate(t *testing.T) {
	t.Parallel()
	text := metering.StringValue
	f := func(want string, c metering.Conjunction, clauses ...metering.Clause) {
		t.Helper()
		filter := metering.Filter{Conjunction: c, Clauses: clauses}
		err := filter.Validate()
		if want == "" {
			if err != nil {
				t.Errorf("refused: %v", err)
			}
			return
		}
		if !errors.Is(err, metering.ErrInvalid) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want ErrInvalid and %s…", err, want)
		}
	}
	good := condition("name", metering.OpEq, text("x"))
	f("", metering.And)
	f("", metering.Or, good, nest(metering.And, good))
	f("", metering.And, condition("s", metering.OpIn, list(text("x"), number(t, "1"), metering.BoolValue(true))))
	f("filter.conjunction", "")
	f("filter.conjunction", "AND", good)
	f("filter.clauses[1].conjunction", metering.And, good, nest("not", good))
	f("filter.clauses[0].clauses is empty", metering.And, nest(metering.And))
	f("filter.clauses[0].property", metering.And, condition("", metering.OpEq, text("x")))
	f("filter.clauses[0].property", metering.And, condition("metadata.", metering.OpEq, text("x")))
	f("filter.clauses[0].property", metering.And, condition("a\xff", metering.OpEq, text("x")))
	f("filter.clauses[0].property", metering.And, condition(strings.Repeat("a", metering.MaxPropertyName+1), metering.OpEq, text("x")))
	f("filter.clauses[1].operator", metering.And, good, condition("s", "regex", text("x")))
	f("filter.clauses[0].clauses[1].value", metering.And, nest(metering.Or, good, condition("s", metering.OpGt, text("x"))))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpEq, metering.Value{}))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpEq, list(text("x"))))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpLike, number(t, "1")))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpIn, text("x")))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpIn, list()))
	f("filter.clauses[0].value[1]", metering.And, condition("s", metering.OpIn, list(text("x"), list())))
	f("filter.clauses[0].value[0]", metering.And, condition("s", metering.OpIn, list(metering.Value{})))
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpEq, text(strings.Repeat("a", metering.MaxClauseText+1))))
	f("filter.clauses[0].value[0]", metering.And, condition("s", metering.OpIn, list(text("\xff"))))
	long := make([]metering.Value, metering.MaxClauseList+1)
	for i := range long {
		long[i] = text("x")
	}
	f("filter.clauses[0].value", metering.And, condition("s", metering.OpIn, list(long...)))
	both := nest(metering.And, good)
	both.Property = "name"
	f("filter.clauses[0] is a condition and a nested filter", metering.And, both)
}

func TestFilter_Validate_bounds(t *testing.T) {
	t.Parallel()
	good := condition("name", metering.OpEq, metering.StringValue("x"))
	deep := func(depth int) metering.Filter {
		c := nest(metering.And, good)
		for range depth - 1 {
			c = nest(metering.And, c)
		}
		return *c.Filter
	}
	wide := func(n int) metering.Filter {
		f := metering.Filter{Conjunction: metering.And}
		inner := nest(metering.Or)
		for range n/2 - 1 {
			f.Clauses, inner.Filter.Clauses = append(f.Clauses, good), append(inner.Filter.Clauses, good)
		}
		inner.Filter.Clauses = append(inner.Filter.Clauses, good)
		f.Clauses = append(f.Clauses, inner)
		return f
	}
	for name, filter := range map[string]metering.Filter{
		"as deep as may be": deep(metering.MaxFilterDepth), "as wide as may be": wide(metering.MaxFilterClauses),
	} {
		if err := filter.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, filter := range map[string]metering.Filter{
		"too deep": deep(metering.MaxFilterDepth + 1), "too wide": wide(metering.MaxFilterClauses + 2),
	} {
		if err := filter.Validate(); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFilter_JSON: what is written reads the same, in both forms of a clause.
func TestFilter_JSON(t *testing.T) {
	t.Parallel()
	f := func(text string) {
		t.Helper()
		var filter metering.Filter
		if err := json.Unmarshal([]byte(text), &filter); err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if err := filter.Validate(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		b, err := json.Marshal(filter)
		if err != nil || string(b) != text {
			t.Errorf("%s writes %s, %v", text, b, err)
		}
	}
	f(`{"conjunction":"and","clauses":[]}`)
	f(`{"conjunction":"and","clauses":[{"property":"name","operator":"eq","value":"llm-tokens"}]}`)
	f(`{"conjunction":"or","clauses":[{"property":"n","operator":"in","value":[1,"x",true,0.25]},` +
		`{"conjunction":"and","clauses":[{"property":"a","operator":"ne","value":false},{"property":"b","operator":"gt","value":-3}]}]}`)
	if b, err := json.Marshal(metering.Filter{Conjunction: metering.And}); err != nil || string(b) != `{"conjunction":"and","clauses":[]}` {
		t.Errorf("no clauses write %s, %v", b, err)
	}
	var members metering.Filter
	order := `{ "clauses" : [ {"value":"x","property":"a","oper\u0061tor":"eq"} ] , "conjunction" : "and" }`
	if err := json.Unmarshal([]byte(order), &members); err != nil || members.Clauses[0].Operator != metering.OpEq {
		t.Errorf("in another order it reads %+v, %v", members, err)
	}
}

func TestFilter_JSON_refused(t *testing.T) {
	t.Parallel()
	clause := `{"property":"a","operator":"eq","value":1}`
	f := func(text, want string) {
		t.Helper()
		kept := metering.Filter{Conjunction: "kept"}
		err := json.Unmarshal([]byte(text), &kept)
		if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: got %v, want ErrInvalid with %q", text, err, want)
		}
		if kept.Conjunction != "kept" {
			t.Errorf("%.80s: changed the filter", text)
		}
	}
	f(`null`, "filter is not an object")
	f(`{}`, "filter lacks conjunction")
	f(`{"conjunction":"and"}`, "filter lacks clauses")
	f(`{"conjunction":"and","clauses":[],"x":1}`, `member`)
	f(`{"conjunction":"and","Clauses":[]}`, `member`)
	f(`{"conjunction":"and","clauses":[],"clauses":[`+clause+`]}`, "clauses twice")
	f(`{"conjunction":1,"clauses":[]}`, "filter.conjunction")
	f(`{"conjunction":"and","clauses":[1]}`, "filter.clauses[0] is not an object")
	f(`{"conjunction":"and","clauses":[`+clause+`,{}]}`, "filter.clauses[1] lacks property")
	f(`{"conjunction":"and","clauses":[{"property":"a","operator":"eq"}]}`, "lacks value")
	f(`{"conjunction":"and","clauses":[{"property":"a","operator":"eq","value":{}}]}`, "filter.clauses[0].value")
	f(`{"conjunction":"and","clauses":[{"property":"a","operator":"eq","value":1,"clauses":[]}]}`, `member`)
	f(`{"conjunction":"and","clauses":[{"conjunction":"or"}]}`, "filter.clauses[0] lacks clauses")
	f(`{"conjunction":"and","clauses":[`+strings.Repeat(clause+",", metering.MaxFilterClauses)+clause+`]}`, "more than")
	deep := clause
	for range metering.MaxFilterDepth + 1 {
		deep = `{"conjunction":"and","clauses":[` + deep + `]}`
	}
	f(deep, "nested more than")
	f(strings.Repeat(`{"conjunction":"and","clauses":[`, 3000)+strings.Repeat(`]}`, 3000), "nested more than")

	var c metering.Clause
	if err := json.Unmarshal([]byte(`{"property":"a"}`), &c); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("half a clause reads with %v", err)
	}
	if err := json.Unmarshal([]byte(clause), &c); err != nil || c.Property != "a" {
		t.Errorf("a clause alone reads %+v, %v", c, err)
	}
}

func ExampleFilter_Validate() {
	var f metering.Filter
	err := json.Unmarshal([]byte(`{"conjunction":"and","clauses":[{"property":"model","operator":"gt","value":"gpt-4o"}]}`), &f)
	fmt.Println(err)
	fmt.Println(f.Validate())
	// Output:
	// <nil>
	// filter.clauses[0].value is of a kind that gt does not compare with: invalid
}
