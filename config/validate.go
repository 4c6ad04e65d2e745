package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Validate returns everything that is wrong, in the order of the fields.
func (c Config) Validate() []Problem {
	var p problems
	c.listeners(&p)
	if c.Data == "" {
		p.add("data", "is empty; the journal needs a directory")
	}
	storeURL(&p, "redis", c.Redis, "redis", "rediss", "unix")
	storeURL(&p, "database", c.Database, "postgres", "postgresql", "sqlite")
	c.upstreams(&p)
	c.limits(&p)
	if c.Keys.MaxStale <= 0 {
		p.add("keys.max_stale", "must be above zero: with nothing trusted no key would work")
	}
	c.Pricebook.Sync.validate(&p)
	c.Alerts.validate(&p)
	c.Reconcile.validate(&p)
	if c.Close.MaxWait <= 0 {
		p.add("close.max_wait", "must be above zero: a period could close while a replica still has calls of it")
	}
	choice(&p, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	choice(&p, "log.format", c.Log.Format, "text", "json")
	return p
}

// Warnings returns what is allowed and probably not meant.
func (c Config) Warnings() []Problem {
	var p problems
	if host, _, err := net.SplitHostPort(c.Console.Listen); err == nil && !loopback(host) {
		p.add("console.listen", "is reachable from other machines, in plain HTTP; put TLS and a firewall in front of it")
	}
	defaults := false
	for _, t := range c.Targets() {
		defaults = defaults || t.Default
		t.reach(&p)
	}
	c.Reconcile.warn(&p, c.Targets())
	if !defaults {
		p.add("upstreams", "none is the default, so paths that begin with /v1/ are not found; mark one with default: true")
	}
	return p
}

func (c Config) listeners(p *problems) {
	dataHost, dataPort, ok := address(p, "listen", c.Listen)
	consoleHost, consolePort, ok2 := address(p, "console.listen", c.Console.Listen)
	if u, err := url.Parse(c.Console.URL); err != nil || c.Console.URL != "" && (u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil) {
		p.add("console.url", "want a scheme and a host, such as https://weir.example.com")
	}
	if !ok || !ok2 || dataPort != consolePort || dataPort == "0" {
		return
	}
	if dataHost == consoleHost || wildcard(dataHost) || wildcard(consoleHost) {
		p.add("console.listen", "is the same address as listen; give one of them another port")
	}
}

// address splits host:port and reports what is wrong with it.
func address(p *problems, path, s string) (host, port string, ok bool) {
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		p.add(path, "want host:port, such as 127.0.0.1:8080 or :8080")
		return "", "", false
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil {
		p.add(path, "the port must be a number from 0 to 65535")
		return "", "", false
	} else {
		port = strconv.FormatUint(n, 10)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	return host, port, true
}

func wildcard(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "" || err == nil && a.IsUnspecified()
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && a.IsLoopback()
}

// storeURL checks the scheme of a URL that may hold a password, and quotes
// nothing of it.
func storeURL(p *problems, path string, s Secret, schemes ...string) {
	if s.IsZero() {
		return
	}
	scheme, rest, ok := strings.Cut(s.Reveal(), ":")
	if !ok || rest == "" || !slices.Contains(schemes, scheme) {
		p.add(path, "want a URL that begins with "+oneOf(schemes)+" and a colon")
		return
	}
	if scheme == "sqlite" {
		return
	}
	if u, err := url.Parse(s.Reveal()); err != nil || u.Host == "" && scheme != "unix" {
		p.add(path, "is not a valid "+scheme+" URL; special characters in a password are written as %XX")
	}
}

func (c Config) limits(p *problems) {
	const leastHead, mostHead, mostInspect = 4 << 10, 1 << 20, 64 << 20
	if c.Limits.Header < leastHead || c.Limits.Header > mostHead {
		p.add("limits.header", fmt.Sprintf("want %s to %s", Size(leastHead), Size(mostHead)))
	}
	if c.Limits.Inspect < leastHead || c.Limits.Inspect > mostInspect {
		p.add("limits.inspect", fmt.Sprintf("want %s to %s", Size(leastHead), Size(mostInspect)))
	}
	if c.Limits.Body != 0 && c.Limits.Body < c.Limits.Inspect {
		p.add("limits.body", "is below limits.inspect")
	}
	if c.Limits.Conns < 1 {
		p.add("limits.conns", "must be at least 1")
	}
}

func (c Config) upstreams(p *problems) {
	if len(c.Upstreams) == 0 {
		p.add("upstreams", "there are none; name at least one")
	}
	var defaults []string
	for _, name := range slices.Sorted(maps.Keys(c.Upstreams)) {
		if c.Upstreams[name].Default {
			defaults = append(defaults, name)
		}
		c.upstream(p, name)
	}
	if len(defaults) > 1 {
		for _, name := range defaults[1:] {
			p.add("upstreams."+name+".default", "upstreams."+defaults[0]+" is the default already; /v1/ can go to one only")
		}
	}
}

// choice checks an enumeration.
func choice(p *problems, path, value string, choices ...string) {
	if !slices.Contains(choices, value) {
		p.add(path, "want "+oneOf(choices)+didYouMean(value, choices))
	}
}
