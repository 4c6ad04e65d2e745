package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// Options are what a [Server] works with. Store, Ring, MintKey and MintToken
// are required; whatever else is left out is absent or has the default stated.
type Options struct {
	Store Store
	Ring  Ring

	// MintKey makes a proxy key, MintToken an access token: the secret, its
	// SHA-256, and what may be shown of it.
	MintKey   func(test bool) (secret string, hash [32]byte, prefix, last4 string, err error)
	MintToken func() (secret string, hash [32]byte, prefix, last4 string, err error)

	// Journal is the id of this process's journal and Sync ships what it holds;
	// both empty in a process without one.
	Journal string
	Sync    func(ctx context.Context) error
	// SyncTimeout bounds the wait for usage to be up to date. Default 10 s.
	SyncTimeout time.Duration

	// Pricer prices ingested usage of models whose cost the sender does not
	// state; nil leaves it unpriced.
	Pricer Pricer
	// Explain breaks the cost of an event down to the prices that made it.
	// Nothing is what it breaks down to where no price made it.
	Explain func(context.Context, *metering.Event) ([]Line, error)
	// ExplainNow breaks down what an event costs after its corrections.
	ExplainNow func(ctx context.Context, e *metering.Event, corrections []*metering.Event) ([]Line, error)

	// Proxy is the URL of the data plane as clients reach it.
	Proxy string
	// Upstreams lists what the data plane forwards to.
	Upstreams func() []Upstream

	// Database measures the database for doctor.
	Database func(ctx context.Context) (Database, error)
	// Redis asks the shared counters for a sign of life; nil: counters live in
	// this process.
	Redis func(ctx context.Context) error
	// KeysLoaded is when the snapshot of keys was last known to be current, and
	// KeysMaxStale for how long it is trusted without the database.
	KeysLoaded   func() time.Time
	KeysMaxStale time.Duration
	// Probes are further checks of doctor.
	Probes []Probe

	// Billing is what the routes about money work with; nil: this server does not
	// bill.
	Billing *Billing
	// Prices are what the routes about the price book work with; nil: it cannot be
	// asked or changed.
	Prices *Prices
	// Reconciliation compares with what providers say of themselves; nil: nobody can.
	Reconciliation *Reconciliation
	// Alerts are what people should know of; nil: nobody keeps them.
	Alerts AlertStore
	// Clock is the time of a sandbox, which Now reads too; nil: this is none.
	Clock SandboxClock
	// PortalLink makes a short-lived link to the portal of a customer; nil: there
	// is no portal.
	PortalLink func(ctx context.Context, org, customerID string) (url string, expires time.Time, err error)
	// ConsoleLink makes a link that logs an operator of the organisation into the
	// console, once; nil: there is no console.
	ConsoleLink func(ctx context.Context, org string) (url string, expires time.Time, err error)

	// SetPassword gives a person a password for the console of an organisation;
	// nil: there is no console. metering.ErrInvalid: no e-mail address.
	SetPassword func(ctx context.Context, org, email, password string) (metering.Admin, error)

	Logger *slog.Logger     // default: discard
	Now    func() time.Time // the time that usage and bills are in; default: time.Now
	Wall   func() time.Time // the time that journals beat and keys age by, which a sandbox does not move; default: time.Now
}

// Server answers the admin API. It is an http.Handler for everything beneath
// /api/ and safe for concurrent use.
type Server struct {
	opts   Options
	mux    *http.ServeMux
	routes map[string]Route // by pattern
	tokens tokenCache

	running sync.Map // idempotency keys at work in this process
}

var _ http.Handler = (*Server)(nil)

// New returns a server for the options.
func New(o Options) (*Server, error) {
	if o.Store == nil || o.Ring == nil || o.MintKey == nil || o.MintToken == nil {
		return nil, errors.New("api: store, ring and the minting of keys and tokens are required")
	}
	if err := errors.Join(o.Billing.validate(), o.Prices.validate()); err != nil {
		return nil, err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Wall == nil {
		o.Wall = time.Now
	}
	if o.SyncTimeout == 0 {
		o.SyncTimeout = 10 * time.Second
	}
	s := &Server{opts: o, mux: http.NewServeMux(), routes: make(map[string]Route)}
	for _, r := range Routes() {
		pattern := r.Method + " " + r.Path
		s.routes[pattern] = r
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, req *http.Request) { s.serve(w, req, r) })
	}
	return s, nil
}

// call is one authenticated request.
type call struct {
	*http.Request
	route  Route
	token  metering.AccessToken
	secret string // the bearer token itself; never stored or logged
	org    string
	body   []byte
	now    time.Time
	query  *query
	faults faults
	media  string // of an answer that is no JSON
}

// document reads the body as one object.
func (c *call) document() (*object, error) { return readDocument(c.body, &c.faults) }

func (c *call) at() metering.Micros { return metering.MicrosOf(c.now) }

