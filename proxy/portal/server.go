package portal

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Base is what all paths of the portal begin with.
const Base = "/portal"

// Options are what a [Server] works with. Store is required; what else is left
// out is absent from the pages or has the default stated.
type Options struct {
	Store Store

	// MintKey makes a proxy key: the secret, its SHA-256, and what may be shown of
	// it. Without it, or without Ring, customers see their keys and make none.
	MintKey func(test bool) (secret string, hash [32]byte, prefix, last4 string, err error)
	Ring    Ring

	// Bills and Biller are what is owed; both or neither.
	Bills  BillingStore
	Biller Biller
	// Provider takes cards; nil: there is no page for one.
	Provider billing.Provider
	// Pay charges what is due of an invoice to the card on file, now.
	Pay func(ctx context.Context, org, invoice string) (billing.Payment, error)
	// PDF writes the printed invoice.
	PDF func(w io.Writer, a billing.Account, payments []billing.Payment) error
	// CardPages are the origins of the provider's pages, such as
	// "https://checkout.stripe.com": a form may lead there at once. To others a
	// link does.
	CardPages []string

	// Name is what the portal is called. Default: "Weir".
	Name string
	// Proxy is the URL of the data plane as clients reach it.
	Proxy string
	// URL is the origin at which browsers reach the portal, "https://usage.example".
	// Default: the host that the request names.
	URL string

	// Secure marks cookies for TLS alone, for where that ends before this
	// process. Of a TLS connection of ours they always are.
	Secure bool
	// SignIn is the time of sessions and links. Default: time.Now. It is not the
	// time of usage, which a sandbox can move.
	SignIn func() time.Time
	Now    func() time.Time // of usage and bills; default: time.Now
	Logger *slog.Logger     // default: discard
}

// requestTimeout bounds what one page may take of the store.
const requestTimeout = 20 * time.Second

// maxForm bounds what a form may hold.
const maxForm = 64 << 10

// Server answers the customers' pages. It is safe for concurrent use.
type Server struct {
	opts    Options
	site    *page.Site
	routes  []Route
	handler http.Handler
}

var _ http.Handler = (*Server)(nil)

// New returns a server for the options.
func New(o Options) (*Server, error) {
	if o.Store == nil {
		return nil, errors.New("portal: a store is required")
	}
	if (o.Bills == nil) != (o.Biller == nil) {
		return nil, errors.New("portal: a biller and its store come together")
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.Name == "" {
		o.Name = "Weir"
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
	s := &Server{opts: o}
	templates, err := fs.Sub(templateFiles, "templates")
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	if s.site, err = page.New(page.Options{
		Templates: templates, Base: Base, Name: o.Name, Nav: s.nav(), Viewer: viewer, SignOut: Base + "/logout", Now: o.Now, Logger: o.Logger,
	}); err != nil {
		return nil, err
	}
	s.routes = s.table()
	mux := http.NewServeMux()
	for _, r := range s.routes {
		mux.HandleFunc(r.Method+" "+r.Path, s.guard(r))
	}
	mux.Handle("/assets/", page.Assets())
	mux.HandleFunc("/", s.unrouted)
	s.handler = page.Secure(mux, o.CardPages...)
	return s, nil
}

// nav are the entries of the navigation.
func (s *Server) nav() []page.NavItem {
	items := []page.NavItem{
		{Path: Base + "/", Label: "Overview"},
		{Path: Base + "/usage", Label: "Usage"},
		{Path: Base + "/calls", Label: "Calls"},
	}
	if s.bills() {
		items = append(items,
			page.NavItem{Path: Base + "/invoices", Label: "Invoices"},
			page.NavItem{Path: Base + "/credits", Label: "Credit"},
			page.NavItem{Path: Base + "/prices", Label: "Prices"})
	}
	items = append(items, page.NavItem{Path: Base + "/keys", Label: "Keys"})
	if s.takesCards() {
		items = append(items, page.NavItem{Path: Base + "/card", Label: "Card"})
	}
	return items
}

// bills reports whether anything is billed here.
func (s *Server) bills() bool { return s.opts.Bills != nil }

// takesCards reports whether a customer can put a card on file.
func (s *Server) takesCards() bool { return s.bills() && s.opts.Provider != nil }

// makesKeys reports whether customers make keys of their own.
func (s *Server) makesKeys() bool { return s.opts.MintKey != nil && s.opts.Ring != nil }

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.opts.Logger.ErrorContext(r.Context(), "panic in the portal", "method", r.Method, "path", shownPath(r), "panic", v, "stack", string(debug.Stack()))
			http.Error(w, "Something went wrong here. Nothing that was recorded is lost.", http.StatusInternalServerError)
		}
	}()
	s.handler.ServeHTTP(w, r)
}

// unrouted answers paths that are none. Who is not signed in learns nothing of
// which there are.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) {
	s.guard(Route{Access: Customers, handle: func(_ http.ResponseWriter, r *http.Request) error {
		return fmt.Errorf("%s %s: %w", r.Method, r.URL.Path, metering.ErrNotFound)
	}})(w, r)
}

// at is now, as the store keeps it.
func (s *Server) at() metering.Micros { return metering.MicrosOf(s.opts.Now()) }

// reload has the ring read the keys again. The change is made and stays made:
// if this fails, the ring's own polling catches up.
func (s *Server) reload(ctx context.Context) {
	if err := s.opts.Ring.Reload(ctx); err != nil {
		s.opts.Logger.WarnContext(ctx, "read the keys again after a change", "error", err)
	}
}
