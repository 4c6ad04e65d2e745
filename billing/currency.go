package billing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Currency is an ISO 4217 code, upper case.
type Currency string

// USD is what upstream costs are in.
const USD Currency = "USD"

// ISO 4217, list one of 2025-05: currencies by the number of decimals of their
// minor unit. A currency that is in none of them is an error, never two.
const (
	decimals0 = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
	decimals2 = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BOV BRL BSD BTN BWP BYN BZD " +
		"CAD CDF CHE CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD " +
		"GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD " +
		"MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD " +
		"RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD " +
		"USN UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
	decimals3 = "BHD IQD JOD KWD LYD OMR TND"
	decimals4 = "CLF UYW"
)

// Decimals is how many decimals the minor unit of the currency has.
func (c Currency) Decimals() (int, error) {
	for decimals, codes := range map[int]string{0: decimals0, 2: decimals2, 3: decimals3, 4: decimals4} {
		if slices.Contains(strings.Fields(codes), string(c)) {
			return decimals, nil
		}
	}
	return 0, fmt.Errorf("currency %.10q is not in ISO 4217: %w", string(c), metering.ErrInvalid)
}
