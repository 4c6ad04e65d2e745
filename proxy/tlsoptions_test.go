package proxy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// authority signs certificates of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert, a.key, a.pem, _ = a.sign(template)
	return a
}

// sign makes a certificate; the first one signs itself.
func (a *authority) sign(template *x509.Certificate) (cert *x509.Certificate, key *ecdsa.PrivateKey, certPEM, keyPEM []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	if cert, err = x509.ParseCertificate(der); err != nil {
		a.t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: raw})
}

// issue makes a certificate for names, of a server or a client.
func (a *authority) issue(usage x509.ExtKeyUsage, names ...string) (certPEM, keyPEM []byte) {
	a.t.Helper()
	_, _, certPEM, keyPEM = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage},
	})
	return certPEM, keyPEM
}

// secureServer answers chats over TLS.
func secureServer(t *testing.T, conf *tls.Config) string {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if _, err := io.Copy(io.Discard, req.Body); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if _, err := io.WriteString(w, chatAnswer); err != nil {
			t.Error(err)
		}
	}))
	s.TLS, s.Config.ErrorLog = conf, slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// TestTLSOptions: an upstream is trusted as configured, and not otherwise.
func TestTLSOptions(t *testing.T) {
	t.Parallel()
	a, stranger := newAuthority(t), newAuthority(t)
	serverCert, serverKey := a.issue(x509.ExtKeyUsageServerAuth, "llm.internal")
	pair, err := tls.X509KeyPair(serverCert, serverKey)
	if err != nil {
		t.Fatal(err)
	}
	clientCert, clientKey := a.issue(x509.ExtKeyUsageClientAuth)
	strangeCert, strangeKey := stranger.issue(x509.ExtKeyUsageClientAuth)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	open := secureServer(t, &tls.Config{Certificates: []tls.Certificate{pair}, MaxVersion: tls.VersionTLS12})
	mutual := secureServer(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots})

	for _, tt := range []struct {
		name string
		url  string
		tls  *proxy.TLS
		well bool
	}{
		{"the system's roots", open, nil, false},
		{"its authority and name", open, &proxy.TLS{CA: a.pem, ServerName: "llm.internal"}, true},
		{"its authority, another name", open, &proxy.TLS{CA: a.pem, ServerName: "llm.elsewhere"}, false},
		{"its authority, its address", open, &proxy.TLS{CA: a.pem}, false},
		{"another authority", open, &proxy.TLS{CA: stranger.pem, ServerName: "llm.internal"}, false},
		{"a later version", open, &proxy.TLS{CA: a.pem, ServerName: "llm.internal", MinVersion: tls.VersionTLS13}, false},
		{"anything", open, &proxy.TLS{SkipVerify: true}, true},
		{"our certificate", mutual, &proxy.TLS{CA: a.pem, ServerName: "llm.internal", Cert: clientCert, Key: clientKey}, true},
		{"no certificate of ours", mutual, &proxy.TLS{CA: a.pem, ServerName: "llm.internal"}, false},
		{"a stranger's certificate", mutual, &proxy.TLS{CA: a.pem, ServerName: "llm.internal", Cert: strangeCert, Key: strangeKey}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL, o.Upstreams[0].TLS = tt.url, tt.tls })
			want := 200
			if !tt.well {
				want = 502
			}
			r.chat(want)
		})
	}

	for name, broken := range map[string]*proxy.TLS{
		"no PEM":      {CA: []byte("nothing")},
		"half a pair": {Cert: clientCert},
		"no pair":     {Cert: clientCert, Key: strangeKey},
	} {
		u := upstreamAt(t, "openai", nil)
		u.BaseURL, u.TLS = "https://127.0.0.1", broken
		_, err := proxy.New(proxy.Options{Keyring: ring{}, Journal: newBook(), Upstreams: []proxy.Upstream{u}})
		if err == nil || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestForwardProxy_TLS speaks TLS to the forward proxy and, inside of that, to
// the upstream.
func TestForwardProxy_TLS(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(nil) // for its certificate, which TestMain trusts
	s.Close()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: s.TLS.Certificates})
	if err != nil {
		t.Fatal(err)
	}
	var tunnels sync.WaitGroup
	tunnels.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			tunnels.Go(func() { defer c.Close(); forwardOne(t, c) })
		}
	})
	t.Cleanup(func() { ln.Close(); tunnels.Wait() })
	inner := secureServer(t, nil)
	r := start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL, o.Upstreams[0].ForwardProxy = inner, "https://user:pass@"+ln.Addr().String()
	})
	for range 3 {
		r.chat(200)
	}
	if s := r.s.Upstreams()[0].Endpoints[0]; s.Failures != 0 || s.Requests != 3 {
		t.Errorf("the state is %+v", s)
	}
}

// TestPrivateAddress covers S23 on a socket: a name that stands for an address of
// this machine is dialled only where that is permitted, or where it says so.
func TestPrivateAddress(t *testing.T) {
	t.Parallel()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	addresses, err := net.LookupHost(name)
	if err != nil || strings.HasPrefix(name, "localhost") || net.ParseIP(addresses[0]) == nil || !net.ParseIP(addresses[0]).IsLoopback() && !net.ParseIP(addresses[0]).IsPrivate() {
		t.Skipf("the name of this machine, %q, stands for no address of its own: %v %v", name, addresses, err)
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(addresses[0], "0"))
	if err != nil {
		t.Skipf("cannot listen at %s: %v", addresses[0], err)
	}
	dialled := make(chan struct{}, 8)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			dialled <- struct{}{}
			serving.Go(func() {
				defer c.Close()
				if req, err := readRequest(c); err == nil && req.ContentLength > 0 {
					write(c, respond("200 OK", "application/json", chatAnswer, "Connection: close"))
				}
			})
		}
	})
	t.Cleanup(func() { ln.Close(); serving.Wait() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())

	r := start(t, nil, func(o *proxy.Options) { o.Upstreams[0].BaseURL = "http://" + net.JoinHostPort(name, port) })
	if body := r.chat(502); code(t, body) != "upstream_address_refused" || strings.Contains(string(body), addresses[0]) {
		t.Errorf("got %s", body)
	}
	if len(dialled) != 0 {
		t.Error("it was dialled")
	}
	if e := r.journal.fact(t, 1); e.Outcome != metering.OutcomeUpstreamError || e.ErrorCode != "upstream_address_refused" {
		t.Errorf("the fact is %+v", e)
	}
	r = start(t, nil, func(o *proxy.Options) {
		o.Upstreams[0].BaseURL, o.Upstreams[0].AllowPrivate = "http://"+net.JoinHostPort(name, port), true
	})
	r.chat(200)
}
