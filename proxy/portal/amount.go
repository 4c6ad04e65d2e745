package portal

import (
	"fmt"
	"html"
	"html/template"
	"math/big"
	"strings"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/rating"
	"github.com/weirhq/weir/proxy/page"
)

// small is how many decimals an amount below a minor unit is shown with.
const small = 6

// amountText writes an exact amount of currency units as an estimate reads: to
// the minor unit, and below one with up to six decimals. What is not nothing is
// never shown as nothing, and there is no exponent.
func amountText(r *big.Rat, c billing.Currency) (string, error) {
	m, _, err := billing.Round(r, c)
	if err != nil {
		return "", err
	}
	if !belowMinor(r, c) {
		return page.Money(m.Decimal(), string(c)), nil
	}
	text := trim(r.FloatString(small))
	if strings.Trim(text, "-0.") != "" {
		return page.Money(text, string(c)), nil
	}
	sign := ""
	if r.Sign() < 0 {
		sign = "-"
	}
	return sign + "<" + page.Money("0."+strings.Repeat("0", small-1)+"1", string(c)), nil
}

// belowMinor reports whether an amount that is not nothing is less than a minor
// unit.
func belowMinor(r *big.Rat, c billing.Currency) bool {
	decimals, err := c.Decimals()
	if err != nil || r.Sign() == 0 {
		return false
	}
	unit := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
	return new(big.Rat).Abs(r).Cmp(unit) < 0
}

// trim takes superfluous zeros off a decimal.
func trim(s string) string {
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// amountHTML is an exact amount as an estimate reads, with the whole of it for
// machines and for who points at it; a dash for one that is not known.
func amountHTML(r *big.Rat, c billing.Currency) (template.HTML, error) {
	if r == nil || c == "" {
		return "–", nil
	}
	text, err := amountText(r, c)
	if err != nil {
		return "", err
	}
	exact := rating.Decimal(r)
	return template.HTML(fmt.Sprintf(`<data value="%s" title="%s %s">%s</data>`, //nolint:gosec // every part is escaped
		html.EscapeString(exact), html.EscapeString(exact), html.EscapeString(string(c)), html.EscapeString(text))), nil
}

// exactOf reads what billing writes as exact: a decimal, or a fraction where it
// has no end.
func exactOf(s string) (*big.Rat, error) {
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, fmt.Errorf("the amount %q cannot be read", s)
	}
	return r, nil
}

// decimalOf is an exact amount for a file, twelve places of one without an end;
// empty for one that is not known.
func decimalOf(r *big.Rat) string {
	if r == nil {
		return ""
	}
	if places, exact := r.FloatPrec(); exact && places <= 12 {
		return rating.Decimal(r)
	}
	return trim(r.FloatString(12))
}
