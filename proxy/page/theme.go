package page

import (
	"net/http"
	"net/url"
	"strings"
)

// themeCookie holds "light" or "dark" where the reader chose one; without it
// the browser's preference holds. It has no secret.
const themeCookie = "weir_theme"

func themeOf(r *http.Request) string {
	c, err := r.Cookie(themeCookie)
	if err != nil || c.Value != "light" && c.Value != "dark" {
		return ""
	}
	return c.Value
}

// SetTheme answers the form of the layout, which posts to Base + "/theme":
// theme is "light", "dark" or empty, and next the path to return to.
func (s *Site) SetTheme(w http.ResponseWriter, r *http.Request) {
	c := &http.Cookie{Name: themeCookie, Path: "/", SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil, HttpOnly: true, MaxAge: 365 * 24 * 3600}
	switch theme := r.PostFormValue("theme"); theme {
	case "light", "dark":
		c.Value = theme
	default:
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
	http.Redirect(w, r, s.Within(r.PostFormValue("next")), http.StatusSeeOther)
}

// Within is next where it is a path of this site, else the site's first page:
// what a form says to return to leads nowhere else.
func (s *Site) Within(next string) string {
	home := s.opts.Base + "/"
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, home) ||
		strings.ContainsAny(next, "\\\r\n") || strings.HasPrefix(next, "//") {
		return home
	}
	return next
}
