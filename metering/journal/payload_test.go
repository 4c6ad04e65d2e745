package journal_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/journal"
)

// fill gives every field below v a value of its own.
func fill(t *testing.T, v reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch {
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"cut off`))
		return
	case v.Type() == reflect.TypeFor[metering.Number]():
		v.Set(reflect.ValueOf(metering.NumberOf(*n)))
		return
	case v.Type() == reflect.TypeFor[metering.Cost]():
		v.Set(reflect.ValueOf(metering.Cost{Micros: *n, Picos: 7}))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("text \"" + string(rune('à'+*n)) + "\" \xff\x00")
	case reflect.Int, reflect.Int64:
		v.SetInt(-*n << 40)
	case reflect.Uint64:
		v.SetUint(uint64(*n) << 50)
	case reflect.Uint8:
		v.SetUint(uint64(*n % 251))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n)
		}
	default:
		t.Fatalf("%s: the journal has no form for it", v.Type())
	}
}

// notStored are the fields that a fact does not keep: an error message may
// quote the prompt.
func notStored(e *metering.Event) {
	e.Usage.Error.Message = ""
	for i := range e.Attempts {
		e.Attempts[i].Usage.Error.Message = ""
	}
}

// What is rare goes through encoding/json, which keeps no invalid UTF-8.
func valid(e *metering.Event) {
	texts := []*string{&e.Rates[0], &e.Rates[1], (*string)(&e.Computed.State), &e.Computed.Reason, &e.Computed.Rates[0], &e.Computed.Rates[1], &e.Pools[0].Pool, &e.Pools[1].Pool}
	for _, u := range []*metering.Usage{&e.Usage, e.Attempts[0].Usage, e.Attempts[1].Usage} {
		texts = append(texts,
			&u.Estimate.Method, (*string)(&u.Estimate.Withheld), &u.StatedCost.Amount, &u.StatedCost.Unit, &u.StatedCost.Field, &u.StatedCost.Within, &u.StatedCost.Vendor,
			&u.Error.Where, &u.Error.Type, &u.Error.Code, &u.ByModel[0].Model, &u.ByModel[1].Model,
			&u.Quantities[0].Name, &u.Quantities[1].Name, (*string)(&u.Flags[0]), (*string)(&u.Flags[1]))
	}
	for _, p := range texts {
		*p = (*p)[:len(*p)-2]
	}
}

// Every field of a fact is read back as it was written, those too that are
// added to the type later.
func TestFact_RoundTripOfEveryField(t *testing.T) {
	t.Parallel()
	var e metering.Event
	var n int64
	fill(t, reflect.ValueOf(&e).Elem(), &n)
	notStored(&e)
	valid(&e)
	got, err := journal.RoundTrip(&e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&e, got); diff != "" {
		t.Errorf("the fact differs (-written +read):\n%s", diff)
	}
	call, err := journal.RoundTripIntent(&e.Call)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.Call, call); diff != "" {
		t.Errorf("the intent differs (-written +read):\n%s", diff)
	}
}

// Each field alone: none takes another's number or hangs on another.
func TestFact_RoundTripOfEachFieldAlone(t *testing.T) {
	t.Parallel()
	var full metering.Event
	var n int64
	fill(t, reflect.ValueOf(&full).Elem(), &n)
	notStored(&full)
	valid(&full)
	alone := func(set func(*metering.Event)) {
		var e metering.Event
		set(&e)
		got, err := journal.RoundTrip(&e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&e, got); diff != "" {
			t.Errorf("the fact differs (-written +read):\n%s", diff)
		}
	}
	alone(func(*metering.Event) {})
	for i := range reflect.TypeFor[metering.Event]().NumField() {
		alone(func(e *metering.Event) { reflect.ValueOf(e).Elem().Field(i).Set(reflect.ValueOf(full).Field(i)) })
	}
	for i := range reflect.TypeFor[metering.Call]().NumField() {
		alone(func(e *metering.Event) {
			reflect.ValueOf(&e.Call).Elem().Field(i).Set(reflect.ValueOf(full.Call).Field(i))
		})
	}
	for i := range reflect.TypeFor[metering.Usage]().NumField() {
		alone(func(e *metering.Event) {
			reflect.ValueOf(&e.Usage).Elem().Field(i).Set(reflect.ValueOf(full.Usage).Field(i))
		})
	}
}

// A later release may write fields and sections that this one does not know.
func TestFact_UnknownFieldsAreSkipped(t *testing.T) {
	t.Parallel()
	want := ended(newCall(t))
	got, err := journal.DecodeExtended(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the fact differs (-written +read):\n%s", diff)
	}
}

// A payload that is cut anywhere is an error, and never a wrong number.
func TestFact_CutPayloadIsRefused(t *testing.T) {
	t.Parallel()
	payload, err := journal.EncodePayload(ended(newCall(t)))
	if err != nil {
		t.Fatal(err)
	}
	for cut := range payload {
		if got, err := journal.DecodePayload(payload[:cut]); err == nil {
			t.Fatalf("cut at %d it was read as %+v", cut, got)
		}
	}
}

func TestBegin_RefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), journal.Options{})
	c := newCall(t)
	c.Run = string(make([]byte, 5<<20))
	if err := j.Begin(c); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("an intent of 5 MiB: %v, want ErrInvalid", err)
	}
	e := ended(begin(t, j))
	e.Usage.Raw = make([]byte, 5<<20)
	if err := j.Finish(e); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a fact of 5 MiB: %v, want ErrInvalid", err)
	}
}
