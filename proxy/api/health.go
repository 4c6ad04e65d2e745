package api

import (
	"fmt"
	"strings"
	"time"
)

// Health is how an endpoint or a credential fares, in the process that answers
// and since it started.
type Health struct {
	State        string  `json:"state"`         // healthy or resting
	RestingUntil Instant `json:"resting_until"` // null: it does not rest
	Requests     int64   `json:"requests"`
	Failures     int64   `json:"failures"`
	LastError    string  `json:"last_error,omitempty"` // code of the latest failure
	LastErrorAt  Instant `json:"last_error_at"`        // null: there was none
}

// States of what calls go to.
const (
	Healthy = "healthy"
	Resting = "resting"
)

// NewHealth makes one; resting and at are zero where there is nothing to say.
func NewHealth(requests, failures int64, resting time.Time, last string, at time.Time) Health {
	h := Health{State: Healthy, RestingUntil: instantOf(resting), Requests: requests, Failures: failures, LastError: last, LastErrorAt: instantOf(at)}
	if !resting.IsZero() {
		h.State = Resting
	}
	return h
}

// Endpoint is one address of an upstream.
type Endpoint struct {
	Health
	BaseURL     string       `json:"base_url"`
	Region      string       `json:"region,omitempty"`
	Weight      int          `json:"weight"`
	Credentials []Credential `json:"credentials"` // as they fare at all addresses that share them
}

// Credential is one key of the operator; the key itself is told to nobody.
type Credential struct {
	Health
	Position int    `json:"position"`        // in the configuration, from 0
	Last4    string `json:"last4,omitempty"` // of a key that is long enough to show them
	Shared   bool   `json:"shared"`          // it fares the same at every endpoint that has none of its own
}

// CheckUpstreams is doctor's finding about what calls go to.
func CheckUpstreams(upstreams []Upstream) Check {
	var resting, lost []string
	for _, u := range upstreams {
		well, shared := 0, false
		for _, e := range u.Endpoints {
			keys := len(e.Credentials) == 0
			for _, c := range e.Credentials {
				if keys = keys || c.State == Healthy; c.State == Resting && !(c.Shared && shared) {
					resting = append(resting, fmt.Sprintf("credential …%s of %s (%s)", c.Last4, u.Name, c.LastError))
				}
			}
			if e.State == Resting {
				resting = append(resting, fmt.Sprintf("%s of %s (%s)", bare(e.BaseURL), u.Name, e.LastError))
			} else if keys {
				well++
			}
			shared = shared || len(e.Credentials) > 0 && e.Credentials[0].Shared
		}
		if well == 0 && len(u.Endpoints) > 0 {
			lost = append(lost, u.Name)
		}
	}
	switch {
	case len(lost) > 0:
		return Check{Status: StatusFail, Measured: strings.Join(lost, ", ") + ": nothing of it is healthy; " + strings.Join(resting, ", "), Remedy: "`weir upstream list` says what they answered; calls are still tried"}
	case len(resting) > 0:
		return Check{Status: StatusWarn, Measured: "resting: " + strings.Join(resting, ", "), Remedy: "calls go to the others; `weir upstream list` says until when"}
	default:
		return Check{Status: StatusOK, Measured: fmt.Sprintf("%d, and nothing of them rests", len(upstreams))}
	}
}
