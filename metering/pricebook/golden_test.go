package pricebook_test

import (
	"encoding/json"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// vector is a call and what it costs by the list that Source names. The prices in
// Arithmetic are that list's and were not taken from the book.
type vector struct {
	Name       string                     `json:"name"`
	Cases      []string                   `json:"cases"`
	Source     string                     `json:"source"`
	Provider   string                     `json:"provider"`
	Asked      string                     `json:"asked"`
	Reported   string                     `json:"reported"`
	Endpoint   string                     `json:"endpoint"`
	At         string                     `json:"at"`
	Tier       string                     `json:"tier"`
	Region     string                     `json:"region"`
	Raw        json.RawMessage            `json:"raw"`
	Attributes map[string]string          `json:"attributes"`
	Used       map[string]metering.Number `json:"used"`      // of pools, before the call
	Confirmed  string                     `json:"confirmed"` // when scheduled prices were seen again
	Protocol   string                     `json:"protocol"`  // of Answer, from which Tokens must be read
	Path       string                     `json:"path"`
	Answer     string                     `json:"answer"`
	Tokens     metering.Tokens            `json:"tokens"`
	Quantities map[string]metering.Number `json:"quantities"`
	Arithmetic []string                   `json:"arithmetic"` // "quantity * price * multiplier / per  item"
	Cost       string                     `json:"cost"`       // US dollars to the pico-dollar
	State      metering.CostState         `json:"state"`
	Reason     string                     `json:"reason"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	f, err := os.Open("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	var out []vector
	if err := d.Decode(&out); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}

// event is the call of a vector.
func (v *vector) event(t *testing.T) *metering.Event {
	t.Helper()
	e := call(t, v.Provider, v.Asked, nil)
	e.Endpoint, e.At = v.Endpoint, at(t, v.At)
	if v.Answer != "" {
		d, ok := dialect.Named(v.Protocol)
		if !ok {
			t.Fatalf("no dialect %s", v.Protocol)
		}
		s := d.Scanner(d.Route("POST", v.Path), dialect.Request{Model: v.Asked}, dialect.Response{Status: 200, ContentType: "application/json"})
		s.Scan([]byte(v.Answer))
		e.Usage = s.Close(dialect.Ended)
		if diff := cmp.Diff(v.Tokens, e.Usage.Tokens); diff != "" {
			t.Errorf("tokens of the answer (-want +got)\n%s", diff)
		}
		return e
	}
	u := &e.Usage
	u.Tokens, u.Model, u.ServiceTier, u.Region, u.Raw = v.Tokens, v.Reported, v.Tier, v.Region, v.Raw
	for name, n := range v.Quantities {
		u.Quantities = append(u.Quantities, metering.Quantity{Name: name, Amount: n})
	}
	slices.SortFunc(u.Quantities, func(a, b metering.Quantity) int { return strings.Compare(a.Name, b.Name) })
	for name, value := range v.Attributes {
		u.Attributes = append(u.Attributes, metering.Tag{Name: name, Value: value})
	}
	slices.SortFunc(u.Attributes, func(a, b metering.Tag) int { return strings.Compare(a.Name, b.Name) })
	return e
}

// sum adds the arithmetic up with fractions, each line rounded to pico-dollars.
func (v *vector) sum(t *testing.T) *big.Rat {
	t.Helper()
	total := new(big.Rat)
	for _, line := range v.Arithmetic {
		product, rest, _ := strings.Cut(line, " / ")
		amount := big.NewRat(1, 1)
		for factor := range strings.SplitSeq(product, " * ") {
			amount.Mul(amount, dollars(t, factor))
		}
		per, _, _ := strings.Cut(rest, " ")
		amount.Quo(amount, dollars(t, per))
		total.Add(total, dollars(t, amount.FloatString(12)))
	}
	return total
}

// TestGolden covers T35 to T40, T42, T43 and B11: published rules of price, a call
// each, and the amount to the pico-dollar, the reason or the state that it must
// have.
func TestGolden(t *testing.T) {
	t.Parallel()
	b, all, seen := embedded(t), vectors(t), map[string]int{}
	for i := range all {
		v := &all[i]
		for _, c := range v.Cases {
			seen[c]++
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			book := b
			if v.Confirmed != "" {
				book = confirmed(t, v)
			}
			e := v.event(t)
			book.PriceIn(e, func(pool string, _ metering.Micros) (metering.Number, bool) {
				n, known := v.Used[pool]
				return n, known
			})
			got := ""
			if e.CostState != metering.CostUnpriced {
				got = e.Cost.String()
				if by := v.sum(t).FloatString(12); by != dollars(t, v.Cost).FloatString(12) {
					t.Errorf("the vector says %s, its arithmetic %s", v.Cost, by)
				}
			}
			if got != v.Cost || e.CostState != v.State || e.CostReason != v.Reason {
				t.Errorf("%s %s %q by %v, want %s %s %q (%s)", e.CostState, got, e.CostReason, e.Rates, v.State, v.Cost, v.Reason, v.Source)
			}
		})
	}
	for _, c := range []string{"T35", "T36", "T37", "T38", "T39", "T40", "T42", "T43", "B11"} {
		if seen[c] < 4 {
			t.Errorf("%s has %d vectors", c, seen[c])
		}
	}
	if len(all) < 100 {
		t.Errorf("only %d vectors", len(all))
	}
}

// confirmed is the book in which the prices announced for the vector's model have
// been seen again.
func confirmed(t *testing.T, v *vector) *pricebook.Book {
	t.Helper()
	layers, err := pricebook.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range layers {
		rows := l.Rows
		rows.Rates = slices.Clone(rows.Rates)
		for j := range rows.Rates {
			if r := &rows.Rates[j]; r.SKU == v.Asked && r.Status == catalogue.StatusScheduled {
				r.Confirmed = instantOf(t, v.Confirmed)
			}
		}
		if layers[i], err = catalogue.NewLayer(l.Level, rows); err != nil {
			t.Fatal(err)
		}
	}
	b, err := pricebook.Compile(layers...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
