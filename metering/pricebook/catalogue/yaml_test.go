package catalogue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// TestDecodeYAML: a person's file is read as it is meant, prices to the digit.
func TestDecodeYAML(t *testing.T) {
	t.Parallel()
	got, err := catalogue.DecodeYAML([]byte(`
skus:
  - {provider: openai, sku: ours, context: 128000, released: 2026-05-01, moving_alias: true}
rates:
  - provider: openai
    sku: ours
    meter: input
    price: 0.1000000000001 # not a float
    when: {tier: flex, above: 200000, attributes: [{name: quality, values: [high, "1"]}]}
    from: 2026-05-01T12:30:00Z
  - {provider: openai, sku: ours, meter: output, price: null}
modifiers:
  - {provider: openai, multiply: 0.9}
`))
	if err != nil {
		t.Fatal(err)
	}
	want, err := catalogue.Decode([]byte(`{
		"skus":[{"provider":"openai","sku":"ours","context":128000,"released":"2026-05-01","moving_alias":true}],
		"rates":[{"provider":"openai","sku":"ours","meter":"input","price":"0.1000000000001","from":"2026-05-01T12:30:00Z",
			"when":{"tier":"flex","above":200000,"attributes":[{"name":"quality","values":["high","1"]}]}},
			{"provider":"openai","sku":"ours","meter":"output","price":null}],
		"modifiers":[{"provider":"openai","multiply":"0.9"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for text, want := range map[string]string{
		"rates: [{provider: p, prize: 1}]":    "prize",
		"rates: [{provider: p, provider: q}]": "twice",
		"rates: &x []\nskus: *x":              "anchors",
		"rates: []\n---\nrates: []":           "second document",
		"rates: [":                            "read prices",
		"":                                    "read prices",
		"rates: [{when: {above: 1.5}}]":       "fraction",
		"rates: [{provider: p, price: [1]}]":  "price",
		"skus: [{provider: p, sku: m, context: 99999999999999999999}]": "fraction",
	} {
		if _, err := catalogue.DecodeYAML([]byte(text)); !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzDecodeYAML(f *testing.F) {
	f.Add([]byte("rates:\n  - {provider: p, sku: m, meter: input, price: 1.5, from: 2026-01-01}\n"))
	f.Add([]byte(`{"skus":[{"provider":"p","sku":"m"}],"plans":[{"provider":"p","plan":"x"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := catalogue.DecodeYAML(text)
		if err != nil {
			return
		}
		out, err := rows.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := catalogue.DecodeYAML(out)
		if err != nil {
			t.Fatalf("what was written cannot be read: %v\n%s", err, out)
		}
		if diff := cmp.Diff(rows, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written and read it differs:\n%s", diff)
		}
	})
}
