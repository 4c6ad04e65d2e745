package metering_test

import (
	"encoding/json"
	"math/big"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/weirhq/weir/metering"
)

// filled sets every field of a value that is written to something that is not
// zero, so that a field that is added and not written by hand fails the test.
func filled(v reflect.Value, n *int64) {
	*n++
	switch v.Interface().(type) {
	case json.RawMessage:
		v.SetBytes([]byte(`{"a":1}`))
		return
	case metering.ID:
		v.Set(reflect.ValueOf(metering.ID{1, 2, 3, 15: byte(*n)}))
		return
	case metering.Cost:
		v.Set(reflect.ValueOf(metering.Cost{Micros: *n, Picos: *n}))
		return
	case metering.Number:
		v.Set(reflect.ValueOf(metering.NumberOf(*n)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text \"<é>\" \\ " + string(rune('a'+*n%26)))
	case reflect.Int, reflect.Int64:
		v.SetInt(*n)
	case reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		filled(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			filled(v.Index(i), n)
		}
	case reflect.Array:
		for i := range v.Len() {
			filled(v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				filled(v.Field(i), n)
			}
		}
	}
}

// TestAppendJSON: what is written by hand is what encoding/json writes, for an
// event that has everything and for one that has nothing.
func TestAppendJSON(t *testing.T) {
	t.Parallel()
	var full metering.Event
	n := int64(0)
	filled(reflect.ValueOf(&full).Elem(), &n)
	for name, e := range map[string]*metering.Event{"full": &full, "empty": {}} {
		want, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s event (-encoding/json +by hand):\n%s", name, diff)
		}
	}
}

// TestCost_string compares with the naive computation in big integers.
func TestCost_string(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := metering.Cost{Micros: rapid.Int64Range(-1<<62, 1<<62).Draw(t, "micros"), Picos: rapid.Int64Range(-1<<40, 1<<40).Draw(t, "picos")}
		want := new(big.Rat).SetFrac(
			new(big.Int).Add(new(big.Int).Mul(big.NewInt(c.Micros), big.NewInt(metering.PicosPerMicro)), big.NewInt(c.Picos)),
			big.NewInt(metering.PicosPerMicro*metering.MicrosPerDollar))
		got, ok := new(big.Rat).SetString(c.String())
		if !ok || got.Cmp(want) != 0 {
			t.Fatalf("%d micros and %d picos read %s, want %s", c.Micros, c.Picos, c, want.FloatString(12))
		}
		if s := c.String(); len(s) > 1 && s[len(s)-1] == '0' && want.IsInt() == false || s == "-0" {
			t.Fatalf("%s has superfluous digits", s)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := &metering.Event{Call: metering.Call{ID: metering.ID{1}, Org: "default", Customer: "0190b2a0-0000-7000-8000-000000000001", Endpoint: "openai.chat", Model: "gpt-4o-mini"}, Name: "llm-tokens"}
	e.Usage.Tokens[0] = 17
	e.Usage.Raw = []byte(`{"prompt_tokens":17,"completion_tokens":42,"total_tokens":59}`)
	b.ReportAllocs()
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = e.AppendJSON(buf[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
