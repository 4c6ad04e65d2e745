package portal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/metering"
)

// loginPath is what the secret of a link stands behind.
const loginPath = Base + "/login/"

// linkPage is the data of the page behind a one-use link.
type linkPage struct{ Fault string }

func (s *Server) setTheme(w http.ResponseWriter, r *http.Request) error {
	s.site.SetTheme(w, r)
	return nil
}

// showLogin says how to sign in: by a link that the operator gives.
func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	if viewer(r) != "" {
		http.Redirect(w, r, Base+"/", http.StatusSeeOther)
		return nil
	}
	s.site.Render(w, r, http.StatusOK, "login", nil)
	return nil
}

// showLink is what a one-use link leads to. It does not use the link up: what
// looks at links before people do only reads.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) error {
	s.site.Render(w, r, http.StatusOK, "link", linkPage{})
	return nil
}

// useLink begins a session with a secret of its own, whatever the browser held
// before, and ends the one it held.
func (s *Server) useLink(w http.ResponseWriter, r *http.Request) error {
	link, err := s.opts.Store.UseLink(r.Context(), sha256.Sum256([]byte(r.PathValue("secret"))), metering.SessionCustomer, s.clock())
	if errors.Is(err, metering.ErrNotFound) {
		s.site.Render(w, r, http.StatusForbidden, "link", linkPage{Fault: "This link was used, has expired or never was. Ask for another one."})
		return nil
	}
	if err != nil {
		return fmt.Errorf("use a link: %w", err)
	}
	secret, err := s.begin(r.Context(), link.Org, link.Subject, s.clock())
	if err != nil {
		return err
	}
	if err := s.endSession(r); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, secret, sessionIdle))
	http.Redirect(w, r, Base+"/", http.StatusSeeOther)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.endSession(r); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, "", 0))
	http.Redirect(w, r, Base+"/login", http.StatusSeeOther)
	return nil
}
