package config

import (
	"math/big"
	"regexp"
	"time"
)

// Alerts configures what people are told of by themselves: `weir alert list`, the
// console, the gauge weir_alerts and the log say it.
type Alerts struct {
	// MarginPercent is the margin, in percent of revenue, below which a customer or
	// a model raises an alert: a decimal such as "20" or "-2.5". Default 0: when it
	// costs more than it earns.
	MarginPercent string `yaml:"margin_percent"`

	// Window is the time over which margins are watched, up to now. Default 24h.
	Window time.Duration `yaml:"window"`
}

func defaultAlerts() Alerts { return Alerts{MarginPercent: "0", Window: 24 * time.Hour} }

// Percent is MarginPercent as a number.
func (a Alerts) Percent() *big.Rat {
	r, ok := new(big.Rat).SetString(a.MarginPercent)
	if !ok {
		return new(big.Rat)
	}
	return r
}

func (a Alerts) validate(p *problems) {
	if !regexp.MustCompile(`^-?[0-9]{1,3}(\.[0-9]{1,6})?$`).MatchString(a.MarginPercent) {
		p.add("alerts.margin_percent", "want a decimal of percent, such as \"20\" or \"-2.5\"")
	}
	if a.Window < time.Hour || a.Window > 31*24*time.Hour {
		p.add("alerts.window", "must be from 1h to 744h: margins are kept by the hour, and a longer one hides what happens now")
	}
}
