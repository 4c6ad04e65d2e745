package proxy

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// upstream is an Upstream with what follows from it, and its connections.
type upstream struct {
	Upstream
	secure   *tls.Config // nil: plain
	address  string      // host:port
	hostName string      // value of Host
	basePath string      // before the client's path, without a last slash
	proxy    *url.URL    // nil: none
	keyLine  string      // "Name: scheme ", before the credential

	watching atomic.Pointer[metering.Principal] // the latest that was known of Observer

	turn   atomic.Uint32 // of the credentials
	deaf   atomic.Bool   // it has refused stream_options: never ask again
	slots  chan struct{} // one per connection in use
	mu     sync.Mutex
	idle   []*wire // the latest last
	closed bool    // replaced: nothing is kept any more
}

// table is all upstreams at one time.
type table struct {
	byName   map[string]*upstream
	fallback *upstream // of /v1/; nil: none
}

const defaultUpstreamConns = 10_000

// newTable checks and prepares upstreams.
func newTable(list []Upstream) (*table, error) {
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
	return t, errors.Join(errs...)
}

func prepare(u Upstream) (*upstream, error) {
	switch {
	case u.Name == "", u.Name == "-", u.Name == "v1", strings.ContainsAny(u.Name, "/?#% "):
		return nil, fmt.Errorf("name is no path segment of an upstream: %w", metering.ErrInvalid)
	case u.Dialect == nil:
		return nil, fmt.Errorf("no dialect: %w", metering.ErrInvalid)
	}
	base, err := url.Parse(u.BaseURL)
	if err != nil || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("base URL is not http(s)://host[/path]: %w", metering.ErrInvalid)
	}
	up := &upstream{Upstream: u, hostName: base.Host, basePath: strings.TrimRight(base.EscapedPath(), "/")}
	port := map[string]string{"http": "80", "https": "443"}[base.Scheme]
	if port == "" {
		return nil, fmt.Errorf("base URL is not http(s)://host[/path]: %w", metering.ErrInvalid)
	}
	if base.Port() != "" {
		port = base.Port()
	}
	if u.Observer != "" && !u.ClientAuth {
		return nil, fmt.Errorf("an observed upstream takes the client's credential: %w", metering.ErrInvalid)
	}
	up.address = net.JoinHostPort(base.Hostname(), port)
	if base.Scheme == "https" {
		up.secure = &tls.Config{ServerName: base.Hostname(), NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	}
	if u.ForwardProxy != "" {
		if up.proxy, err = url.Parse(u.ForwardProxy); err != nil || up.proxy.Scheme != "http" || up.proxy.Host == "" {
			return nil, fmt.Errorf("forward proxy is not http://[user:password@]host:port: %w", metering.ErrInvalid)
		}
	}
	if err := up.prepareKey(); err != nil {
		return nil, err
	}
	if up.MaxConns <= 0 {
		up.MaxConns = defaultUpstreamConns
	}
	up.slots = make(chan struct{}, up.MaxConns)
	return up, nil
}

// prepareKey checks that a credential cannot break the head that it goes into.
func (u *upstream) prepareKey() error {
	switch u.IncludeUsage {
	case "", usageSplice, usageLeave, usageEstimate, usageRefuse:
	default:
		return fmt.Errorf("include usage %q: %w", u.IncludeUsage, metering.ErrInvalid)
	}
	if u.Signer != nil && (u.ClientAuth || len(u.Credentials) > 0) {
		return fmt.Errorf("signed, and with a credential too: %w", metering.ErrInvalid)
	}
	if len(u.Credentials) == 0 {
		return nil
	}
	if !isToken([]byte(u.KeyHeader)) {
		return fmt.Errorf("key header is no field name: %w", metering.ErrInvalid)
	}
	u.keyLine = u.KeyHeader + ": "
	if u.KeyScheme != "" {
		u.keyLine += u.KeyScheme + " "
	}
	for i, c := range u.Credentials {
		if c == "" || !isValue([]byte(u.keyLine+c)) {
			return fmt.Errorf("credential %d is empty or has control characters: %w", i, metering.ErrInvalid)
		}
	}
	return nil
}

// credential is the next one in turn.
func (u *upstream) credential() string {
	if len(u.Credentials) == 1 {
		return u.Credentials[0]
	}
	return u.Credentials[int(u.turn.Add(1)-1)%len(u.Credentials)]
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
