package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// dial opens a connection within the time of ctx, TLS included.
func (e *endpoint) dial(ctx context.Context) (net.Conn, error) {
	c, err := e.reach(ctx)
	if err != nil {
		return nil, err
	}
	if e.secure == nil {
		return c, nil
	}
	t := tls.Client(&ending{Conn: c}, e.secure)
	if err := t.HandshakeContext(ctx); err != nil {
		c.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	if p := t.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		c.Close()
		return nil, errors.New("TLS handshake: the upstream does not speak HTTP/1.1")
	}
	return t, nil
}

// reach opens the connection beneath TLS, through a forward proxy where there is
// one. The name is then the proxy's to resolve, and its to guard.
func (e *endpoint) reach(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	p := e.up.proxy
	if p == nil {
		if e.guard != nil {
			d.Control = e.guard.control
		}
		c, err := d.DialContext(ctx, "tcp", e.address)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		return c, nil
	}
	c, err := d.DialContext(ctx, "tcp", p.address)
	if err != nil {
		return nil, fmt.Errorf("connect to the forward proxy: %w", err)
	}
	if p.secure != nil {
		t := tls.Client(c, p.secure)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, fmt.Errorf("TLS handshake with the forward proxy: %w", err)
		}
		c = t
	}
	if err := tunnel(ctx, c, p.url, e.address); err != nil {
		c.Close()
		return nil, fmt.Errorf("connect through the forward proxy: %w", err)
	}
	return c, nil
}

// forwardProxy is what stands on the way to an upstream.
type forwardProxy struct {
	url     *url.URL
	address string      // host:port
	secure  *tls.Config // nil: plain
}

// newForwardProxy returns nil if there is none.
func newForwardProxy(text string) (*forwardProxy, error) {
	if text == "" {
		return nil, nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("forward proxy is not http(s)://[user:password@]host:port: %w", metering.ErrInvalid)
	}
	p := &forwardProxy{url: u, address: u.Host}
	if u.Port() == "" {
		p.address = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
	}
	if u.Scheme == "https" {
		p.secure = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12}
	}
	return p, nil
}

// tunnel asks a forward proxy for a connection to address (RFC 9110, 9.3.6).
func tunnel(ctx context.Context, c net.Conn, proxy *url.URL, address string) error {
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	var head strings.Builder
	head.WriteString("CONNECT " + address + " HTTP/1.1\r\nHost: " + address + "\r\n")
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		head.WriteString("Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(proxy.User.Username()+":"+password)) + "\r\n")
	}
	head.WriteString("\r\n")
	if _, err := c.Write([]byte(head.String())); err != nil {
		return err
	}
	r := bufio.NewReader(c)
	resp, err := http.ReadResponse(r, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %d", resp.StatusCode)
	}
	if r.Buffered() > 0 {
		return errors.New("it sends more than its answer")
	}
	return c.SetDeadline(time.Time{})
}

// ending is the connection beneath TLS. It remembers an end that came without
// the peer's close_notify: crypto/tls reports both as io.EOF, but only the other
// one ends an answer that is as long as its connection (RFC 9112, 9.8).
type ending struct {
	net.Conn
	abrupt bool
}

// Read implements [net.Conn].
func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Conn.Read(p)
	e.abrupt = e.abrupt || errors.Is(err, io.EOF)
	return n, err
}

// NetConn returns the connection itself.
func (e *ending) NetConn() net.Conn { return e.Conn }

// abrupt reports whether TLS ended without a close_notify.
func abrupt(c net.Conn) bool {
	t, ok := c.(*tls.Conn)
	if !ok {
		return false
	}
	e, ok := t.NetConn().(*ending)
	return ok && e.abrupt
}
