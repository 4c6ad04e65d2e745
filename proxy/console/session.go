package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/weirhq/weir/metering"
)

// sessionCookie holds the secret of a session; the store has its hash.
const sessionCookie = "weir_console"

// sessionTTL is after how long an operator signs in again, used or not.
const sessionTTL = 12 * time.Hour

// linkOperator is who is signed in through a link that names nobody.
const linkOperator = "operator"

// viewerKey is the context key of who is signed in.
type viewerKey struct{}

// viewer is who is signed in, empty for nobody.
func viewer(r *http.Request) string {
	who, _ := r.Context().Value(viewerKey{}).(string)
	return who
}

// newSecret makes 32 random bytes that fit into a URL and a cookie.
func newSecret() (string, [32]byte, error) {
	b := make([]byte, 32)
	if _, err := rand.Read(b); err != nil {
		return "", [32]byte{}, fmt.Errorf("random numbers: %w", err)
	}
	secret := base64.RawURLEncoding.EncodeToString(b)
	return secret, sha256.Sum256([]byte(secret)), nil
}

// NewLink makes a one-use link that signs an operator in for as long as ttl.
// The secret belongs behind Base + "/login/"; only its hash is kept.
func NewLink(ctx context.Context, store LinkStore, org string, ttl time.Duration, now time.Time) (string, error) {
	secret, hash, err := newSecret()
	if err != nil {
		return "", err
	}
	err = store.CreateLink(ctx, metering.Session{
		Org: org, Hash: hash, Kind: metering.SessionOperator, Created: metering.MicrosOf(now), Expires: metering.MicrosOf(now.Add(ttl)),
	})
	if err != nil {
		return "", fmt.Errorf("make a link to sign in: %w", err)
	}
	return secret, nil
}

// identify finds who is signed in and puts it into the context of the request;
// metering.ErrNotFound if nobody is. A session of another organisation, of a
// customer, and one of an operator who is none any more are nobody's.
func (s *Server) identify(r *http.Request) (*http.Request, error) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return r, fmt.Errorf("no session: %w", metering.ErrNotFound)
	}
	session, err := s.opts.Store.SessionByHash(r.Context(), sha256.Sum256([]byte(c.Value)), metering.SessionOperator, s.clock())
	if err != nil {
		return r, fmt.Errorf("find the session: %w", err)
	}
	if session.Org != s.opts.Org {
		return r, fmt.Errorf("a session of another organisation: %w", metering.ErrNotFound)
	}
	who := linkOperator
	if session.Subject != "" {
		admin, err := s.opts.Store.AdminByEmail(r.Context(), session.Org, session.Subject)
		if err != nil {
			return r, fmt.Errorf("find who is signed in: %w", err)
		}
		who = admin.Email
	}
	return r.WithContext(context.WithValue(r.Context(), viewerKey{}, who)), nil
}

// clock is now for sessions and links.
func (s *Server) clock() metering.Micros { return metering.MicrosOf(s.opts.SignIn()) }

// signIn begins a session with a secret of its own, whatever the browser held
// before, and ends the one it held. subject is the address of the operator, or
// empty.
func (s *Server) signIn(w http.ResponseWriter, r *http.Request, subject string) error {
	secret, hash, err := newSecret()
	if err != nil {
		return err
	}
	now := s.opts.SignIn()
	err = s.opts.Store.CreateSession(r.Context(), metering.Session{
		Org: s.opts.Org, Hash: hash, Kind: metering.SessionOperator, Subject: subject,
		Created: metering.MicrosOf(now), Expires: metering.MicrosOf(now.Add(sessionTTL)),
	})
	if err != nil {
		return fmt.Errorf("begin a session: %w", err)
	}
	if err := s.endSession(r); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, secret, int(sessionTTL/time.Second)))
	return nil
}

// endSession ends the session that the browser holds, if any.
func (s *Server) endSession(r *http.Request) error {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil // it holds none
	}
	if err := s.opts.Store.EndSession(r.Context(), sha256.Sum256([]byte(c.Value))); err != nil {
		return fmt.Errorf("end the session: %w", err)
	}
	return nil
}

func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: Base, MaxAge: age,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.opts.Secure || r.TLS != nil,
	}
}
