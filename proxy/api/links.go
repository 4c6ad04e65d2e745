package api

import (
	"fmt"
)

// Link is an address that lets whoever has it in, until it expires.
type Link struct {
	URL       string  `json:"url"`
	ExpiresAt Instant `json:"expires_at"`
}

func (s *Server) createPortalLink(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	ref := o.label("customer", 1, 512)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, ref)
	if err != nil {
		return answer{}, err
	}
	if s.opts.PortalLink == nil {
		return answer{}, problem(CodeAbsent, "this server has no customer portal")
	}
	if owner.Archived != 0 {
		return answer{}, problem(CodeConflict, fmt.Sprintf("customer %q is archived", owner.ExternalID))
	}
	url, expires, err := s.opts.PortalLink(c.Context(), c.org, owner.ID)
	if err != nil {
		return answer{}, fmt.Errorf("make a link to the portal: %w", err)
	}
	return created(Link{url, instantOf(expires)})
}

func (s *Server) createConsoleLink(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	if s.opts.ConsoleLink == nil {
		return answer{}, problem(CodeAbsent, "this server has no console pages")
	}
	url, expires, err := s.opts.ConsoleLink(c.Context(), c.org)
	if err != nil {
		return answer{}, fmt.Errorf("make a link to the console: %w", err)
	}
	return created(Link{url, instantOf(expires)})
}
