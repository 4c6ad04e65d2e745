package sqlstore

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// TestDictionary: documents that are stored can only be read with the dictionary
// that they were written with.
func TestDictionary(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256(dictionary)
	if got := hex.EncodeToString(sum[:8]); got != "fc948e816048c90f" {
		t.Errorf("the dictionary changed (%s): stored documents cannot be read any more; add another one under a new format", got)
	}
}

// TestDocument_stored: what earlier releases stored is read.
func TestDocument_stored(t *testing.T) {
	t.Parallel()
	var p inflaters
	want := &document{Upstream: "openai", Endpoint: "openai.chat", ObjectID: "chatcmpl-1", Finish: "stop", Raw: []byte(`{"prompt_tokens":1}`)}
	for name, stored := range map[string]string{
		"JSON":     hex.EncodeToString([]byte(`{"u":"openai","n":"openai.chat","i":"chatcmpl-1","x":"stop","raw":{"prompt_tokens":1}}`)),
		"deflated": "01ab26148a28e103caa6489e879a8092b294ac0c6b6b01",
	} {
		raw, err := hex.DecodeString(stored)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.decode(raw)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +read):\n%s", name, diff)
		}
	}
}

// TestDocument_damaged: what is no document is an error and no panic.
func TestDocument_damaged(t *testing.T) {
	t.Parallel()
	var p inflaters
	good, err := (&document{Upstream: "openai", ObjectID: "abcdefghijklmnop"}).encode(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, stored := range [][]byte{nil, {0}, {2, 3}, {formatDeflate}, {formatDeflate, 0xff}, []byte("{"), good[:len(good)-2]} {
		if d, err := p.decode(stored); err == nil {
			t.Errorf("% x was read as %+v", stored, d)
		}
	}
	if _, err := p.decode([]byte{9}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("a format of a later release: %v", err)
	}
	if d, err := p.decode(good); err != nil || d.Upstream != "openai" {
		t.Errorf("a good one after the others: %+v, %v", d, err)
	}
}

// TestDocument_large: a document that does not shrink is stored as it is, and a
// large one shrinks to what can be read.
func TestDocument_large(t *testing.T) {
	t.Parallel()
	var p inflaters
	r := rand.New(rand.NewPCG(1, 1))
	for _, n := range []int{0, 1, 100, 5000, 70_000, 300_000} {
		random := make([]byte, n)
		for i := range random {
			random[i] = byte('!' + r.IntN(90))
		}
		d := document{Run: string(bytes.ReplaceAll(random, []byte{'\\'}, nil)), ErrorCode: string(bytes.Repeat([]byte("ab"), n))}
		stored, err := d.encode(n%2 == 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.decode(stored)
		if err != nil || got.Run != d.Run || got.ErrorCode != d.ErrorCode {
			t.Errorf("%d characters came back as %d, %v", n, len(got.Run), err)
		}
	}
}

// TestPack: every id comes back, and no two are stored alike.
func TestPack(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, id := range []string{
		"", "a", "sixteen-long-txt", "0192f0c5-7a3e-7bcd-8123-0123456789ab", "0192F0C5-7A3E-7BCD-8123-0123456789AB", "{0192f0c5-7a3e-7bcd-8123-0123456789ab}",
		"0192f0c57a3e7bcd81230123456789ab", "00000000-0000-0000-0000-000000000000", "not a uuid, but thirty-six in length", "key-a", "üüüüüüüü",
	} {
		stored := pack(id)
		if got := unpack(stored); got != id {
			t.Errorf("%q came back as %q", id, got)
		}
		if other, taken := seen[string(stored)]; taken {
			t.Errorf("%q and %q are stored alike", id, other)
		}
		seen[string(stored)] = id
	}
}

// TestSpan_split: whole hours and edges cover the span, each instant once.
func TestSpan_split(t *testing.T) {
	t.Parallel()
	interesting := []metering.Micros{1, hour - 1, hour, hour + 1, 2 * hour, 2*hour + 5, 3*hour - 1, 3 * hour, 5 * hour}
	for _, from := range append([]metering.Micros{0}, interesting...) {
		for _, to := range append([]metering.Micros{0}, interesting...) {
			w := span{from, to}
			whole, edges := w.split()
			for _, at := range append([]metering.Micros{0, hour / 2, hour + hour/2, 3*hour + 1, 5*hour - 1, 9 * hour}, interesting...) {
				n := 0
				for _, part := range append(slices.Clone(edges), whole) {
					if !part.empty() && at >= part.from && (part.to == 0 || at < part.to) {
						n++
					}
				}
				want := 0
				if !w.empty() && at >= from && (to == 0 || at < to) {
					want = 1
				}
				if n != want {
					t.Fatalf("%d lies in %d parts of %v, want %d: whole %v, edges %v", at, n, w, want, whole, edges)
				}
			}
			if !whole.empty() && (whole.from != whole.from.Hour() || whole.to != whole.to.Hour()) {
				t.Errorf("the whole hours of %v are %v", w, whole)
			}
		}
	}
}

// TestLabel: a label is stored by every engine and stays what it is where it can.
func TestLabel(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"gpt-4o": "gpt-4o", "a\x00b": "a\uFFFDb", "\xff": "\uFFFD", "": ""} {
		if got := sqldb.Label(in); got != want {
			t.Errorf("label of %q is %q, want %q", in, got, want)
		}
	}
	long := fmt.Sprintf("%0255dé", 0)
	if got := sqldb.Label(long); len(got) != 255 || !sqldb.Clean(got) {
		t.Errorf("a label of 257 bytes was cut to %d", len(got))
	}
}

// TestDocument_appendJSON: the document is written as encoding/json reads it,
// with every field there is.
func TestDocument_appendJSON(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for range 200 {
		var d document
		v := reflect.ValueOf(&d).Elem()
		for i := range v.NumField() {
			if r.IntN(2) == 0 {
				something(r, v.Field(i))
			}
		}
		want, err := json.Marshal(&d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.appendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Fatalf("(-encoding/json +ours):\n%s", diff)
		}
	}
	for _, broken := range []document{{Raw: []byte("{")}, {Properties: []byte("nothing")}} {
		if _, err := broken.encode(true); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("a document with what is no JSON: %v", err)
		}
	}
}

// something sets a field of a document.
func something(r *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString([]string{"plain", "<&>", "é\u2028", "\"\\\n\x7f", "\xff"}[r.IntN(5)])
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int64N(1e9) - 5e8)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Map:
		v.Set(reflect.ValueOf(map[string]string{"name": "a"}))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Array: // an id
		v.Index(0).SetUint(1)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			v.SetBytes([]byte(`{"a": [1, "\u0000"] }`))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		if v.Index(0).Kind() == reflect.String {
			something(r, v.Index(0))
		}
	default:
		panic("a document has a field of kind " + v.Kind().String())
	}
}
