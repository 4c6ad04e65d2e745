package api

import (
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Attempt is one request to an upstream on behalf of a call.
type Attempt struct {
	Upstream   string  `json:"upstream"`
	Provider   string  `json:"provider"`
	Endpoint   string  `json:"endpoint"`             // host
	Credential string  `json:"credential,omitempty"` // last four characters of the operator's key
	Model      string  `json:"model,omitempty"`      // as it was sent
	Status     int     `json:"status,omitempty"`     // of the provider's answer
	ErrorCode  string  `json:"error_code,omitempty"`
	StartedAt  Instant `json:"started_at"`
	EndedAt    Instant `json:"ended_at"` // null for the one whose answer was passed on
	ProviderID string  `json:"provider_id,omitempty"`

	// Usage is what the provider reported of an attempt that failed, and Cost what
	// that costs the operator: null while it is unknown, which is not zero, and
	// where nothing was reported. Cost only where one event is shown.
	Usage *Usage         `json:"usage,omitempty"`
	Cost  *metering.Cost `json:"cost,omitempty"`
}

func showAttempts(list []metering.Attempt) []Attempt {
	var out []Attempt
	for i := range list {
		a := &list[i]
		shown := Attempt{
			Upstream: a.Upstream, Provider: a.Provider, Endpoint: a.Endpoint, Credential: a.Credential, Model: a.Model,
			Status: a.Status, ErrorCode: a.ErrorCode, StartedAt: Instant(a.Started), EndedAt: Instant(a.Ended), ProviderID: a.ProviderID,
		}
		if a.Usage != nil {
			u := showUsage(a.Usage)
			shown.Usage = &u
		}
		out = append(out, shown)
	}
	return out
}

// priceAttempts says what attempts that failed cost the operator, at the prices
// that hold for the event.
func (s *Server) priceAttempts(e *metering.Event, shown []Attempt) {
	for i := range e.Attempts {
		a := &e.Attempts[i]
		if a.Usage == nil || a.Usage.State == metering.UsageUnknown || s.opts.Pricer == nil {
			continue
		}
		alone := metering.Event{Call: e.Call, Name: e.Name, Usage: *a.Usage}
		alone.Provider, alone.Model, alone.SentModel = a.Provider, a.Model, ""
		s.opts.Pricer.Price(&alone)
		if alone.CostState == metering.CostExact || alone.CostState == metering.CostFree {
			shown[i].Cost = &alone.Cost
		}
	}
}

func printAttempts(p *printer, list []Attempt) {
	if len(list) == 0 {
		return
	}
	p.line("")
	p.row("attempt", "upstream", "endpoint", "credential", "model", "answer", "started", "ended", "provider id", "used", "operator's cost")
	for i, a := range list {
		answer := a.ErrorCode
		if a.Status != 0 {
			answer = fmt.Sprint(a.Status)
			if a.ErrorCode != "" {
				answer += " " + a.ErrorCode
			}
		}
		used, cost := "", ""
		switch {
		case a.Usage == nil && a.EndedAt == 0:
			used = "as above"
		case a.Usage != nil && a.Usage.State == metering.UsageUnknown:
			used, cost = "unknown", "unknown"
		case a.Usage != nil:
			used, cost = fmt.Sprintf("%d in, %d out", a.Usage.Input, a.Usage.Output), "unpriced"
		}
		if a.Cost != nil {
			cost = "$" + a.Cost.String()
		}
		p.row(i+1, a.Upstream, a.Endpoint, a.Credential, a.Model, answer, a.StartedAt, a.EndedAt, a.ProviderID, used, cost)
	}
}
