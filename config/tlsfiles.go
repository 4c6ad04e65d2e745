package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
)

// PEM is what [TLS] names, read.
type PEM struct{ CA, Cert, Key []byte }

// Read reads the files that t names. Errors quote neither their content nor a
// value that may be a key.
func (t TLS) Read() (p PEM, err error) {
	var errs []error
	read := func(field, value string) []byte {
		if value == "" {
			return nil
		}
		text := []byte(value)
		if !strings.Contains(value, "-----BEGIN ") {
			if text, err = os.ReadFile(value); err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", field, withoutPath(err)))
			}
		}
		return text
	}
	p = PEM{CA: read("ca", t.CA), Cert: read("cert", t.Cert), Key: read("key", t.Key.Reveal())}
	return p, errors.Join(errs...)
}

// withoutPath is the reason alone: the path may be a key in the wrong form.
func withoutPath(err error) error {
	var e *os.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// checkTLS finds out whether the files can be read and belong together.
func checkTLS(p *problems, path string, t TLS) {
	if t.MinVersion != "" {
		choice(p, path+".min_version", t.MinVersion, "1.2", "1.3")
	}
	if (t.Cert == "") != t.Key.IsZero() {
		p.add(path, "cert and key belong together")
		return
	}
	files, err := t.Read()
	if err != nil {
		p.add(path, "cannot be read: "+strings.ReplaceAll(err.Error(), "\n", "; ")+"; want PEM, or the path of a file")
		return
	}
	if files.CA != nil && !x509.NewCertPool().AppendCertsFromPEM(files.CA) {
		p.add(path+".ca", "holds no certificate in PEM")
	}
	if files.Cert != nil {
		if _, err := tls.X509KeyPair(files.Cert, files.Key); err != nil {
			p.add(path+".cert", "is no pair with key: both must be PEM, and of each other")
		}
	}
}
