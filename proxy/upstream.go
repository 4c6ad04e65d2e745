package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// upstream is an Upstream with what follows from it, and its connections.
type upstream struct {
	Upstream
	endpoints []*endpoint
	rota      *rota // of endpoints
	keys      *keys // of the endpoints that have none of their own
	proxy     *forwardProxy
	keyLine   string // "Name: scheme ", before the credential
	fallbacks []*upstream
	queue     *queue
	deaf      deafness                           // models that have refused stream_options
	watching  atomic.Pointer[metering.Principal] // the latest that was known of Observer
}

// table is all upstreams at one time.
type table struct {
	byName   map[string]*upstream
	fallback *upstream // of /v1/; nil: none
}

const defaultUpstreamConns = 10_000

// newTable checks and prepares upstreams. What is known of the same ones in old,
// which may be nil, stays known.
func newTable(list []Upstream, old *table) (*table, error) {
	t := &table{byName: make(map[string]*upstream, len(list))}
	var errs []error
	for _, u := range list {
		prepared, err := prepare(u)
		if err != nil {
			errs = append(errs, fmt.Errorf("upstream %q: %w", u.Name, err))
			continue
		}
		if t.byName[u.Name] != nil {
			errs = append(errs, fmt.Errorf("upstream %q is there twice: %w", u.Name, metering.ErrInvalid))
		}
		t.byName[u.Name] = prepared
		if u.Default {
			if t.fallback != nil {
				errs = append(errs, fmt.Errorf("upstreams %q and %q are both the default: %w", t.fallback.Name, u.Name, metering.ErrInvalid))
			}
			t.fallback = prepared
		}
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	for _, u := range t.byName {
		errs = append(errs, t.link(u))
		if old != nil && old.byName[u.Name] != nil {
			u.inherit(old.byName[u.Name])
		}
	}
	return t, errors.Join(errs...)
}

// link finds the upstreams that u falls back on.
func (t *table) link(u *upstream) error {
	for _, name := range u.Fallback {
		f := t.byName[name]
		switch {
		case f == nil:
			return fmt.Errorf("upstream %q: fallback %q is no upstream: %w", u.Name, name, metering.ErrInvalid)
		case f == u:
			return fmt.Errorf("upstream %q falls back on itself: %w", u.Name, metering.ErrInvalid)
		case f.Dialect.Name() != u.Dialect.Name():
			return fmt.Errorf("upstream %q: fallback %q speaks another dialect: %w", u.Name, name, metering.ErrInvalid)
		case f.ClientAuth || u.ClientAuth:
			return fmt.Errorf("upstream %q: fallback %q: a client's own credential is for one provider only: %w", u.Name, name, metering.ErrInvalid)
		}
		u.fallbacks = append(u.fallbacks, f)
	}
	return nil
}

func prepare(u Upstream) (*upstream, error) {
	switch {
	case u.Name == "", u.Name == "-", u.Name == "v1", strings.ContainsAny(u.Name, "/?#% "):
		return nil, fmt.Errorf("name is no path segment of an upstream: %w", metering.ErrInvalid)
	case u.Dialect == nil:
		return nil, fmt.Errorf("no dialect: %w", metering.ErrInvalid)
	case u.Retry.Attempts < 0, u.Retry.Within < 0, u.Retry.Wait < 0:
		return nil, fmt.Errorf("a negative bound of retries: %w", metering.ErrInvalid)
	case u.Observer != "" && !u.ClientAuth:
		return nil, fmt.Errorf("an observed upstream takes the client's credential: %w", metering.ErrInvalid)
	}
	up := &upstream{Upstream: u}
	var err error
	if up.proxy, err = newForwardProxy(u.ForwardProxy); err != nil {
		return nil, err
	}
	if err := up.prepareKey(); err != nil {
		return nil, err
	}
	if err := up.prepareEndpoints(); err != nil {
		return nil, err
	}
	if up.MaxConns <= 0 {
		up.MaxConns = defaultUpstreamConns
	}
	if up.Queue == 0 {
		up.Queue = defaultQueue
	}
	up.queue = newQueue(up.MaxConns, max(up.Queue, 0))
	return up, nil
}

// prepareEndpoints makes the endpoints and whose turn it is among them.
func (u *upstream) prepareEndpoints() error {
	list := u.Endpoints
	if u.BaseURL != "" || len(list) == 0 {
		list = append([]Endpoint{{BaseURL: u.BaseURL}}, list...)
	}
	if len(list) > maxMembers {
		return fmt.Errorf("more than %d endpoints: %w", maxMembers, metering.ErrInvalid)
	}
	var members []*health
	var weights []int
	for i, e := range list {
		made, err := newEndpoint(u, e)
		if err == nil {
			made.keys = u.keys
			if len(e.Credentials) > 0 {
				made.keys, err = newKeys(u.keyLine, e.Credentials, e.Weights)
			}
		}
		if err != nil {
			return fmt.Errorf("endpoint %d: %w", i, err)
		}
		u.endpoints = append(u.endpoints, made)
		members, weights = append(members, made.health), append(weights, made.weight)
	}
	u.rota = newRota(members, weights)
	return nil
}

// prepareKey checks where credentials go and makes those of the upstream.
func (u *upstream) prepareKey() (err error) {
	switch u.IncludeUsage {
	case "", usageSplice, usageLeave, usageEstimate, usageRefuse:
	default:
		return fmt.Errorf("include usage %q: %w", u.IncludeUsage, metering.ErrInvalid)
	}
	if !u.Cost.Valid() {
		return fmt.Errorf("cost %q: %w", u.Cost, metering.ErrInvalid)
	}
	if !u.MissingUsage.Valid() {
		return fmt.Errorf("missing usage %q: %w", u.MissingUsage, metering.ErrInvalid)
	}
	if u.DrainTime < 0 || u.DrainBytes < 0 {
		return fmt.Errorf("a negative limit of draining: %w", metering.ErrInvalid)
	}
	some := len(u.Credentials) > 0
	for _, e := range u.Endpoints {
		some = some || len(e.Credentials) > 0
	}
	if u.Signer != nil && (u.ClientAuth || some) {
		return fmt.Errorf("signed, and with a credential too: %w", metering.ErrInvalid)
	}
	if some {
		if !isToken([]byte(u.KeyHeader)) {
			return fmt.Errorf("key header is no field name: %w", metering.ErrInvalid)
		}
		u.keyLine = u.KeyHeader + ": "
		if u.KeyScheme != "" {
			u.keyLine += u.KeyScheme + " "
		}
	}
	u.keys, err = newKeys(u.keyLine, u.Credentials, u.Weights)
	return err
}

// inherit goes on with what was known of the same addresses and keys.
func (u *upstream) inherit(old *upstream) {
	u.keys.inherit(old.keys)
	for i, e := range u.endpoints {
		for _, o := range old.endpoints {
			if o.base != e.base {
				continue
			}
			e.health, u.rota.members[i] = o.health, o.health
			if e.keys != u.keys {
				e.keys.inherit(o.keys)
			}
		}
	}
}

// canonical reports whether a path can mean only one thing, by the rules of the
// upstream that its first segment names.
func (t *table) canonical(path []byte) bool {
	if dialect.CanonicalPath(path) {
		return true
	}
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	first, _, _ := bytes.Cut(path[1:], []byte("/"))
	u := t.byName[string(first)]
	if u == nil {
		return false
	}
	if u.Observer != "" {
		return isQuery(path) // one credential, and it is the client's own
	}
	own, ok := u.Dialect.(dialect.Pathed)
	return ok && own.CanonicalPath(path[1+len(first):])
}

// find returns the upstream of a canonical path and what is left of the path.
func (t *table) find(path string) (u *upstream, rest string) {
	first, _, _ := strings.Cut(path[1:], "/")
	if first == "v1" {
		return t.fallback, path
	}
	u = t.byName[first]
	if rest = path[1+len(first):]; rest == "" {
		rest = "/"
	}
	return u, rest
}

// sweep closes the connections that have been idle for too long, or all.
func (u *upstream) sweep(now time.Time, all bool) {
	for _, e := range u.endpoints {
		e.sweep(now, all)
	}
}
