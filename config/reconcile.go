package config

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// Reconcile configures the comparison of what was recorded with what providers
// say of themselves, which `weir reconcile` makes when it is asked for.
type Reconcile struct {
	// Nightly says whether every day is compared by itself, by one of the replicas:
	// After its end, and again a day later. Default false: providers are asked only
	// when a person asks.
	Nightly bool `yaml:"nightly"`

	// After is how long after midnight UTC a day is first compared: until then its
	// reports may still grow. Default 6h, 1h to 20h.
	After time.Duration `yaml:"after"`

	// Tolerance is the greatest difference that is none, in percent of what the
	// provider says. Default "0.1%".
	Tolerance string `yaml:"tolerance"`

	// Providers are those that are asked: openai, anthropic. Default: none.
	Providers map[string]ReconcileProvider `yaml:"providers"`
}

// ReconcileProvider is how a provider is asked for its reports.
type ReconcileProvider struct {
	// AdminKey is an administrator's key, which is another kind of key than those
	// that call models: sk-admin-… of OpenAI, sk-ant-admin… of Anthropic. Write
	// ${OPENAI_ADMIN_KEY} or ${file:/run/secrets/x} rather than the key itself.
	AdminKey Secret `yaml:"admin_key"`

	// BaseURL is where its administration is reached. Default: the provider's own.
	BaseURL string `yaml:"base_url"`

	// Keys say which credential the provider's id of a key is: its last four
	// characters, or "-" for a key that Weir does not use. Default: keys are compared
	// only where both sides have one.
	Keys map[string]string `yaml:"keys"`
}

func defaultReconcile() Reconcile { return Reconcile{After: 6 * time.Hour, Tolerance: "0.1%"} }

func (r Reconcile) validate(p *problems) {
	if r.After < time.Hour || r.After > 20*time.Hour {
		p.add("reconcile.after", "must be from 1h to 20h: before that the providers' reports still grow, and after that the next day's are due")
	}
	if !regexp.MustCompile(`^[0-9]{1,2}(\.[0-9]{1,6})?%$`).MatchString(r.Tolerance) {
		p.add("reconcile.tolerance", "want a percentage, such as \"0.1%\"")
	}
	if r.Nightly && len(r.Providers) == 0 {
		p.add("reconcile.providers", "there are none to ask every night; name openai or anthropic, with an admin_key")
	}
	for _, name := range slices.Sorted(maps.Keys(r.Providers)) {
		path, x := "reconcile.providers."+name, r.Providers[name]
		choice(p, path, name, "openai", "anthropic")
		if x.AdminKey.IsZero() {
			p.add(path+".admin_key", "is missing: the reports want an administrator's key")
		}
		if u, err := url.Parse(x.BaseURL); err != nil || x.BaseURL != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil) {
			p.add(path+".base_url", "want the http(s) address of its API, such as https://api.openai.com")
		}
		for _, id := range slices.Sorted(maps.Keys(x.Keys)) {
			if id == "" || x.Keys[id] == "" {
				p.add(path+".keys", "want the provider's id of a key and a credential for each: the last four characters, or \"-\"")
			}
		}
	}
}

// warn says what is allowed and probably not meant.
func (r Reconcile) warn(p *problems, targets []Target) {
	for _, name := range slices.Sorted(maps.Keys(r.Providers)) {
		path := "reconcile.providers." + name
		if u, err := url.Parse(r.Providers[name].BaseURL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
			p.add(path+".base_url", "is plain http to another machine: the administrator's key travels in clear text")
		}
		if !slices.ContainsFunc(targets, func(t Target) bool { return t.Provider == name }) {
			p.add(path, "no upstream is of this provider, so whatever it reports will differ; an upstream names it with provider: "+name)
		}
	}
}
