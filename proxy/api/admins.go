package api

import (
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// Admin is a person who signs in to the console with a password.
type Admin struct {
	ID        string  `json:"id"`
	Email     string  `json:"email"`
	CreatedAt Instant `json:"created_at"`
}

// Bounds of a password, in bytes. What is longer is cheaper to send than to
// hash.
const (
	minPassword = 15
	maxPassword = 200
)

// setPassword gives a person a password, and makes one who is unknown. It is a
// PATCH, so that no hash of the request is kept for repeated answers.
func (s *Server) setPassword(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	password := o.text("password", minPassword, maxPassword)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if s.opts.SetPassword == nil {
		return answer{}, problem(CodeAbsent, "this server has no console pages")
	}
	a, err := s.opts.SetPassword(c.Context(), c.org, c.PathValue("email"), password)
	if errors.Is(err, metering.ErrInvalid) {
		return answer{}, invalid(FieldError{"path.email", "is no e-mail address"})
	}
	if err != nil {
		return answer{}, fmt.Errorf("set a password: %w", err)
	}
	return ok(Admin{a.ID, a.Email, Instant(a.Created)})
}
