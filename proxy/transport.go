package proxy

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Transport returns a way to the first address of an upstream for requests of our
// own: the same forward proxy, TLS and guard as for calls. Whatever host a request
// names, it goes there.
func Transport(u Upstream) (*http.Transport, error) {
	up, err := prepare(u)
	if err != nil {
		return nil, err
	}
	e := up.endpoints[0]
	return &http.Transport{
		DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return e.reach(ctx) },
		TLSClientConfig:     e.secure,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        2,
		IdleConnTimeout:     idleLimit,
	}, nil
}
