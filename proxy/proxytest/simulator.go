package proxytest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// SimulatorOptions configure a Simulator. The zero value is the default.
type SimulatorOptions struct {
	// Keys are accepted where the vendor's API has its key; none: every request
	// is, with or without a key.
	Keys []string
	// Pace is the time between two tokens of a stream. What is not streamed, and
	// the first token of what is, takes ten times as long, a second at most.
	// Zero: no delay.
	Pace time.Duration
	// Now is the clock of "created" and of the prompt cache; nil: time.Now.
	Now func() time.Time
}

// Simulator is the provider. It is an http.Handler and safe for concurrent use.
type Simulator struct {
	opts     SimulatorOptions
	mux      *http.ServeMux
	cache    cache
	shelf    shelf
	once     once
	recorder Recorder
	nonce    string // makes request ids of this simulator its own
	number   atomic.Int64

	server  *http.Server
	running sync.WaitGroup // requests and Serve
	mu      sync.Mutex
	closed  bool
	sockets map[net.Conn]struct{} // connections that are no longer the server's
}

// NewSimulator returns a provider. It serves wherever it is mounted; Serve and
// Close are for those who have no server of their own.
func NewSimulator(o SimulatorOptions) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{opts: o, mux: http.NewServeMux(), nonce: fmt.Sprint(o.Now().UnixNano())}
	s.server = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	for pattern, e := range endpoints() {
		s.mux.HandleFunc(pattern, s.handler(e))
	}
	for pattern, e := range storedEndpoints() {
		s.mux.HandleFunc(pattern, s.handler(e))
	}
	return s
}

// endpoint is an operation of an API.
type endpoint struct {
	api    api
	name   string
	answer func(*exchange)
}

func endpoints() map[string]endpoint {
	return map[string]endpoint{
		"POST /v1/chat/completions":      {openAI, "openai.chat", chat},
		"POST /v1/completions":           {openAI, "openai.completions", completion},
		"POST /v1/responses":             {openAI, "openai.responses", response},
		"GET /v1/realtime":               {openAI, "openai.realtime", realtime},
		"POST /v1/embeddings":            {openAI, "openai.embeddings", embedding},
		"POST /v1/messages":              {anthropic, "anthropic.messages", message},
		"POST /v1/messages/count_tokens": {anthropic, "anthropic.count_tokens", messageCount},
		"POST /v1beta/models/{call}":     {gemini, "gemini", content},
		"POST /v1/models/{call}":         {gemini, "gemini", content},
		"GET /v1/models":                 {openAI, "models", modelList},
		"GET /v1/models/{model}":         {openAI, "models", modelOne},
		"GET /v1beta/models":             {gemini, "models", modelList},
		"GET /v1beta/models/{model}":     {gemini, "models", modelOne},
		"/":                              {openAI, "", noSuchPath},
	}
}

// Recorder says what was served.
func (s *Simulator) Recorder() *Recorder { return &s.recorder }

// handler runs an endpoint.
func (s *Simulator) handler(e endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{sim: s, w: w, r: r, api: apiOf(r), at: s.opts.Now(), record: Served{Client: r.Header.Get("X-Request-Id"), Endpoint: e.name}}
		if e.api == gemini {
			x.api = gemini
		}
		if x.record.Endpoint == "models" {
			x.record.Endpoint = x.api.String() + ".models"
		}
		x.record.Request = "req_" + digest(s.nonce, fmt.Sprint(s.number.Add(1)))[:32]
		entry := s.recorder.begin(x.record)
		defer func() { s.recorder.finish(entry, x.record) }()
		x.heads()
		if !s.known(x.api, r) {
			x.refuseKey()
			return
		}
		if r.Method == http.MethodPost && e.name != "" && e.name != storedEndpoint && !x.read() {
			return
		}
		e.answer(x)
	}
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		http.Error(w, "closed", http.StatusServiceUnavailable)
		return
	}
	defer s.running.Done()
	s.mux.ServeHTTP(w, r)
}

// enter counts one more that Close waits for, unless it is too late.
func (s *Simulator) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.running.Add(1)
	}
	return !s.closed
}

// keep notes a connection that Close must close; false: it is too late.
func (s *Simulator) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.Close()
		return false
	}
	if s.sockets == nil {
		s.sockets = make(map[net.Conn]struct{})
	}
	s.sockets[c] = struct{}{}
	return true
}

// drop closes a connection that was kept.
func (s *Simulator) drop(c net.Conn) {
	c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sockets, c)
}

// Serve answers on ln until Close, and closes it.
func (s *Simulator) Serve(ln net.Listener) error {
	if !s.enter() {
		return errors.Join(http.ErrServerClosed, ln.Close())
	}
	defer s.running.Done()
	if err := s.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve the simulated provider: %w", err)
	}
	return nil
}

// Close ends all connections of Serve and returns when nothing runs any more. A
// closed simulator answers 503.
func (s *Simulator) Close() error {
	s.mu.Lock()
	s.closed = true
	for c := range s.sockets {
		c.Close()
	}
	s.mu.Unlock()
	err := s.server.Close()
	s.running.Wait()
	if err != nil {
		return fmt.Errorf("close the simulated provider: %w", err)
	}
	return nil
}

// known reports whether a request has a key that is accepted, where the vendor's
// API has it.
func (s *Simulator) known(which api, r *http.Request) bool {
	if len(s.opts.Keys) == 0 {
		return true
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	sent := []string{bearer}
	switch which {
	case anthropic:
		sent = append(sent, r.Header.Get("X-Api-Key"))
	case gemini:
		sent = append(sent, r.Header.Get("X-Goog-Api-Key"), r.URL.Query().Get("key"))
	}
	return slices.ContainsFunc(sent, func(key string) bool { return key != "" && slices.Contains(s.opts.Keys, key) })
}

// api is whose words are spoken.
type api int

const (
	openAI api = iota
	anthropic
	gemini
)

// String is the name that Weir has for the dialect.
func (a api) String() string { return [...]string{"openai", "anthropic", "gemini"}[a] }

func apiOf(r *http.Request) api {
	switch {
	case strings.HasPrefix(r.URL.Path, "/v1beta/"):
		return gemini
	case strings.HasPrefix(r.URL.Path, "/v1/messages"), r.Header.Get("Anthropic-Version") != "":
		return anthropic
	default:
		return openAI
	}
}
