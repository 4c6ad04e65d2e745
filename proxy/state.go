package proxy

import (
	"maps"
	"slices"
	"time"
)

// UpstreamState is how an upstream fares, in this process and since it started.
type UpstreamState struct {
	Name      string
	InUse     int // connections that serve a call now
	Waiting   int // calls that wait for one
	Endpoints []EndpointState
}

// EndpointState is how one address of an upstream fares.
type EndpointState struct {
	Health
	BaseURL     string
	Region      string
	Weight      int
	Credentials []CredentialState // as it fares at all addresses that share it
}

// CredentialState is how one key of the operator fares.
type CredentialState struct {
	Health
	Position int    // in the configuration, from 0
	Last4    string // of the key; empty if it is too short to show them
	Shared   bool   // the upstream's, at every endpoint that has none of its own
}

// Health is what is known of an endpoint or a credential.
type Health struct {
	Requests    int64
	Failures    int64
	Resting     time.Time // until when it is passed over; zero: it is well
	LastError   string    // code of the latest failure; empty: there was none
	LastErrorAt time.Time
}

// Upstreams returns how all upstreams fare, by name.
func (s *Server) Upstreams() []UpstreamState {
	t, now := s.table.Load(), time.Now()
	out := make([]UpstreamState, 0, len(t.byName))
	for _, name := range slices.Sorted(maps.Keys(t.byName)) {
		u := t.byName[name]
		state := UpstreamState{Name: name, InUse: len(u.queue.slots), Waiting: int(u.queue.waiting.Load())}
		for _, e := range u.endpoints {
			shown := EndpointState{Health: e.show(now), BaseURL: e.base, Region: e.region, Weight: e.weight}
			for i, c := range e.keys.list {
				shown.Credentials = append(shown.Credentials, CredentialState{Health: c.show(now), Position: i, Last4: c.tail(), Shared: e.keys == u.keys})
			}
			state.Endpoints = append(state.Endpoints, shown)
		}
		out = append(out, state)
	}
	return out
}

func (h *health) show(now time.Time) Health {
	out := Health{Requests: h.requests.Load(), Failures: h.failures.Load()}
	if ill := h.state.Load(); ill != nil && now.Before(ill.until) {
		out.Resting = ill.until
	}
	if last := h.last.Load(); last != nil {
		out.LastError, out.LastErrorAt = last.code, last.at
	}
	return out
}
