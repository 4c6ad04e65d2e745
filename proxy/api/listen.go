package api

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"syscall"
)

// Listen opens a TCP listener. anyPort takes a free port where the one of addr
// is busy, as a sandbox does.
func Listen(addr string, anyPort bool) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil || !anyPort || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", addr, err)
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

// Reachable is the URL of a listener as a client on this machine reaches it.
func Reachable(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "http://" + l.Addr().String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}).String()
}
