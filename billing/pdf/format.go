package pdf

import (
	"strings"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// grouped puts commas into the whole part of a decimal.
func grouped(decimal string) string {
	sign := ""
	if strings.HasPrefix(decimal, "-") {
		sign, decimal = "-", decimal[1:]
	}
	whole, rest, dot := strings.Cut(decimal, ".")
	if strings.Trim(whole, "0123456789") != "" {
		return sign + decimal // a fraction
	}
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if dot {
		b.WriteString("." + rest)
	}
	return b.String()
}

func number(n metering.Number) string { return grouped(n.String()) }

// some is a number, and nothing for 0.
func some(n metering.Number) string {
	if n.IsZero() {
		return ""
	}
	return number(n)
}

// amount is money without its currency.
func amount(m billing.Money) string { return grouped(m.Decimal()) }

// money is an amount with its currency.
func money(m billing.Money) string { return amount(m) + " " + string(m.Currency) }

// instant is a time of the zone to the minute, and to the second where it has
// any.
func instant(at metering.Micros, zone *time.Location) string {
	t := at.Time().In(zone)
	if t.Second() != 0 {
		return t.Format("2 Jan 2006 15:04:05")
	}
	return t.Format("2 Jan 2006 15:04")
}

// span is a period; its end is the first instant after it.
func span(s period.Span, zone *time.Location) string {
	return instant(s.Start, zone) + " to " + instant(s.End, zone)
}
