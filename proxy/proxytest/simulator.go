package proxytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// maxRequest bounds what is read of a request.
const maxRequest = 64 << 20

// SimulatorOptions configure a Simulator. The zero value is the default.
type SimulatorOptions struct {
	Keys []string         // that are accepted; none: every key is
	Pace time.Duration    // between two pieces of a stream; zero: none
	Now  func() time.Time // nil: time.Now
}

// Simulator is the provider. It is an http.Handler and safe for concurrent use.
type Simulator struct {
	opts SimulatorOptions
	mux  *http.ServeMux

	mu     sync.Mutex
	seen   map[string]bool // prompts that could be in the cache
	served []Served
}

// Served is what the provider says of one answer that it gave.
type Served struct {
	ID       string // of the object in the answer
	Endpoint string // "openai.chat", …
	Model    string
	Input    int64 // inclusive of Cached
	Cached   int64
	Output   int64
	Whole    bool // false: it broke off, or the client did
}

// maxServed bounds what is remembered.
const maxServed = 100_000

// NewSimulator returns a provider.
func NewSimulator(o SimulatorOptions) *Simulator {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Simulator{opts: o, mux: http.NewServeMux(), seen: make(map[string]bool)}
	s.mux.HandleFunc("POST /v1/chat/completions", s.ask(openAI, s.chat))
	s.mux.HandleFunc("POST /v1/completions", s.ask(openAI, s.completion))
	s.mux.HandleFunc("POST /v1/responses", s.ask(openAI, s.response))
	s.mux.HandleFunc("POST /v1/embeddings", s.ask(openAI, s.embedding))
	s.mux.HandleFunc("POST /v1/messages", s.ask(anthropic, s.message))
	s.mux.HandleFunc("POST /v1/messages/count_tokens", s.ask(anthropic, s.countTokens))
	s.mux.HandleFunc("GET /v1/models", s.models)
	s.mux.HandleFunc("GET /v1/models/{model}", s.model)
	s.mux.HandleFunc("GET /v1beta/models", s.geminiModels)
	s.mux.HandleFunc("POST /v1beta/models/{call}", s.ask(gemini, s.gemini))
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, apiOf(r), http.StatusNotFound, "not_found_error", "no such path: "+r.URL.Path)
	})
	return s
}

// ServeHTTP answers one request.
func (s *Simulator) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := "req_" + digest(r.Method, r.URL.Path, r.Header.Get("X-Request-Id"), s.opts.Now().String())[:24]
	if apiOf(r) == anthropic {
		w.Header().Set("Request-Id", id)
	} else {
		w.Header().Set("X-Request-Id", id)
	}
	if !s.known(r) {
		s.fail(w, apiOf(r), http.StatusUnauthorized, "invalid_api_key", "the key is not valid")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// Served lists what was answered, in order.
func (s *Simulator) Served() []Served {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.served)
}

func (s *Simulator) record(x Served) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.served) >= maxServed {
		s.served = slices.Delete(s.served, 0, maxServed/2)
	}
	s.served = append(s.served, x)
}

// known reports whether the request has a key that is accepted, wherever the
// vendor's SDKs put it.
func (s *Simulator) known(r *http.Request) bool {
	if len(s.opts.Keys) == 0 {
		return true
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, key := range []string{bearer, r.Header.Get("X-Api-Key"), r.Header.Get("X-Goog-Api-Key"), r.URL.Query().Get("key")} {
		if key != "" && slices.Contains(s.opts.Keys, key) {
			return true
		}
	}
	return false
}

// api is whose words are spoken.
type api int

const (
	openAI api = iota
	anthropic
	gemini
)

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

// object is a JSON object.
type object = map[string]any

// asked is a request that was read.
type asked struct {
	*http.Request
	body  object
	text  string // of the body, which answers derive from
	model string
}

// ask reads the request and does what the name of the model says, before the
// endpoint answers.
func (s *Simulator) ask(which api, answer func(http.ResponseWriter, *asked)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(io.LimitReader(r.Body, maxRequest))
		if err != nil {
			return // the client is gone
		}
		a := &asked{Request: r, text: string(raw)}
		if json.Unmarshal(raw, &a.body) != nil {
			s.fail(w, which, http.StatusBadRequest, "invalid_request_error", "the body is not a JSON object")
			return
		}
		a.model, _ = a.body["model"].(string)
		if which == gemini {
			a.model, _, _ = strings.Cut(r.PathValue("call"), ":")
		}
		if s.misbehaves(w, which, a) {
			return
		}
		if !exists(a.model) {
			s.fail(w, which, http.StatusNotFound, "model_not_found", "the model "+a.model+" does not exist")
			return
		}
		answer(w, a)
	}
}

// misbehaves does what a failing model does before it answers, and reports
// whether that was all.
func (s *Simulator) misbehaves(w http.ResponseWriter, which api, a *asked) bool {
	status := map[string]int{"sim-401": 401, "sim-403": 403, "sim-429": 429, "sim-500": 500, "sim-503": 503, "sim-529": 529}[a.model]
	switch {
	case status == http.StatusTooManyRequests:
		w.Header().Set("Retry-After", "1")
		s.fail(w, which, status, "rate_limit_exceeded", "too many requests, as asked for")
		return true
	case status != 0:
		s.fail(w, which, status, "simulated_error", "this model always fails so")
		return true
	case a.model == "sim-stall":
		<-a.Context().Done()
		panic(http.ErrAbortHandler)
	}
	return false
}

// fail answers with an error of the API.
func (s *Simulator) fail(w http.ResponseWriter, which api, status int, code, message string) {
	var body object
	switch which {
	case anthropic:
		kind := map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error", 529: "overloaded_error"}[status]
		if kind == "" {
			kind = "api_error"
		}
		body = object{"type": "error", "error": object{"type": kind, "message": message}, "request_id": w.Header().Get("Request-Id")}
	case gemini:
		name := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE"}[status]
		if name == "" {
			name = "INTERNAL"
		}
		body = object{"error": object{"code": status, "message": message, "status": name}}
	default:
		body = object{"error": object{"message": message, "type": "invalid_request_error", "param": nil, "code": code}}
	}
	s.write(w, status, body)
}

// write answers with JSON. Maps are encoded with their keys sorted, so that the
// same answer has the same bytes.
func (s *Simulator) write(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // a client that is gone needs no answer
}

// digest is a stable name for a content.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}
