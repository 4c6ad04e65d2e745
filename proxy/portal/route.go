package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Access says who may use a route.
type Access string

// Accesses.
const (
	Everybody Access = "everybody"
	Customers Access = "customers"
)

// Route is one route of the portal and who may use it.
type Route struct {
	Method string
	Path   string // with {parameters}
	Access Access

	handle func(http.ResponseWriter, *http.Request) error
}

// Routes is the whole portal.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

type handler = func(http.ResponseWriter, *http.Request) error

func get(path string, handle handler) Route {
	return Route{http.MethodGet, Base + path, Customers, handle}
}

func post(path string, handle handler) Route {
	return Route{http.MethodPost, Base + path, Customers, handle}
}

func (s *Server) table() []Route {
	routes := []Route{
		{http.MethodGet, Base + "/login", Everybody, s.showLogin},
		{http.MethodGet, loginPath + "{secret}", Everybody, s.showLink},
		{http.MethodPost, loginPath + "{secret}", Everybody, s.useLink},
		{http.MethodPost, Base + "/theme", Everybody, s.setTheme},
		post("/logout", s.logout),

		get("/{$}", s.showOverview),
		get("/usage", s.showUsage),
		get("/usage.csv", s.exportUsage),
		get("/usage.json", s.exportUsage),
		get("/calls", s.showCalls),
		get("/calls.csv", s.exportCalls),
		get("/calls.json", s.exportCalls),
		get("/calls/{call}", s.showCall),
		get("/keys", s.showKeys),
		get("/keys/{key}", s.showKey),
	}
	if s.makesKeys() {
		routes = append(routes, post("/keys", s.createKey))
	}
	if s.opts.Ring != nil {
		routes = append(routes, post("/keys/{key}/revoke", s.revokeKey))
	}
	if !s.bills() {
		return routes
	}
	routes = append(routes,
		get("/invoices", s.showInvoices),
		get("/invoices/{invoice}", s.showInvoice),
		get("/invoices/{invoice}/lines.csv", s.exportLines),
		get("/credits", s.showCredits),
		get("/prices", s.showPrices),
	)
	if s.opts.PDF != nil {
		routes = append(routes, get("/invoices/{invoice}/pdf", s.printInvoice))
	}
	if s.opts.Pay != nil {
		routes = append(routes, post("/invoices/{invoice}/pay", s.payInvoice))
	}
	if s.takesCards() {
		routes = append(routes, get("/card", s.showCard), post("/card", s.setupCard), get("/card/return", s.saveCard))
	}
	return routes
}

// guard lets in who may use the route, and shows what a handler could not do.
func (s *Server) guard(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		r, err := s.identify(w, r)
		switch {
		case err == nil:
		case !errors.Is(err, metering.ErrNotFound):
			s.fail(w, r, err)
			return
		case route.Access != Everybody:
			refuse(w, r)
			return
		}
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				s.fail(w, r, invalid("the form cannot be read"))
				return
			}
		}
		if err := route.handle(w, r); err != nil {
			s.fail(w, r, err)
		}
	}
}

// fail shows what went wrong. The path goes to the log with it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	if shown := shownPath(r); shown != r.URL.Path {
		r = r.Clone(r.Context())
		r.URL.Path, r.URL.RawPath = shown, ""
	}
	s.site.Fail(w, r, err)
}

// refuse answers who is not signed in: a page leads to where it is said how to,
// and what is not read by a person is 401.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, ".csv") && !strings.HasSuffix(r.URL.Path, ".json") {
		http.Redirect(w, r, Base+"/login", http.StatusSeeOther)
		return
	}
	http.Error(w, "sign in first", http.StatusUnauthorized)
}

// shownPath is the path of a request for logs: the secret of a link is in none.
func shownPath(r *http.Request) string {
	if strings.HasPrefix(r.URL.Path, loginPath) {
		return loginPath + "…"
	}
	return r.URL.Path
}

// invalid is input that cannot be accepted, as the reader is told.
func invalid(format string, args ...any) error {
	return fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
}
