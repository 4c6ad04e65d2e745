package page

import (
	"net/http"
	"strings"
)

// Secure wraps every handler that answers browsers. It lets a page run and load
// nothing but what this server has, in no frame and from no cache, and refuses
// what another site posts. formTargets are further origins that a form may end
// at after a redirect, such as a payment provider's.
func Secure(next http.Handler, formTargets ...string) http.Handler {
	policy := strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		strings.Join(append([]string{"form-action 'self'"}, formTargets...), " "),
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; ")
	guarded := http.NewCrossOriginProtection().Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		guarded.ServeHTTP(w, r)
	})
}
