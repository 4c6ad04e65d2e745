package sandbox

import "github.com/weirhq/weir/billing"

// defaultMinimum is that of a currency that minimums does not list, in minor
// units.
const defaultMinimum = 50

// minimums are the smallest amounts that can be charged, in minor units: those
// of https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts where
// they are not 50.
func minimums() map[billing.Currency]int64 {
	return map[billing.Currency]int64{
		"AED": 200, "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500, "MXN": 1000, "MYR": 200,
		"NOK": 300, "PLN": 200, "RON": 200, "SEK": 300, "THB": 1000,
	}
}

// Minimum is the smallest amount that can be charged in the currency, in minor
// units.
func (*Provider) Minimum(c billing.Currency) int64 {
	if least, ok := minimums()[c]; ok {
		return least
	}
	return defaultMinimum
}
