package api

import (
	"errors"
	"fmt"
	"slices"

	"github.com/weirhq/weir/metering"
)

func (s *Server) listTokens(c *call) (answer, error) {
	limit, cursor := c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Store.Tokens(c.Context(), c.org, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showToken))
}

func (s *Server) createToken(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	t := metering.AccessToken{
		Org:     c.org,
		Name:    o.label("name", 1, maxName),
		Scopes:  o.texts("scopes", 50, 50),
		Created: c.at(),
		Expires: o.instant("expires_at"),
	}
	if t.Expires != 0 && t.Expires <= c.at() {
		o.fault("expires_at", "is not in the future")
	}
	if len(t.Scopes) == 0 {
		o.fault("scopes", "is required: %v", Scopes())
	}
	for i, scope := range t.Scopes {
		if !slices.Contains(Scopes(), scope) {
			o.fault(fmt.Sprintf("scopes[%d]", i), "must be one of %v", Scopes())
		}
	}
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	// A token cannot make one that may do more or lives longer than it itself.
	for _, scope := range t.Scopes {
		if !holds(c.token.Scopes, scope) {
			return answer{}, problem(CodeScope, fmt.Sprintf("it cannot give the scope %q, which it lacks", scope))
		}
	}
	if c.token.Expires != 0 && (t.Expires == 0 || t.Expires > c.token.Expires) {
		return answer{}, problem(CodeScope, fmt.Sprintf("it cannot make a token that outlives it; it expires at %s", Instant(c.token.Expires)))
	}
	secret, hash, prefix, last4, err := s.opts.MintToken()
	if err != nil {
		return answer{}, fmt.Errorf("mint token: %w", err)
	}
	t.Hash, t.Prefix, t.Last4 = hash, prefix, last4
	made, err := s.opts.Store.CreateToken(c.Context(), t)
	if err != nil {
		return answer{}, fmt.Errorf("create token: %w", err)
	}
	shown := showToken(made)
	shown.Secret = secret
	return created(shown)
}

func (s *Server) revokeToken(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	id := c.PathValue("token")
	err := s.opts.Store.RevokeToken(c.Context(), c.org, id, c.at())
	if errors.Is(err, metering.ErrNotFound) {
		return answer{}, notFound("token", id)
	}
	if err != nil {
		return answer{}, fmt.Errorf("revoke token: %w", err)
	}
	s.tokens.forget()
	return ok(RevokedToken{ID: id, RevokedAt: Instant(c.at())})
}

// RevokedToken says since when a token no longer works.
type RevokedToken struct {
	ID        string  `json:"id"`
	RevokedAt Instant `json:"revoked_at"`
}
