package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

const (
	tokenPrefix = "weir_oat_"
	allScopes   = "*"

	// tokenTTL is for how long a token is trusted without asking the database:
	// revoked on another replica, it works here for that long at most.
	tokenTTL = 5 * time.Second
	// touchEvery is the resolution of a token's last use.
	touchEvery = time.Minute
	// maxTokens bounds the cache. Only tokens that exist get into it.
	maxTokens = 1024
)

// holds reports whether the scopes of a token include one.
func holds(scopes []string, scope string) bool {
	return slices.Contains(scopes, allScopes) || slices.Contains(scopes, scope)
}

// authenticate finds the token of the request. Unknown, revoked and expired
// tokens get the same answer.
func (s *Server) authenticate(ctx context.Context, w http.ResponseWriter, c *call) error {
	refuse := func() error {
		w.Header().Set("WWW-Authenticate", `Bearer realm="weir admin API"`)
		return problem(CodeUnauthenticated, "send Authorization: Bearer weir_oat_…; `weir token add` makes one, and admin-token in the data directory holds the first")
	}
	scheme, secret, _ := strings.Cut(c.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(secret, tokenPrefix) || len(secret) > 200 {
		return refuse()
	}
	// The lookup is by hash: a comparison that stops early tells nothing of the
	// secret, because nobody can choose the hash.
	t, err := s.token(ctx, sha256.Sum256([]byte(secret)), c.now)
	if errors.Is(err, metering.ErrNotFound) {
		return refuse()
	}
	if err != nil {
		return err
	}
	now := c.at()
	if t.Revoked != 0 && t.Revoked <= now || t.Expires != 0 && t.Expires <= now {
		return refuse()
	}
	c.token, c.secret, c.org = t, secret, t.Org
	return nil
}

// token returns the token of that hash, from the cache or the store, and notes
// its use.
func (s *Server) token(ctx context.Context, hash [32]byte, now time.Time) (metering.AccessToken, error) {
	if t, ok := s.tokens.find(hash, now); ok {
		return t, nil
	}
	t, err := s.opts.Store.TokenByHash(ctx, hash)
	if err != nil {
		return t, err
	}
	if at := metering.MicrosOf(now); now.Sub(t.LastUsed.Time()) >= touchEvery {
		if err := s.opts.Store.TouchToken(ctx, t.Org, t.ID, at); err != nil {
			// The use of a token is for people to look at; it stops nothing.
			s.opts.Logger.WarnContext(ctx, "note the use of an access token", "token", t.ID, "error", err)
		} else {
			t.LastUsed = at
		}
	}
	s.tokens.keep(hash, t, now)
	return t, nil
}

// tokenCache remembers tokens for tokenTTL. Its zero value is empty.
type tokenCache struct {
	mu sync.Mutex
	m  map[[32]byte]cachedToken
}

type cachedToken struct {
	metering.AccessToken
	until time.Time
}

func (c *tokenCache) find(hash [32]byte, now time.Time) (metering.AccessToken, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.m[hash]
	return t.AccessToken, ok && now.Before(t.until)
}

func (c *tokenCache) keep(hash [32]byte, t metering.AccessToken, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil || len(c.m) >= maxTokens {
		c.m = make(map[[32]byte]cachedToken)
	}
	c.m[hash] = cachedToken{t, now.Add(tokenTTL)}
}

// forget makes the next request ask the store.
func (c *tokenCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.m = nil
}

// unstorable reports text that a database refuses.
func unstorable(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
