package metering_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
)

func number(t *testing.T, s string) metering.Value {
	t.Helper()
	n, err := metering.ParseNumber(s)
	if err != nil {
		t.Fatal(err)
	}
	return metering.NumberValue(n)
}

func TestValue_JSON(t *testing.T) {
	t.Parallel()
	f := func(text string, want metering.Value, wantText string) {
		t.Helper()
		var v metering.Value
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if !reflect.DeepEqual(v, want) { // cmp would ask Equal, for which what is absent equals nothing
			t.Errorf("%s reads %+v, want %+v", text, v, want)
		}
		if b, err := json.Marshal(v); err != nil || string(b) != wantText {
			t.Errorf("%s writes %s, %v; want %s", text, b, err, wantText)
		}
	}
	f(`"a\u0062"`, metering.StringValue("ab"), `"ab"`)
	f(`""`, metering.StringValue(""), `""`)
	f(`true`, metering.BoolValue(true), `true`)
	f(`false`, metering.BoolValue(false), `false`)
	f(`1.50`, number(t, "1.5"), `1.5`)
	f(`-2e3`, number(t, "-2000"), `-2000`)
	f(`null`, metering.Value{}, `null`)
	f(`[]`, metering.Value{Kind: metering.KindList, List: []metering.Value{}}, `[]`)
	f(` [ 1 , "x", true ] `, metering.Value{Kind: metering.KindList, List: []metering.Value{
		number(t, "1"), metering.StringValue("x"), metering.BoolValue(true),
	}}, `[1,"x",true]`)
}

func TestValue_refused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{`{}`, `[[1]]`, `[{}]`, `0.0000000000001`, `9223372036854775808`, `[1e-13]`, strings.Repeat("[", 9000) + strings.Repeat("]", 9000)} {
		if err := json.Unmarshal([]byte(bad), new(metering.Value)); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%.40s reads with %v, want ErrInvalid", bad, err)
		}
	}
	if err := new(metering.Value).UnmarshalJSON(nil); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("nothing reads with %v", err)
	}
}

func TestValue_Equal(t *testing.T) {
	t.Parallel()
	all := []metering.Value{
		metering.StringValue(""), metering.StringValue("1"), metering.StringValue("true"), number(t, "1"), number(t, "-1"),
		metering.BoolValue(true), metering.BoolValue(false),
	}
	for i, a := range all {
		for j, b := range all {
			if a.Equal(b) != (i == j) {
				t.Errorf("%+v equals %+v: %v", a, b, a.Equal(b))
			}
		}
	}
	uncarried := metering.NumberValue(metering.Number{Units: 0, Picos: metering.PicosPerUnit})
	if !uncarried.Equal(number(t, "1")) {
		t.Error("a number that is not carried differs from the same one that is")
	}
	if (metering.Value{}).Equal(metering.Value{}) {
		t.Error("what is absent equals something")
	}
}