// answer is what a handler returns. value is encoded as JSON; raw goes out as
// it is.
type answer struct {
	status int
	value  any
	raw    []byte
}

func ok(value any) (answer, error)      { return answer{status: http.StatusOK, value: value}, nil }
func created(value any) (answer, error) { return answer{status: http.StatusCreated, value: value}, nil }

// encode returns the bytes of the answer.
func (a answer) encode() ([]byte, error) {
	if a.raw != nil {
		return a.raw, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // a key or filter reads as it was given
	if err := enc.Encode(a.value); err != nil {
		return nil, fmt.Errorf("encode answer: %w", err)
	}
	return b.Bytes(), nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	defer func() {
		if v := recover(); v != nil {
			if v == http.ErrAbortHandler {
				panic(v)
			}
			s.opts.Logger.ErrorContext(r.Context(), "panic in the admin API", "method", r.Method, "path", r.URL.Path, "panic", v, "stack", string(debug.Stack()))
			s.fail(w, r, problem(CodeInternal, "the log of the server says more"))
		}
	}()
	escaped := r.URL.EscapedPath()
	if path.Clean(escaped) != escaped {
		// ServeMux would redirect, and a redirected POST loses its body.
		s.fail(w, r, problem(CodeNotFound, "the path is not in canonical form"))
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.fail(w, r, s.unrouted(w, r))
		return
	}
	s.mux.ServeHTTP(w, r)
}

// unrouted tells a wrong method from an unknown path.
func (s *Server) unrouted(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch} {
		other := r.Clone(r.Context())
		other.Method = method
		if _, pattern := s.mux.Handler(other); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return problem(CodeNotFound, "no such path; /api/openapi.json lists all of them")
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return problem(CodeMethod, "allowed: "+strings.Join(allowed, ", "))
}

// serve is the life of a request: who, whether, what, and once.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, route Route) {
	ctx, cancel := context.WithTimeout(r.Context(), route.timeout())
	defer cancel()
	c := &call{Request: r.WithContext(ctx), route: route, now: s.opts.Now()}
	status, body, err := s.answer(ctx, w, c)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", cmp.Or(c.media, mediaType(status)))
	if err := writeBody(w, status, body); err != nil {
		s.opts.Logger.DebugContext(r.Context(), "admin API client is gone", "operation", route.Name, "error", err)
	}
}

func mediaType(status int) string {
	if status >= http.StatusBadRequest {
		return "application/problem+json" // a refusal that is replayed
	}
	return "application/json"
}

func (s *Server) answer(ctx context.Context, w http.ResponseWriter, c *call) (int, []byte, error) {
	if c.route.Scope != Public {
		if err := s.authenticate(ctx, w, c); err != nil {
			return 0, nil, err
		}
		if !holds(c.token.Scopes, c.route.Scope) {
			return 0, nil, problem(CodeScope, fmt.Sprintf("it lacks the scope %q", c.route.Scope))
		}
	}
	if err := s.read(w, c); err != nil {
		return 0, nil, err
	}
	if c.route.timeout() > requestTimeout {
		// A server's ReadTimeout goes on after the body is read, and ends the
		// request's context though nothing more is to come.
		if err := http.NewResponseController(w).SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return 0, nil, fmt.Errorf("give a slow request its time: %w", err)
		}
	}
	return s.once(ctx, c)
}

// read reads what the client sent, bounded, and refuses text that no store can
// keep.
func (s *Server) read(w http.ResponseWriter, c *call) error {
	for _, name := range pathParameters(c.route.Path) {
		v := c.PathValue(name)
		if len(v) > 512 || unstorable(v) {
			return invalid(FieldError{"path." + name, "must be valid UTF-8 without NUL, at most 512 bytes"})
		}
	}
	q, err := readQuery(c.URL, c.now, &c.faults)
	if err != nil {
		return err
	}
	c.query = q
	if c.Header.Get("Content-Encoding") != "" {
		return problem(CodeEncoding, "send it without Content-Encoding")
	}
	limit := c.route.body
	if limit == 0 {
		limit = maxBody
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, c.Body, limit))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return problem(CodeTooLarge, fmt.Sprintf("at most %d bytes are read here", limit))
	case err != nil:
		return problem(CodeMalformed, "it ended early")
	case c.Method == http.MethodGet && len(body) > 0:
		return invalid(FieldError{"", "GET has no body: use the query"})
	}
	c.body = body
	return checkText(body)
}

func pathParameters(path string) []string {
	var names []string
	for segment := range strings.SplitSeq(path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}

// fail answers with a problem. An error of ours goes to the log and not to the
// client.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, internal := problemOf(err)
	if internal && r.Context().Err() == nil {
		s.opts.Logger.ErrorContext(r.Context(), "admin API request", "method", r.Method, "path", r.URL.Path, "code", p.Code, "error", err)
	}
	if err := writeProblem(w, p); err != nil {
		s.opts.Logger.DebugContext(r.Context(), "admin API client is gone", "error", err)
	}
}
