package console

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Base is what all paths of the console begin with.
const Base = "/console"

// Options are what a [Server] works with. Store, Ring and MintKey are required;
// what else is left out is absent from the pages or has the default stated.
type Options struct {
	Store Store
	Ring  Ring
	// MintKey makes a proxy key: the secret, its SHA-256, and what may be shown
	// of it.
	MintKey func(test bool) (secret string, hash [32]byte, prefix, last4 string, err error)

	// Org is whose console this is. Default: metering.DefaultOrg.
	Org string
	// Proxy is the URL of the data plane as clients reach it.
	Proxy string
	// Upstreams lists what the data plane forwards to.
	Upstreams func() []Upstream
	// Explain breaks the cost of an event down to the prices that made it.
	Explain func(context.Context, *metering.Event) ([]Line, error)
	// ExplainNow breaks down what an event costs after its corrections.
	ExplainNow func(ctx context.Context, e *metering.Event, corrections []*metering.Event) ([]Line, error)
	// Doctor runs the checks of `weir doctor`.
	Doctor func(ctx context.Context, org string) []Check
	// PortalLink makes a one-use link to the customer's portal.
	PortalLink func(ctx context.Context, c metering.Customer) (string, error)
	// Alerts are what people should know of; nil: nobody keeps them.
	Alerts AlertStore
	// Billing is what is sold and what is owed; nil: nothing is.
	Billing *Billing

	// Secure marks cookies for TLS alone, for where that ends before this
	// process. Of a TLS connection of ours they always are.
	Secure bool
	// SignIn is the time of sessions and links. Default: time.Now. It is not the
	// time of usage, which a sandbox can move.
	SignIn func() time.Time
	Now    func() time.Time // of usage and bills; default: time.Now
	Logger *slog.Logger     // default: discard
}

// Upstream is one that the data plane forwards to.
type Upstream struct {
	Name    string
	BaseURL string // to give to an SDK
	Default bool
	Test    bool // test keys may call it
}

// Line is one part of the cost of an event.
type Line struct {
	Item     string        // token cell or other quantity
	Quantity string        // exact decimal
	Price    string        // US dollars for Per units, exact decimal
	Per      int64         // 1000000 for tokens
	Multiply []string      // exact decimals, of the modifiers
	Rate     string        // id of the rate in the price book, and behind it those of its modifiers
	Amount   metering.Cost // US dollars
}

// Check is one thing that doctor looked at. Status is "ok", "warn" or "fail".
type Check struct {
	Name, Status, Measured, Remedy string
}

// requestTimeout bounds what one page may take of the store.
const requestTimeout = 20 * time.Second

// maxForm bounds what a form may hold.
const maxForm = 256 << 10

// Server answers the operator's pages. It is safe for concurrent use.
type Server struct {
	opts    Options
	site    *page.Site
	routes  []Route
	handler http.Handler
	billing *billingPages // nil: there is none
	labels  labels
	checks  checks
	decoy   string
}

var _ http.Handler = (*Server)(nil)

// New returns a server for the options.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Ring == nil || o.MintKey == nil {
		return nil, errors.New("console: store, ring and the minting of keys are required")
	}
	if o.Org == "" {
		o.Org = metering.DefaultOrg
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.SignIn == nil {
		o.SignIn = time.Now
	}
	s := &Server{opts: o, checks: make(checks, maxChecks)}
	var err error
	if s.decoy, err = decoy(); err != nil {
		return nil, err
	}
	templates, err := fs.Sub(templateFiles, "templates")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if s.site, err = page.New(page.Options{
		Templates: templates, Base: Base, Name: "Weir", Nav: s.nav(), Viewer: viewer, Banner: s.banner, SignOut: Base + "/logout", Now: o.Now, Logger: o.Logger,
	}); err != nil {
		return nil, err
	}
	if o.Billing != nil {
		s.billing = &billingPages{
			Billing: *o.Billing, metering: o.Store, site: s.site, base: Base, org: s.org, who: viewer, now: o.Now, log: o.Logger, once: newOnceForms(),
		}
	}
	s.routes = s.table()
	mux := http.NewServeMux()
	for _, r := range s.routes {
		mux.HandleFunc(r.Method+" "+r.Path, s.guard(r))
	}
	mux.Handle("/assets/", page.Assets())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, Base+"/", http.StatusSeeOther) })
	mux.HandleFunc("/", s.unrouted)
	s.handler = page.Secure(mux)
	return s, nil
}

// nav are the entries of the navigation.
func (s *Server) nav() []page.NavItem {
	items := []page.NavItem{
		{Path: Base + "/", Label: "Overview"},
		{Path: Base + "/live", Label: "Live calls"},
		{Path: Base + "/usage", Label: "Usage"},
		{Path: Base + "/events", Label: "Calls"},
		{Path: Base + "/customers", Label: "Customers"},
		{Path: Base + "/keys", Label: "Keys"},
		{Path: Base + "/meters", Label: "Meters"},
	}
	if s.opts.Billing != nil {
		items = append(items, billingNav(Base)...)
	}
	if s.opts.Alerts != nil {
		items = append(items, page.NavItem{Path: Base + "/alerts", Label: "Alerts"})
	}
	return append(items, page.NavItem{Path: Base + "/health", Label: "System health"})
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.opts.Logger.ErrorContext(r.Context(), "panic in the console", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong here. The log of the server says more.", http.StatusInternalServerError)
		}
	}()
	s.handler.ServeHTTP(w, r)
}

// unrouted answers paths that are none. Who is not signed in learns nothing of
// which there are.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	s.guard(Route{Access: Operators, handle: func(w http.ResponseWriter, r *http.Request) error {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, metering.ErrNotFound)
	}})(w, r)
}

// org is whose figures a request may see.
func (s *Server) org(*http.Request) string { return s.opts.Org }

// at is now, as the store keeps it.
func (s *Server) at() metering.Micros { return metering.MicrosOf(s.opts.Now()) }

// reload has the ring read the keys again. The change is made and stays made:
// if this fails, the ring's own polling catches up.
func (s *Server) reload(ctx context.Context) {
	if err := s.opts.Ring.Reload(ctx); err != nil {
		s.opts.Logger.WarnContext(ctx, "read the keys again after a change", "error", err)
	}
}
