package sync

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"
)

// significant is to how many digits prices of catalogues are rounded: their
// programs write what binary fractions leave of a price, 0.049999999999999996
// for 0.05 and 1.9999999999999998e-06 for 0.000002.
const significant = 10

// places is how many decimals a rate can have.
const places = 12

// decimal reads a JSON number times ten to the power of shift, rounded half away
// from zero to ten significant digits, and to twelve decimals. It is an exact
// decimal without an exponent. ok is false for what is no number, is below zero
// or beyond any price.
func decimal(n json.Number, shift int) (text string, ok bool) {
	digits, exponent, ok := scan(string(n))
	if !ok {
		return "", false
	}
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return "0", true
	}
	exponent += shift
	const most = 20 // digits before the point; the dearest price has three
	if point := len(digits) + exponent; point > most || point < -most {
		return "0", point < 0
	}
	keep := min(significant, len(digits)+exponent+places)
	digits, exponent = rounded(digits, exponent, keep)
	return plainDecimal(digits, exponent), true
}

// scan splits a JSON number into its digits and the power of ten that they are
// multiplied by.
func scan(s string) (digits string, exponent int, ok bool) {
	const most = 400 // digits; a float64 in full has 309 before the point
	if len(s) > most || !json.Valid([]byte(s)) || strings.HasPrefix(s, "-") && strings.Trim(s, "-0.eE+") != "" {
		return "", 0, false
	}
	mantissa := strings.TrimPrefix(s, "-")
	if i := strings.IndexAny(mantissa, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.Atoi(mantissa[i+1:]); err != nil || exponent > 1000 || exponent < -1000 {
			return "", 0, false
		}
		mantissa = mantissa[:i]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if strings.Trim(digits, "0123456789") != "" {
		return "", 0, false // true, null and strings are valid JSON too
	}
	return digits, exponent - len(fraction), true
}

// rounded leaves the first keep digits, half away from zero.
func rounded(digits string, exponent, keep int) (string, int) {
	drop := len(digits) - keep
	if drop <= 0 {
		return digits, exponent
	}
	if keep < 0 {
		return "0", 0
	}
	n, _ := new(big.Int).SetString("0"+digits[:keep], 10)
	if digits[keep] >= '5' {
		n.Add(n, big.NewInt(1))
	}
	return n.String(), exponent + drop
}

// plainDecimal writes digits times ten to the power of exponent.
func plainDecimal(digits string, exponent int) string {
	if exponent >= 0 {
		return strings.TrimLeft(digits+strings.Repeat("0", exponent), "0") + zeroIf(strings.Trim(digits, "0") == "")
	}
	if short := 1 - exponent - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	whole, fraction := digits[:len(digits)+exponent], strings.TrimRight(digits[len(digits)+exponent:], "0")
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction == "" {
		return whole
	}
	return whole + "." + fraction
}

func zeroIf(yes bool) string {
	if yes {
		return "0"
	}
	return ""
}
