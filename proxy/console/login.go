package console

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/weirhq/weir/metering"
)

// maxFailures is how many attempts to sign in may fail within 15 minutes before
// the address has to wait. A one-use link still signs in.
const maxFailures = 5

// loginPage is the data of the sign-in.
type loginPage struct {
	Next, Email, Fault string
}

// linkPage is the data of the page behind a one-use link.
type linkPage struct{ Fault string }

func (s *Server) setTheme(w http.ResponseWriter, r *http.Request) error {
	s.site.SetTheme(w, r)
	return nil
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request) error {
	next := s.site.Within(r.URL.Query().Get("next"))
	if viewer(r) != "" {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return nil
	}
	s.site.Render(w, r, http.StatusOK, "login", loginPage{Next: next})
	return nil
}

// login signs in by address and password. Whatever is wrong, the answer is the
// same and takes as long.
func (s *Server) login(w http.ResponseWriter, r *http.Request) error {
	email, next := strings.ToLower(strings.TrimSpace(r.PostFormValue("email"))), s.site.Within(r.PostFormValue("next"))
	again := func(status int, why string) error {
		s.site.Render(w, r, status, "login", loginPage{Next: next, Email: email, Fault: why})
		return nil
	}
	if email == "" || len(email) > 200 || len(r.PostFormValue("password")) > maxPassword {
		return again(http.StatusUnprocessableEntity, "Give the e-mail address and the password.")
	}
	if err := s.checks.enter(r.Context()); err != nil {
		return err
	}
	defer s.checks.leave()
	recent, err := s.opts.Store.LoginFailures(r.Context(), s.opts.Org, email, s.clock())
	if err != nil {
		return err
	}
	if recent >= maxFailures {
		w.Header().Set("Retry-After", "900")
		return again(http.StatusTooManyRequests, "Too many attempts failed. Wait 15 minutes, or sign in with a one-use link.")
	}
	ok, err := s.checkPassword(r, email)
	if err != nil {
		return err
	}
	if !ok {
		if _, err := s.opts.Store.LoginFailed(r.Context(), s.opts.Org, email, s.clock()); err != nil {
			return err
		}
		s.opts.Logger.WarnContext(r.Context(), "an attempt to sign in to the console failed", "remote", r.RemoteAddr)
		return again(http.StatusUnauthorized, "The e-mail address or the password is wrong.")
	}
	if err := s.signIn(w, r, email); err != nil {
		return err
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
	return nil
}

// checkPassword reports whether the password of the form is that of the
// address. An address that nobody has takes as long as one that somebody has.
func (s *Server) checkPassword(r *http.Request, email string) (bool, error) {
	hash, known := s.decoy, false
	admin, err := s.opts.Store.AdminByEmail(r.Context(), s.opts.Org, email)
	switch {
	case errors.Is(err, metering.ErrNotFound), errors.Is(err, metering.ErrInvalid):
	case err != nil:
		return false, fmt.Errorf("find the operator: %w", err)
	case admin.PasswordHash != "":
		hash, known = admin.PasswordHash, true
	}
	ok, err := CheckPassword(hash, r.PostFormValue("password"))
	if err != nil {
		return false, fmt.Errorf("password of operator %s: %w", admin.ID, err)
	}
	return ok && known, nil
}

// showLink is what a one-use link leads to. It does not use the link up: what
// looks at links before people do only reads.
func (s *Server) showLink(w http.ResponseWriter, r *http.Request) error {
	s.site.Render(w, r, http.StatusOK, "link", linkPage{})
	return nil
}

func (s *Server) useLink(w http.ResponseWriter, r *http.Request) error {
	link, err := s.opts.Store.UseLink(r.Context(), sha256.Sum256([]byte(r.PathValue("secret"))), metering.SessionOperator, s.clock())
	if err == nil && link.Org != s.opts.Org {
		err = fmt.Errorf("a link of another organisation: %w", metering.ErrNotFound)
	}
	if errors.Is(err, metering.ErrNotFound) {
		s.site.Render(w, r, http.StatusForbidden, "link", linkPage{Fault: "This link was used, has expired or never was. Make another one."})
		return nil
	}
	if err != nil {
		return fmt.Errorf("use a link: %w", err)
	}
	if err := s.signIn(w, r, link.Subject); err != nil {
		return err
	}
	http.Redirect(w, r, Base+"/", http.StatusSeeOther)
	return nil
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) error {
	if err := s.endSession(r); err != nil {
		return err
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	http.Redirect(w, r, Base+"/login", http.StatusSeeOther)
	return nil
}
