package config

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// maxMembers and maxWeight are what the data plane can choose from.
const (
	maxMembers = 64
	maxWeight  = 100
)

// calls checks what decides where the calls of an upstream go.
func (c Config) calls(p *problems, path string, t Target) {
	c.endpoints(p, path, t)
	checkKeys(p, path+".credentials", t.Credentials)
	checkRetry(p, path+".retry", t)
	c.fallback(p, path, t)
	if t.Queue < 0 {
		p.add(path+".queue", "must not be below 0")
	}
	checkTLS(p, path+".tls", t.TLS)
	checkModels(p, path+".models", t)
	for i, o := range t.Operations {
		if o == "" || strings.ContainsFunc(o, func(r rune) bool { return r <= ' ' || r > '~' }) {
			p.add(fmt.Sprintf("%s.operations[%d]", path, i), "want the name of an endpoint, such as openai.chat, or a pattern, such as openai.*")
		}
	}
}

func (c Config) endpoints(p *problems, path string, t Target) {
	if len(t.Endpoints) > maxMembers {
		p.add(path+".endpoints", fmt.Sprintf("there are more than %d", maxMembers))
	}
	seen := map[string]bool{t.BaseURL: true}
	for i, e := range t.Endpoints {
		where := fmt.Sprintf("%s.endpoints[%d]", path, i)
		c.checkBaseURL(p, where+".base_url", t, e.BaseURL)
		if base := strings.TrimRight(e.BaseURL, "/"); base != "" {
			if seen[base] {
				p.add(where+".base_url", "is there twice; a weight gives it a larger share")
			}
			seen[base] = true
		}
		checkWeight(p, where, e.Weight)
		checkKeys(p, where+".credentials", e.Credentials)
		if len(e.Credentials) > 0 && t.Auth != AuthWeir {
			p.add(where+".credentials", "would never be used with auth: "+t.Auth)
		}
		if !t.Sign.Set() {
			continue
		}
		if len(e.Credentials) > 0 {
			p.add(where+".credentials", "and sign exclude each other: a call is either signed or carries a key")
		}
		if u, err := url.Parse(e.BaseURL); err == nil && isAWS(u.Hostname()) && !strings.Contains("."+u.Hostname(), "."+t.Sign.Region+".") {
			p.add(where+".base_url", "is not in the region of sign, and AWS would refuse its calls; make it an upstream of its own and name that in fallback")
		}
	}
}

func checkWeight(p *problems, path string, weight *int) {
	if weight != nil && (*weight < 1 || *weight > maxWeight) {
		p.add(path+".weight", fmt.Sprintf("want 1 to %d; what should get no calls is left out", maxWeight))
	}
}

func checkKeys(p *problems, path string, list []Credential) {
	if len(list) > maxMembers {
		p.add(path, fmt.Sprintf("there are more than %d", maxMembers))
	}
	for i, cred := range list {
		where := fmt.Sprintf("%s[%d]", path, i)
		checkWeight(p, where, cred.Weight)
		switch key := cred.Key.Reveal(); {
		case key == "":
			p.add(where+".key", "is empty")
		case strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }):
			p.add(where+".key", "has a space, line end or other character that no header can carry")
		case strings.HasPrefix(key, "weir_"):
			p.add(where+".key", "is a key that Weir issues; the provider's own belongs here")
		case slices.ContainsFunc(list[:i], func(c Credential) bool { return c.Key.Equal(cred.Key) }):
			p.add(where+".key", "is there twice; a weight gives it a larger share")
		}
	}
}

// Words of [Retry].On beside status codes.
const (
	onTimeout = "timeout"
	onReset   = "reset"
)

func checkRetry(p *problems, path string, t Target) {
	r := t.Retry
	if r.Attempts < 0 || r.Attempts > 10 {
		p.add(path+".attempts", "want 1 to 10")
	}
	for i, on := range r.On {
		where := fmt.Sprintf("%s.on[%d]", path, i)
		switch n, err := strconv.Atoi(on); {
		case on == onReset:
		case on == onTimeout:
			if t.Timeouts.Header == 0 || t.Timeouts.Header >= r.within() {
				p.add(where, fmt.Sprintf("would never come to pass: no request begins later than retry.within, %s, and the answer is waited for as long; make timeouts.header shorter", r.within()))
			}
		case err != nil || n < 400 || n > 599:
			p.add(where, "want a status code from 400 to 599, timeout or reset")
		}
	}
	if len(r.On) > 0 && r.Attempts == 1 {
		p.add(path+".on", "would never be used with attempts: 1")
	}
}

