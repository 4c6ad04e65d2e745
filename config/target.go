package config

import (
	"maps"
	"slices"
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
	fill(&u.BaseURL, preset.BaseURL)
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
