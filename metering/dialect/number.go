package dialect

import (
	"encoding/json"
	"math/big"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/weirhq/weir/metering"
)

// maxCount is the largest count that is believed. No context window is near it,
// and products of it with any price fit.
const maxCount = 1_000_000_000

// count is a token count as a usage object gave it.
type count struct {
	n   int64
	set bool // given, and a number that can be a count
	bad bool // given, but no such number
}

// readCount reads v. Null is the same as absent; a float that is a whole number
// is that number.
func readCount(v gjson.Result) count {
	if !v.Exists() || v.Type == gjson.Null {
		return count{}
	}
	if v.Type != gjson.Number {
		return count{bad: true}
	}
	return countOf(v.Raw)
}

// countOf is the count in the text of a number.
func countOf[T string | []byte](text T) count {
	n, ok := whole(text)
	if !ok {
		return count{bad: true}
	}
	return count{n: n, set: true}
}

// rawCount is readCount of a raw value.
func rawCount(raw []byte) count {
	if len(raw) == 0 || string(raw) == "null" {
		return count{}
	}
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return count{bad: true}
	}
	return countOf(raw)
}

// or returns c, or alt if c was not given.
func (c count) or(alt count) count {
	if c.set || c.bad {
		return c
	}
	return alt
}

// whole reads the text of a JSON number that is an integer in [0, maxCount].
func whole[T string | []byte](text T) (int64, bool) {
	if len(text) > 0 && len(text) <= 10 {
		var n int64
		for i := 0; ; i++ {
			if i == len(text) {
				return n, n <= maxCount
			}
			if text[i] < '0' || text[i] > '9' {
				break
			}
			n = n*10 + int64(text[i]-'0')
		}
	}
	x, err := metering.ParseNumber(string(text))
	if err != nil || x.Picos != 0 || x.Units < 0 || x.Units > maxCount {
		return 0, false
	}
	return x.Units, true
}

// quantities collects counts of what is not a token.
type quantities []metering.Quantity

// add adds n to the quantity of that name; nothing is kept of a zero.
func (q *quantities) add(name string, n metering.Number) {
	if n == (metering.Number{}) || n.Units < 0 || n.Units > maxCount {
		return
	}
	for i := range *q {
		if (*q)[i].Name == name {
			(*q)[i].Amount = (*q)[i].Amount.Add(n)
			return
		}
	}
	if len(*q) < maxQuantities {
		*q = append(*q, metering.Quantity{Name: name, Amount: n})
	}
}

// maxQuantities bounds the record of one call. Recorded answers have at most
// five kinds.
const maxQuantities = 32

// of is the quantity of that name.
func (q *quantities) of(name string) metering.Number {
	for i := range *q {
		if (*q)[i].Name == name {
			return (*q)[i].Amount
		}
	}
	return metering.Number{}
}

// put makes n the quantity of that name.
func (q *quantities) put(name string, n metering.Number) {
	*q = slices.DeleteFunc(*q, func(have metering.Quantity) bool { return have.Name == name })
	q.add(name, n)
}

func (q *quantities) one(name string) { q.add(name, metering.NumberOf(1)) }

// set makes a JSON number the quantity of that name, so that of a cumulative
// report the last stands. Anything else is not a quantity.
func (q *quantities) set(name string, v gjson.Result) {
	if v.Type != gjson.Number {
		return
	}
	n, err := metering.ParseNumber(v.Raw)
	if err != nil {
		return
	}
	q.put(name, n)
}

// setCost is set for an amount of money or a duration, of which servers write
// more decimals than are ever counted here: it is rounded to the pico, half away
// from zero.
func (q *quantities) setCost(name string, v gjson.Result) {
	if raw, ok := rounded(v.Raw); ok && v.Type == gjson.Number {
		v.Raw = raw
	}
	q.set(name, v)
}

// measure is setCost for what may be all that is billed: it reports whether v is an
// amount at all.
func (q *quantities) measure(name string, v gjson.Result) bool {
	raw, ok := rounded(v.Raw)
	n, err := metering.ParseNumber(raw)
	if !ok || v.Type != gjson.Number || err != nil || n.Units < 0 || n.Units > maxCount {
		return false
	}
	q.put(name, n)
	return true
}

// rounded is a JSON number of at most maxNumber bytes with twelve decimals. Its
// exponent has two digits at most: written out, 1e999999 would be a bomb.
func rounded(text string) (string, bool) {
	_, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > maxNumber || len(strings.TrimLeft(exponent, "+-0")) > 2 || !json.Valid([]byte(text)) {
		return "", false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return "", false
	}
	return r.FloatString(12), true
}

// maxNumber is the longest text of an amount that is read. Python writes at most
// 24 bytes of a float.
const maxNumber = 32

// setAll sets every number of an object, each under prefix and its key.
func (q *quantities) setAll(prefix string, v gjson.Result) {
	if !v.IsObject() {
		return
	}
	v.ForEach(func(key, n gjson.Result) bool {
		q.set(clean(prefix+key.String(), maxLabel), n)
		return true
	})
}

// replace sets a quantity, whatever it was.
func (q *quantities) replace(with metering.Quantity) {
	*q = slices.DeleteFunc(*q, func(have metering.Quantity) bool { return have.Name == with.Name })
	q.add(with.Name, with.Amount)
}
