package api

import (
	"encoding/json"
	"net/url"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// decimal reads an exact decimal of at most twelve places that is not negative.
// It is a string: a JSON number has been a float in too many programs before it
// gets here. present is false where it is absent.
func (o *object) decimal(name string) (n metering.Number, present bool) {
	raw, ok := o.take(name)
	if !ok {
		return n, false
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		o.fault(name, `must be a decimal in a string, like "0.01"`)
		return n, true
	}
	n, err := metering.ParseNumber(s)
	switch {
	case err != nil:
		o.fault(name, `must be a decimal of at most twelve places, like "0.01", is %.40q`, s)
	case n.Compare(metering.Number{}) < 0:
		o.fault(name, "must not be negative")
	}
	return n, true
}

// currency reads an ISO 4217 code.
func (o *object) currency(name string) billing.Currency {
	c := billing.Currency(o.text(name, 1, 20))
	if c == "" {
		return ""
	}
	if _, err := c.Decimals(); err != nil {
		o.fault(name, "must be a currency of ISO 4217, like USD")
	}
	return c
}

// place reads an IANA time zone; UTC where it is absent.
func (o *object) place(name string) *time.Location {
	zone, err := ParseZone(o.text(name, 0, 60))
	if err != nil {
		o.fault(name, "must be a time zone like Europe/Berlin")
		return time.UTC
	}
	return zone
}

// page reads the address of a page to send somebody back to.
func (o *object) page(name string) string {
	s := o.label(name, 1, 2000)
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil) {
		o.fault(name, "must be an address like https://example.com/account")
	}
	return s
}

// period of a product, as the API writes its length.
const (
	monthly    = "1mo"
	quarterly  = "3mo"
	halfYearly = "6mo"
	yearly     = "12mo"
)

func intervals() []string { return []string{monthly, quarterly, halfYearly, yearly} }

// monthsOf is how many months an interval has.
func monthsOf(interval string) int {
	switch interval {
	case quarterly:
		return 3
	case halfYearly:
		return 6
	case yearly:
		return 12
	default:
		return 1
	}
}

func intervalOf(months int) string {
	for _, i := range intervals() {
		if monthsOf(i) == months {
			return i
		}
	}
	return ""
}
