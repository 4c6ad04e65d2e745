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
)

// dial opens a connection within the time of ctx, TLS included.
func (u *upstream) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{KeepAlive: 30 * time.Second}
	address := u.address
	if u.proxy != nil {
		address = u.proxy.Host
	}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if u.proxy != nil {
		if err := tunnel(ctx, c, u.proxy, u.address); err != nil {
			c.Close()
			return nil, fmt.Errorf("connect through the forward proxy: %w", err)
		}
	}
	if u.secure == nil {
		return c, nil
	}
	t := tls.Client(&ending{Conn: c}, u.secure)
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
