package page

import (
	"html"
	"html/template"
	"math/big"
	"strconv"

	"github.com/weirhq/weir/metering"
)

// Tile is one figure of the row at the top of a page, and where it leads.
type Tile struct {
	Label string
	Value template.HTML // made by [CostHTML], [TokensHTML], [NumberHTML], [MoneyHTML] or [TextHTML]
	Note  string        // small print: a share, a state, what is missing
	Link  string        // the rows that make it; empty: none
	State string        // "", "ok", "warn" or "bad"
}

// Pager leads through a list by cursors. First is set where this is not the
// first page.
type Pager struct {
	First, Next string // URLs, empty where there is none
}

// Empty is what stands where there is nothing yet: what it is and the one next
// thing to do.
type Empty struct {
	Title, Text string
	Link, Label string // of the next step; empty: none
	Code        string // a command line, or empty
}

// NumberHTML is what the template function number writes.
func NumberHTML(n int64) template.HTML { return data(Number(n), strconv.FormatInt(n, 10), Number(n)) }

// TokensHTML is what the template function tokens writes.
func TokensHTML(n int64) template.HTML { return data(Tokens(n), strconv.FormatInt(n, 10), Number(n)) }

// CostHTML is what the template function cost writes.
func CostHTML(c metering.Cost) template.HTML { return cost(c) }

// DollarsHTML is CostHTML of an amount that may have more decimals than a cost has.
// ok is false for what is no decimal, or too large for a cost.
func DollarsHTML(exact string) (markup template.HTML, ok bool) {
	r, ok := new(big.Rat).SetString(exact)
	if !ok {
		return "", false
	}
	const places = 12 // of a pico-dollar
	c, err := metering.ParseCost(r.FloatString(places))
	if err != nil {
		return "", false
	}
	return data(Cost(c), exact, "$"+exact), true
}

// MoneyHTML is what the template function money writes.
func MoneyHTML(amount, currency string) template.HTML {
	return data(Money(amount, currency), amount, amount+" "+currency)
}

// TextHTML is plain text.
func TextHTML(s string) template.HTML { return template.HTML(html.EscapeString(s)) } //nolint:gosec // escaped
