package proxy

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Place is an address of an upstream for requests of our own.
type Place struct {
	BaseURL     string // without a last slash
	Credentials []string
	// Transport goes the same way as calls do: forward proxy, TLS and guard. Whatever
	// host a request names, it goes to this address.
	Transport *http.Transport
}

// Places returns all addresses of an upstream.
func Places(u Upstream) ([]Place, error) {
	up, err := prepare(u)
	if err != nil {
		return nil, err
	}
	var out []Place
	for _, e := range up.endpoints {
		p := Place{BaseURL: e.base, Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return e.reach(ctx) },
			TLSClientConfig:     e.secure,
			TLSHandshakeTimeout: 10 * time.Second,
			MaxIdleConns:        2,
			IdleConnTimeout:     idleLimit,
		}}
		if !up.ClientAuth {
			for _, c := range e.keys.list {
				p.Credentials = append(p.Credentials, c.key)
			}
		}
		out = append(out, p)
	}
	return out, nil
}
