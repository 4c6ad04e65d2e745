package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Access says who may use a route.
type Access string

// Accesses.
const (
	Everybody Access = "everybody"
	Operators Access = "operators"
)

// Route is one route of the console and who may use it.
type Route struct {
	Method string
	Path   string // with {parameters}
	Access Access

	handle func(http.ResponseWriter, *http.Request) error
}

// Routes is the whole console.
func (s *Server) Routes() []Route { return slices.Clone(s.routes) }

func (s *Server) table() []Route {
	get := func(path string, handle func(http.ResponseWriter, *http.Request) error) Route {
		return Route{http.MethodGet, Base + path, Operators, handle}
	}
	post := func(path string, handle func(http.ResponseWriter, *http.Request) error) Route {
		return Route{http.MethodPost, Base + path, Operators, handle}
	}
	routes := []Route{
		{http.MethodGet, Base + "/login", Everybody, s.showLogin},
		{http.MethodPost, Base + "/login", Everybody, s.login},
		{http.MethodGet, Base + "/login/{secret}", Everybody, s.showLink},
		{http.MethodPost, Base + "/login/{secret}", Everybody, s.useLink},
		{http.MethodPost, Base + "/theme", Everybody, s.setTheme},
		post("/logout", s.logout),

		get("/{$}", s.showOverview),
		get("/live", s.showLive),
		get("/usage", s.showUsage),
		get("/usage.csv", s.exportUsage),
		get("/usage.json", s.exportUsage),
		get("/events", s.showEvents),
		get("/events.csv", s.exportEvents),
		get("/events.json", s.exportEvents),
		get("/events/{event}", s.showEvent),
		get("/customers", s.showCustomers),
		get("/customers.csv", s.exportCustomers),
		get("/customers.json", s.exportCustomers),
		post("/customers", s.createCustomer),
		get("/customers/{customer}", s.showCustomer),
		post("/customers/{customer}/archive", s.archiveCustomer),
		post("/customers/{customer}/portal", s.linkPortal),
		get("/keys", s.showKeys),
		get("/keys.csv", s.exportKeys),
		get("/keys.json", s.exportKeys),
		post("/keys", s.createKey),
		get("/keys/{key}", s.showKey),
		post("/keys/{key}/rotate", s.rotateKey),
		post("/keys/{key}/revoke", s.revokeKey),
		get("/meters", s.showMeters),
		post("/meters", s.createMeter),
		get("/meters/{meter}", s.showMeter),
		get("/meters/{meter}/quantities.csv", s.exportMeter),
		get("/meters/{meter}/quantities.json", s.exportMeter),
		post("/meters/{meter}/archive", s.archiveMeter),
		get("/health", s.showHealth),
		get("/health.json", s.exportHealth),
	}
	if s.opts.Alerts != nil {
		routes = append(routes, get("/alerts", s.showAlerts))
	}
	if s.billing == nil {
		return routes
	}
	for pattern, h := range s.billing.routes() {
		method, path, _ := strings.Cut(pattern, " ")
		routes = append(routes, Route{method, path, Operators, func(w http.ResponseWriter, r *http.Request) error {
			h(w, r)
			return nil
		}})
	}
	slices.SortStableFunc(routes, func(a, b Route) int { return cmp.Compare(a.Path, b.Path) })
	return routes
}

// guard lets in who may use the route, and shows what a handler could not do.
func (s *Server) guard(route Route) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
		defer cancel()
		r = r.WithContext(ctx)
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		r, err := s.identify(r)
		switch {
		case err == nil:
		case !errors.Is(err, metering.ErrNotFound):
			s.site.Fail(w, r, err)
			return
		case route.Access != Everybody:
			s.refuse(w, r)
			return
		}
		if r.Method == http.MethodPost {
			if err := r.ParseForm(); err != nil {
				s.site.Fail(w, r, invalid("the form cannot be read"))
				return
			}
		}
		if err := route.handle(w, r); err != nil {
			s.site.Fail(w, r, err)
		}
	}
}

// refuse answers who is not signed in: a page leads to the sign-in and back, a
// fragment has the browser go there, and what is not read by a person is 401.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request) {
	login := Base + "/login"
	page := r.Method == http.MethodGet && !strings.HasSuffix(r.URL.Path, ".csv") && !strings.HasSuffix(r.URL.Path, ".json")
	switch {
	case r.Header.Get("HX-Request") == "true":
		w.Header().Set("HX-Redirect", login)
		http.Error(w, "sign in first", http.StatusUnauthorized)
	case page:
		if r.URL.Path != Base+"/" {
			login += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r, login, http.StatusSeeOther)
	default:
		http.Error(w, "sign in first", http.StatusUnauthorized)
	}
}
