package proxy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// TLS is how an upstream is spoken to where the system's own trust is not what
// decides. The zero value is the usual way: the system's roots, TLS 1.2 and up.
type TLS struct {
	CA         []byte // PEM: the only roots that are trusted; nil: the system's
	Cert, Key  []byte // PEM: what we show of ourselves; nil: nothing
	ServerName string // the name that the certificate must have; empty: the host
	MinVersion uint16 // of crypto/tls; 0: TLS 1.2

	// SkipVerify takes any certificate. Whoever can get between the two reads the
	// credential and all prompts.
	SkipVerify bool
}

// config makes what crypto/tls needs for a host. t may be nil.
func (t *TLS) config(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(64)}
	if t == nil {
		return c, nil
	}
	if t.ServerName != "" {
		c.ServerName = t.ServerName
	}
	if t.MinVersion != 0 {
		c.MinVersion = t.MinVersion
	}
	c.InsecureSkipVerify = t.SkipVerify
	if t.CA != nil {
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(t.CA) {
			return nil, fmt.Errorf("TLS: the CA holds no certificate in PEM: %w", metering.ErrInvalid)
		}
	}
	if t.Cert != nil || t.Key != nil {
		own, err := tls.X509KeyPair(t.Cert, t.Key)
		if err != nil {
			// The library's error may quote the key.
			return nil, errors.Join(errKeyPair, metering.ErrInvalid)
		}
		c.Certificates = []tls.Certificate{own}
	}
	return c, nil
}

var errKeyPair = errors.New("TLS: certificate and key are not a pair in PEM")