func (c Config) fallback(p *problems, path string, t Target) {
	for i, name := range t.Fallback {
		where := fmt.Sprintf("%s.fallback[%d]", path, i)
		u, ok := c.Upstreams[name]
		switch f := u.resolve(name); {
		case !ok:
			p.add(where, "no upstream has this name"+didYouMean(name, slices.Sorted(maps.Keys(c.Upstreams))))
		case name == t.Name:
			p.add(where, "is the upstream itself")
		case f.Dialect != t.Dialect:
			p.add(where, "speaks "+f.Dialect+", and clients of this upstream speak "+t.Dialect)
		case f.Auth != AuthWeir || t.Auth != AuthWeir:
			p.add(where, "needs auth: weir on both: a client's own credential is for one provider")
		case slices.Contains(t.Fallback[:i], name):
			p.add(where, "is there twice")
		}
	}
}

func checkModels(p *problems, path string, t Target) {
	for i, pattern := range slices.Concat(t.Models.Allow, t.Models.Deny) {
		if pattern != "" {
			continue
		}
		where := fmt.Sprintf("%s.allow[%d]", path, i)
		if n := len(t.Models.Allow); i >= n {
			where = fmt.Sprintf("%s.deny[%d]", path, i-n)
		}
		p.add(where, "is empty; * stands for any model")
	}
	if t.Auth == AuthObserve && (len(t.Models.Allow)+len(t.Models.Deny)+len(t.Models.Aliases) > 0 || len(t.Operations) > 0) {
		p.add(path, "would never be used with auth: observe, which refuses and changes nothing")
	}
	for _, alias := range slices.Sorted(maps.Keys(t.Models.Aliases)) {
		real := t.Models.Aliases[alias]
		where := path + ".aliases." + alias
		if alias == "" || real == "" || len(real) > 512 || strings.ContainsFunc(real, func(r rune) bool { return r <= ' ' || r > '~' }) {
			p.add(where, "want the name of a model, in printable ASCII without spaces")
		} else if _, twice := t.Models.Aliases[real]; twice && real != alias {
			p.add(where, real+" is an alias too; name the model that is meant")
		}
	}
}

// addresses are the base URLs of a target, by their paths in the configuration.
func (t Target) addresses() map[string]string {
	out := make(map[string]string)
	if t.BaseURL != "" {
		out["base_url"] = t.BaseURL
	}
	for i, e := range t.Endpoints {
		out[fmt.Sprintf("endpoints[%d].base_url", i)] = e.BaseURL
	}
	return out
}

// reach finds what is allowed and probably not meant about where calls go.
func (t Target) reach(p *problems) {
	path := "upstreams." + t.Name
	if t.TLS.InsecureSkipVerify {
		p.add(path+".tls.insecure_skip_verify", "TAKES ANY CERTIFICATE: whoever gets between Weir and this upstream reads its credential and all prompts")
	}
	addresses := t.addresses()
	for _, field := range slices.Sorted(maps.Keys(addresses)) {
		u, err := url.Parse(addresses[field])
		if err != nil {
			continue
		}
		host := u.Hostname()
		if u.Scheme == "http" && !loopback(host) {
			p.add(path+"."+field, "is plain http to another machine: credentials and prompts travel in clear text")
		}
		a, err := netip.ParseAddr(host)
		switch {
		case err == nil && metadata(a):
			p.add(path+"."+field, "is where a cloud answers its own machines: credentials of this machine could be read through it")
		case err == nil, loopback(host), t.Private():
		case !strings.Contains(host, "."), hasSuffix(host, ".local", ".internal", ".lan", ".svc", ".home.arpa", ".intranet", ".corp"):
			p.add(path+"."+field, "looks like a name of your own network; calls are refused if it stands for an address that is not public, unless allow_private: true is set")
		}
	}
}

func hasSuffix(host string, suffixes ...string) bool {
	return slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(host, s) })
}

// metadata reports whether an address is one at which clouds give out the
// credentials of a machine.
func metadata(a netip.Addr) bool {
	switch a.Unmap().String() {
	case "169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254":
		return true
	default:
		return false
	}
}
