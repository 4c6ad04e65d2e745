package page

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Number writes n with its digits in groups of three: -1,234,567.
func Number(n int64) string { return group(strconv.FormatInt(n, 10)) }

// group puts commas into the whole part of a decimal.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	whole, rest, dot := strings.Cut(s, ".")
	var b strings.Builder
	b.WriteString(sign)
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if dot {
		b.WriteByte('.')
		b.WriteString(rest)
	}
	return b.String()
}

// Tokens writes a count to be read at a glance: in full up to 9,999, above with
// three significant digits, 12.3k, 4.56M, 7.89B. It never rounds up to a count
// that was not reached.
func Tokens(n int64) string {
	if n < 0 {
		return "-" + Tokens(-n)
	}
	if n < 10_000 {
		return Number(n)
	}
	for _, scale := range []struct {
		unit int64
		name string
	}{{1e15, "P"}, {1e12, "T"}, {1e9, "B"}, {1e6, "M"}, {1e3, "k"}} {
		if n < scale.unit {
			continue
		}
		whole := n / scale.unit
		hundredths := n % scale.unit * 100 / scale.unit
		switch {
		case whole >= 100:
			return Number(whole) + scale.name
		case whole >= 10:
			return fmt.Sprintf("%d.%d%s", whole, hundredths/10, scale.name)
		default:
			return fmt.Sprintf("%d.%02d%s", whole, hundredths, scale.name)
		}
	}
	return Number(n)
}

// Cost writes an amount of US dollars as an estimate reads: two decimals, below
// one cent up to six, and <$0.000001 for less. Nothing but nothing is $0.00.
func Cost(c metering.Cost) string {
	c = c.Normal()
	if c.IsZero() {
		return "$0.00"
	}
	sign := ""
	if c.Micros < 0 {
		sign, c = "-", c.Neg()
	}
	if c.Micros == 0 {
		return sign + "<$0.000001"
	}
	micros := c.Micros
	if c.Picos >= metering.PicosPerMicro/2 {
		micros++
	}
	if micros < 10_000 { // below one cent
		return sign + "$0." + strings.TrimRight(fmt.Sprintf("%06d", micros), "0")
	}
	cents := c.Micros / 10_000
	if c.Micros%10_000 >= 5_000 {
		cents++
	}
	return fmt.Sprintf("%s$%s.%02d", sign, Number(cents/100), cents%100)
}

// Price writes micro-dollars per million tokens, up to six decimals and two at
// least: $2.50/M.
func Price(micros int64) string {
	text := metering.Cost{Micros: micros}.String()
	sign := ""
	if strings.HasPrefix(text, "-") {
		sign, text = "-", text[1:]
	}
	whole, rest, _ := strings.Cut(text, ".")
	for len(rest) < 2 {
		rest += "0"
	}
	return sign + "$" + group(whole) + "." + rest + "/M"
}

// symbol is how readers know a currency before its code; most have none that is
// theirs alone, and the code stands behind all of them.
func symbol(currency string) string {
	switch currency {
	case "USD":
		return "$"
	case "EUR":
		return "€"
	case "GBP":
		return "£"
	case "JPY", "CNY":
		return "¥"
	default:
		return ""
	}
}

// Money writes an exact amount of a currency: $1,234.50 USD. Digits are grouped
// and never rounded.
func Money(amount, currency string) string {
	sign := ""
	if strings.HasPrefix(amount, "-") {
		sign, amount = "-", amount[1:]
	}
	return sign + symbol(currency) + group(amount) + " " + currency
}

// Percent writes part of whole with one decimal: 12.3 %, <0.1 % for what is
// less and not nothing, and a dash where there is no whole.
func Percent(part, whole int64) string {
	if whole == 0 {
		return "–"
	}
	tenths := perMille(part, whole)
	switch {
	case part != 0 && tenths == 0:
		return "<0.1 %"
	case part < whole && tenths == 1000:
		return ">99.9 %"
	default:
		return fmt.Sprintf("%d.%d %%", tenths/10, tenths%10)
	}
}

// perMille is the rounded thousandths of a share. Both are shifted until the
// product fits.
func perMille(part, whole int64) int64 {
	for part > 1<<52 || part < -1<<52 {
		part, whole = part>>8, whole>>8
	}
	if whole == 0 {
		return 0
	}
	return (part*2000 + whole) / (2 * whole)
}

// Instant layouts. A reader sees UTC, and that it is.
const (
	instantLayout = "2006-01-02 15:04:05 UTC"
	machineLayout = "2006-01-02T15:04:05.000000Z"
)

// Instant writes an instant in UTC to the second, and a dash for none.
func Instant(m metering.Micros) string {
	if m == 0 {
		return "–"
	}
	return m.Time().Format(instantLayout)
}

// Duration writes a span of time: 820 ms, 1.42 s, 2 m 05 s, 3 h 20 m, 4 d 2 h.
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-d)
	}
	switch {
	case d == 0:
		return "0 s"
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%d.%02d s", d/time.Second, d%time.Second/(10*time.Millisecond))
	case d < time.Minute:
		return fmt.Sprintf("%d.%d s", d/time.Second, d%time.Second/(100*time.Millisecond))
	case d < time.Hour:
		return fmt.Sprintf("%d m %02d s", d/time.Minute, d%time.Minute/time.Second)
	case d < 24*time.Hour:
		return fmt.Sprintf("%d h %02d m", d/time.Hour, d%time.Hour/time.Minute)
	default:
		return fmt.Sprintf("%d d %d h", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	}
}

// Ago writes how long before now an instant was.
func Ago(now time.Time, m metering.Micros) string {
	if m == 0 {
		return "never"
	}
	d := now.Sub(m.Time())
	switch {
	case d < -time.Second:
		return "in " + coarse(-d)
	case d < time.Second:
		return "just now"
	default:
		return coarse(d) + " ago"
	}
}

func coarse(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < time.Hour:
		return fmt.Sprintf("%d m", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d d", d/(24*time.Hour))
	}
}

// Short writes the ends of an identifier. Those of UUIDv7s that were made
// together begin alike, so the end is the longer part.
func Short(id string) string {
	if len(id) <= 14 {
		return id
	}
	return id[:4] + "…" + id[len(id)-8:]
}
