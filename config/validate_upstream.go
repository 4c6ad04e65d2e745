package config

import (
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// upstreamName is what may be the first segment of a path.
var upstreamName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

// versionSegment is a path segment that clients bring with their own path.
var versionSegment = regexp.MustCompile(`^v1(beta\d*|alpha\d*)?$`)

// upstream checks the upstream of that name.
func (c Config) upstream(p *problems, name string) {
	path := "upstreams." + name
	u := c.Upstreams[name]
	switch {
	case versionSegment.MatchString(name):
		p.add(path, "cannot be a name: /"+name+"/ is where API paths begin")
	case !upstreamName.MatchString(name):
		p.add(path, "a name has lower-case letters, digits, dots, dashes and underscores, at most 63, and begins with a letter or digit")
	}
	if _, ok := PresetNamed(u.Preset); u.Preset != "" && !ok {
		p.add(path+".preset", "no such vendor"+didYouMean(u.Preset, presetNames())+"; a server that speaks the OpenAI protocol is "+compatiblePreset)
		return // what it should have filled in would only be reported as missing
	}
	t := u.resolve(name)
	if dialectOK := checkDialect(p, path, t); dialectOK && (t.BaseURL != "" || len(t.Endpoints) == 0) {
		c.checkBaseURL(p, path+".base_url", t, t.BaseURL)
	}
	checkSource(p, path, t)
	checkAuth(p, path, t)
	checkSign(p, path, t)
	choice(p, path+".include_usage", t.IncludeUsage, UsageSplice, UsageLeave, UsageEstimate, UsageRefuse)
	choice(p, path+".cost", t.Cost, CostComputed, CostStated, CostStatedIfUnpriced)
	choice(p, path+".missing_usage", t.MissingUsage, MissingBill, MissingZero, MissingHold)
	if u.DrainLimit.Time <= 0 {
		p.add(path+".drain_limit.time", "must be above zero: a provider that never ends would be read for ever")
	}
	checkTimeouts(p, path+".timeouts", u.Timeouts)
	if u.MaxConns < 1 {
		p.add(path+".max_conns", "must be at least 1")
	}
	storeURL(p, path+".proxy", u.Proxy, "http", "https")
	c.calls(p, path, t)
}

func presetNames() []string {
	all := Presets()
	names := make([]string, 0, len(all))
	for _, v := range all {
		names = append(names, v.Name)
	}
	return names
}

// checkDialect reports whether the dialect is one this version reads.
func checkDialect(p *problems, path string, t Target) bool {
	if slices.Contains(dialects(), t.Dialect) {
		return true
	}
	p.add(path+".dialect", "want "+oneOf(dialects())+didYouMean(t.Dialect, dialects()))
	return false
}

// checkBaseURL checks where requests would go. A value that does not parse is not
// quoted: it may be a secret in the wrong field.
func (c Config) checkBaseURL(p *problems, path string, t Target, base string) {
	if base == "" {
		message := "is missing"
		if t.Preset.Example != "" {
			message += "; " + t.Preset.Title + " has no fixed address, it looks like " + t.Preset.Example
		}
		p.add(path, message)
		return
	}
	u, err := url.Parse(base)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		p.add(path, "want http:// or https://, a host and perhaps a path")
		return
	case u.User != nil:
		p.add(path, "must not hold a user or password; keys belong in credentials")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		p.add(path, "must not have a query or fragment; the client brings its own")
	}
	if !isSource(t.Dialect) { // their clients bring no version of their own
		checkBasePath(p, path, u)
	}
	if c.isOwn(u) {
		p.add(path, "is Weir's own address: every call would come back to itself")
	}
}

// checkBasePath finds what the client's own path would bring a second time.
func checkBasePath(p *problems, path string, u *url.URL) {
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	for i, s := range segments {
		if !versionSegment.MatchString(s) {
			continue
		}
		rest := *u
		rest.Path, rest.RawPath = strings.TrimRight("/"+strings.Join(segments[:i], "/"), "/"), ""
		rest.User, rest.RawQuery, rest.Fragment = nil, "", ""
		p.add(path, fmt.Sprintf("the client's path brings /%s itself, so calls would go to /%s/%s; write %s", s, s, s, rest.String()))
		return
	}
	if strings.Contains(u.Path, "//") {
		p.add(path, "has an empty path segment (//)")
	}
}

// isOwn reports whether u is one of our listeners on this machine.
func (c Config) isOwn(u *url.URL) bool {
	port := u.Port()
	if !loopback(u.Hostname()) || port == "" || port == "0" {
		return false
	}
	for _, listen := range []string{c.Listen, c.Console.Listen} {
		host, own, err := net.SplitHostPort(listen)
		if err == nil && own == port && (loopback(host) || wildcard(host)) {
			return true
		}
	}
	return false
}

func checkAuth(p *problems, path string, t Target) {
	choice(p, path+".auth", t.Auth, AuthWeir, AuthClient, AuthObserve)
	switch {
	case (t.Auth == AuthClient || t.Auth == AuthObserve) && len(t.Credentials) > 0:
		p.add(path+".credentials", "would never be used with auth: "+t.Auth)
	case t.Auth == AuthWeir && !t.hasKeys() && !t.Preset.KeyOptional && !t.Sign.Set():
		p.add(path+".credentials", `is missing; write [{key: "${NAME_OF_A_VARIABLE}"}], or auth: client if clients bring their own`)
	}
}

// checkSource finds settings that only another dialect has.
func checkSource(p *problems, path string, t Target) {
	only := func(field string, given bool) {
		if given && t.Dialect != dialectCustom {
			p.add(path+"."+field, "is for dialect: custom; with "+t.Dialect+" it would never be used")
		}
	}
	only("quantities", len(t.Quantities) > 0)
	only("routes", len(t.Routes) > 0)
	only("model_path", t.ModelPath != "")
	if t.Dialect == dialectCustom && len(t.Quantities) == 0 {
		p.add(path+".quantities", "is missing: dialect custom counts what it is told to; write [{name: credits, path: usage.credits}], or dialect: bytes to count calls, bytes and time alone")
	}
	if t.Dialect == dialectS3 && t.Auth == AuthWeir && !t.Sign.Set() {
		p.add(path+".sign", "is missing: calls to S3 are signed; write {service: s3, region: …, access_key_id: …, secret_access_key: …}, or auth: client for buckets that need no signature")
	}
	if t.Event != "" && !eventName.MatchString(t.Event) {
		p.add(path+".event", "a name has letters, digits, dots, dashes and underscores, at most 64")
	}
}

// eventName is what may be the name of an event that calls leave.
var eventName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkTimeouts(p *problems, path string, t Timeouts) {
	if t.Connect == 0 {
		p.add(path+".connect", "must be above zero: a dead host would hold calls for ever")
	}
}
