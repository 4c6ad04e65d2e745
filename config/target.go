package config

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Target is an upstream with its preset filled in: all that the data plane
// needs to know of it.
type Target struct {
	Upstream        // with Dialect, Provider, BaseURL and IncludeUsage resolved, BaseURL without a last slash
	Name     string // first segment of the client's path
	Preset   Preset // the vendor's traits; Upstream.Preset holds its name
}

// Targets returns the upstreams of a valid configuration by name, with Default
// set on a single one.
func (c Config) Targets() []Target {
	targets := make([]Target, 0, len(c.Upstreams))
	for _, name := range slices.Sorted(maps.Keys(c.Upstreams)) {
		t := c.Upstreams[name].resolve(name)
		t.Default = t.Default || len(c.Upstreams) == 1
		targets = append(targets, t)
	}
	return targets
}

// resolve fills what u leaves out from its preset. An unknown preset resolves
// like none; validation reports it.
func (u Upstream) resolve(name string) Target {
	presetName := u.Preset
	if presetName == "" {
		presetName = name
	}
	preset, ok := PresetNamed(presetName)
	if !ok {
		preset = compatible()
	}
	u.Preset = preset.Name
	if u.Dialect != "" && u.Dialect != preset.Dialect {
		preset = preset.speaking(u.Dialect)
	}
	u.Dialect = preset.Dialect
	if isSource(u.Dialect) {
		preset.KeyOptional, preset.SDKPath = true, ""
	}
	if u.KeyHeader != "" {
		preset.Header, preset.Scheme = u.KeyHeader, ""
	}
	if u.KeyScheme != nil {
		preset.Scheme = *u.KeyScheme
	}
	if len(u.Endpoints) == 0 {
		fill(&u.BaseURL, preset.BaseURL)
	}
	fill(&u.Provider, preset.Provider)
	fill(&u.Provider, name)
	fill(&u.IncludeUsage, preset.IncludeUsage)
	fill(&u.ObserveCustomer, "observed")
	if isSource(u.Dialect) {
		fill(&u.Event, name)
	}
	u.Quantities = slices.Clone(u.Quantities)
	for i := range u.Quantities {
		fill(&u.Quantities[i].From, fromResponse)
	}
	u.BaseURL = strings.TrimRight(u.BaseURL, "/")
	return Target{Upstream: u, Name: name, Preset: preset}
}

// Private reports whether names of the upstream may stand for private addresses.
func (t Target) Private() bool {
	if t.AllowPrivate != nil {
		return *t.AllowPrivate
	}
	return t.Preset.Local
}

// hasKeys reports whether every address has a credential.
func (t Target) hasKeys() bool {
	if len(t.Credentials) > 0 {
		return true
	}
	for _, e := range t.Endpoints {
		if len(e.Credentials) == 0 {
			return false
		}
	}
	return len(t.Endpoints) > 0 && t.BaseURL == ""
}

// Timeout and Reset report whether a call is repeated after a timeout, and after
// a connection that broke off.
func (r Retry) Timeout() bool { return slices.Contains(r.On, onTimeout) }

// Reset is described with [Retry.Timeout].
func (r Retry) Reset() bool { return slices.Contains(r.On, onReset) }

// Statuses are the status codes after which a call is repeated.
func (r Retry) Statuses() []int {
	var out []int
	for _, on := range r.On {
		if n, err := strconv.Atoi(on); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// ClientPath is what a client's base URL has after the listener's address: the
// name and what the vendor's SDKs put into their base URL, "/openai/v1".
func (t Target) ClientPath() string { return "/" + t.Name + t.Preset.SDKPath }

// isSource reports whether a dialect is of an API that is no LLM.
func isSource(dialect string) bool {
	return dialect == dialectBytes || dialect == dialectS3 || dialect == dialectCustom
}

// fromResponse is the default of [Quantity].From.
const fromResponse = "response"

func fill(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
