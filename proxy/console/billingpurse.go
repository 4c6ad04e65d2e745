package console

import (
	"slices"
	"strings"

	"github.com/weirhq/weir/billing"
)

// purse adds up money, each currency alone.
type purse map[billing.Currency]int64

func (p *purse) add(m billing.Money) {
	if *p == nil {
		*p = make(purse)
	}
	(*p)[m.Currency] += m.Minor
}

// amounts are the sums by currency.
func (p purse) amounts() []billing.Money {
	out := make([]billing.Money, 0, len(p))
	for c, minor := range p {
		out = append(out, billing.Money{Minor: minor, Currency: c})
	}
	slices.SortFunc(out, func(a, b billing.Money) int { return strings.Compare(string(a.Currency), string(b.Currency)) })
	return out
}
