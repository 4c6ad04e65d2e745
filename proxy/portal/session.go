package portal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// sessionCookie holds the secret of a session; the store has its hash. While a
// session is renewed it holds the secret before it too, after a dot.
const sessionCookie = "weir_portal"

// A session ends an hour after it was last used and twelve hours after the
// sign-in. It is renewed at most every minute, so that not every page writes.
const (
	sessionIdle  = time.Hour
	sessionMax   = 12 * time.Hour
	sessionRenew = time.Minute
)

// visitor is who is signed in.
type visitor struct {
	org      string
	customer metering.Customer
}

// visitorKey is the context key of the visitor.
type visitorKey struct{}

// visitorOf is who is signed in; the zero visitor if nobody is, whom guard lets
// use no route of a customer's.
func visitorOf(r *http.Request) visitor {
	v, _ := r.Context().Value(visitorKey{}).(visitor)
	return v
}

// viewer is the name of who is signed in, empty for nobody.
func viewer(r *http.Request) string {
	c := visitorOf(r).customer
	if c.Name != "" {
		return c.Name
	}
	return c.ExternalID
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

// NewLink makes a one-use link that signs a customer in for as long as ttl. The
// secret belongs behind Base + "/login/"; only its hash is kept. customerID is
// the internal id.
func NewLink(ctx context.Context, store LinkStore, org, customerID string, ttl time.Duration, now time.Time) (secret string, err error) {
	if customerID == "" {
		return "", invalid("a link to the portal is for a customer")
	}
	secret, hash, err := newSecret()
	if err != nil {
		return "", err
	}
	err = store.CreateLink(ctx, metering.Session{
		Org: org, Hash: hash, Kind: metering.SessionCustomer, Subject: customerID, Created: metering.MicrosOf(now), Expires: metering.MicrosOf(now.Add(ttl)),
	})
	if err != nil {
		return "", fmt.Errorf("make a link to the portal: %w", err)
	}
	return secret, nil
}

// secrets are those in the cookie of a request, the present one first.
func secrets(r *http.Request) []string {
	c, err := r.Cookie(sessionCookie)
	if err != nil || c.Value == "" {
		return nil
	}
	return strings.SplitN(c.Value, ".", 2)
}

// identify finds who is signed in and puts it into the context of the request;
// metering.ErrNotFound if nobody is. An operator's session is nobody's here, and
// neither is one of a customer who is archived.
func (s *Server) identify(w http.ResponseWriter, r *http.Request) (*http.Request, error) {
	have := secrets(r)
	if len(have) == 0 {
		return r, fmt.Errorf("no session: %w", metering.ErrNotFound)
	}
	session, err := s.opts.Store.SessionByHash(r.Context(), sha256.Sum256([]byte(have[0])), metering.SessionCustomer, s.clock())
	if err != nil {
		return r, fmt.Errorf("find the session: %w", err)
	}
	customer, err := s.opts.Store.Customer(r.Context(), session.Org, session.Subject)
	if err != nil {
		return r, fmt.Errorf("find who is signed in: %w", err)
	}
	// An external id of somebody else's may read like an id.
	if session.Subject == "" || customer.ID != session.Subject || customer.Archived != 0 {
		return r, fmt.Errorf("customer %q of the session: %w", session.Subject, metering.ErrNotFound)
	}
	s.renew(w, r, session, have)
	return r.WithContext(context.WithValue(r.Context(), visitorKey{}, visitor{session.Org, customer})), nil
}

// renew lets a session that is used go on, under another secret. The one before
// stays good until the browser shows that it has the new one, because requests
// that it sent at the same time carry the old one. If renewing fails the session
// goes on as it was.
func (s *Server) renew(w http.ResponseWriter, r *http.Request, session metering.Session, have []string) {
	if r.Method != http.MethodGet {
		return // signing in and out have their own cookie
	}
	if len(have) > 1 {
		if err := s.opts.Store.EndSession(r.Context(), sha256.Sum256([]byte(have[1]))); err != nil {
			s.opts.Logger.WarnContext(r.Context(), "end the session before", "error", err)
			return
		}
		http.SetCookie(w, s.cookie(r, have[0], session.Expires.Time().Sub(s.opts.SignIn())))
	}
	now := s.opts.SignIn()
	until := expiry(session.Created, now)
	if until.Sub(session.Expires.Time()) < sessionRenew {
		return
	}
	secret, err := s.begin(r.Context(), session.Org, session.Subject, session.Created)
	if err != nil {
		s.opts.Logger.WarnContext(r.Context(), "renew a session", "error", err)
		return
	}
	http.SetCookie(w, s.cookie(r, secret+"."+have[0], until.Sub(now)))
}

// expiry is when a session that is used now ends.
func expiry(signedIn metering.Micros, now time.Time) time.Time {
	idle, end := now.Add(sessionIdle), signedIn.Time().Add(sessionMax)
	if idle.After(end) {
		return end
	}
	return idle
}

// begin makes a session of a customer who signed in at an instant.
func (s *Server) begin(ctx context.Context, org, customer string, signedIn metering.Micros) (secret string, err error) {
	secret, hash, err := newSecret()
	if err != nil {
		return "", err
	}
	err = s.opts.Store.CreateSession(ctx, metering.Session{
		Org: org, Hash: hash, Kind: metering.SessionCustomer, Subject: customer, Created: signedIn,
		Expires: metering.MicrosOf(expiry(signedIn, s.opts.SignIn())),
	})
	if err != nil {
		return "", fmt.Errorf("begin a session: %w", err)
	}
	return secret, nil
}

// clock is now for sessions and links.
func (s *Server) clock() metering.Micros { return metering.MicrosOf(s.opts.SignIn()) }

// endSession ends the sessions that the browser holds, if any.
func (s *Server) endSession(r *http.Request) error {
	for _, secret := range secrets(r) {
		if err := s.opts.Store.EndSession(r.Context(), sha256.Sum256([]byte(secret))); err != nil {
			return fmt.Errorf("end the session: %w", err)
		}
	}
	return nil
}

// cookie holds value for as long as age; none removes it.
func (s *Server) cookie(r *http.Request, value string, age time.Duration) *http.Cookie {
	seconds := int(age / time.Second)
	if seconds <= 0 {
		seconds = -1
	}
	return &http.Cookie{
		Name: sessionCookie, Value: value, Path: Base, MaxAge: seconds,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: s.opts.Secure || r.TLS != nil,
	}
}
