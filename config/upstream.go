package config

import "time"

// Upstream is one provider. Whatever is left out comes from its preset.
type Upstream struct {
	// BaseURL is what the client's path, without the name segment, is appended
	// to. Clients bring /v1 themselves, so it must not end in /v1. Default: the
	// preset's.
	BaseURL string `yaml:"base_url"`

	// Preset names the vendor whose traits hold: dialect, place of the key, base
	// URL, prices, quirks. Default: the upstream's own name where that is a known
	// vendor, else "openai-compatible". `weir upstream presets` lists them.
	Preset string `yaml:"preset"`

	// Dialect is the wire protocol: openai, anthropic, gemini, cohere, bedrock; for
	// upstreams that are no LLM: "bytes", which counts requests, bytes and time of any HTTP API,
	// "s3", which knows the operations of S3 besides, and "custom", which counts
	// what Quantities says. Default: the preset's.
	Dialect string `yaml:"dialect"`

	// Provider names whose prices apply. Default: the preset's. Without prices a
	// call is recorded as unpriced, never as free.
	Provider string `yaml:"provider"`

	// Credentials are the operator's keys for this provider; calls take turns.
	// Required, unless Auth is client, calls are signed, or the upstream is of a
	// kind that may need none: a server of one's own, or no LLM. They are sent to
	// this upstream only and never printed.
	Credentials []Credential `yaml:"credentials"`

	// Sign signs calls for AWS instead of sending one of Credentials. Default: none.
	Sign Sign `yaml:"sign"`

	// KeyHeader is the header that carries the credential, and KeyScheme the word
	// before it. Default: the preset's; Authorization and Bearer for the dialects
	// bytes and custom.
	KeyHeader string  `yaml:"key_header"`
	KeyScheme *string `yaml:"key_scheme"`

	// Auth says whose credential the provider gets. "weir", the default: one of
	// Credentials, in place of the client's Weir key. "client": the client's own,
	// untouched; its Weir key comes in X-Weir-Key. "observe": the client's own, no
	// Weir key is needed, and nothing is refused: calls are only counted, for a
	// comparison of bills before anything depends on Weir.
	Auth string `yaml:"auth"`

	// ObserveCustomer is the external id of the customer that calls count for with
	// auth: observe, where X-Weir-Customer names no other. It is made if there is
	// none. Default: observed.
	ObserveCustomer string `yaml:"observe_customer"`

	// Default makes this the upstream of paths that begin with /v1/. At most one
	// may say so; a single upstream is the default without saying so.
	Default bool `yaml:"default"`

	// Test says that test keys (weir_test_…) may call this upstream. Default
	// false: with a real provider they would cost money that is never billed.
	Test bool `yaml:"test"`

	// Timeouts bound how long this upstream may take.
	Timeouts Timeouts `yaml:"timeouts"`

	// IncludeUsage says what happens to a streamed chat completion that does not
	// ask for its usage, on providers that then report none. "splice": it is
	// asked for, and the client does not see the difference. "leave": it is asked
	// for, and the extra frame stays in the answer. "estimate": the request stays
	// as it is; numbers the provider does not report are estimated and marked so.
	// "refuse": 400. Default: the preset's, which is splice where the provider
	// needs asking and estimate where it reports by itself.
	IncludeUsage string `yaml:"include_usage"`

	// MissingUsage says what happens to calls whose usage the provider does not
	// report in the end. "bill": they are billed by the estimate, which is marked
	// as one wherever it appears. "zero": the estimate is recorded and not billed.
	// "hold": not billed until `weir event settle` says what it was. A client that
	// has hung up is billed by the estimate always. Default bill; a customer's own
	// setting stands above it, for include_usage too.
	MissingUsage string `yaml:"missing_usage"`

	// Cost says which figure is the cost of a call, where the provider states one in
	// its answer (OpenRouter, xAI, Perplexity, LiteLLM); the other is kept beside it.
	// "computed": the price book's. "stated": the provider's. "stated_if_unpriced":
	// the provider's where the price book has none. With the client's own credential
	// (auth: client, or a key of one's own at OpenRouter) the operator pays what is
	// stated at most. Default computed.
	Cost string `yaml:"cost"`

	// Event is the name of the events that its calls leave, which meters filter by.
	// Default: llm-tokens for the protocols of LLMs, else the upstream's name.
	Event string `yaml:"event"`

	// Quantities are what an answer says that it used; for dialect custom, which
	// requires at least one.
	Quantities []Quantity `yaml:"quantities"`

	// Routes are the calls that are metered with dialect custom; others need a key
	// with the permission raw. Default: all.
	Routes []Route `yaml:"routes"`

	// ModelPath leads to the model's name in the JSON body of a request, for
	// dialect custom: names of members, separated by dots. Default: no model.
	ModelPath string `yaml:"model_path"`

	// Drain reads a stream whose client has gone on to its end, for the exact
	// usage, instead of closing it after two seconds. The provider bills for what
	// it then generates. Default false.
	Drain bool `yaml:"drain"`

	// DrainLimit bounds that: the stream is closed when either is reached, and the
	// rest is estimated.
	DrainLimit DrainLimit `yaml:"drain_limit"`

	// MaxConns is how many connections to this upstream may be open at once; a
	// call beyond them waits for Timeouts.Connect. Default 10000.
	MaxConns int `yaml:"max_conns"`

	// Queue is how many calls may wait for a connection, in the order in which they
	// came; one more is answered 503 at once. Default 1000; 0: nobody waits.
	Queue int `yaml:"queue"`

	// Proxy is the URL of a forward proxy on the way to this upstream, http:// or
	// https://, with user and password where it wants them. Empty, the default:
	// none; the variables HTTP_PROXY and HTTPS_PROXY do not count. The proxy then
	// resolves the upstream's name, and AllowPrivate decides nothing.
	Proxy Secret `yaml:"proxy"`

	// Endpoints are several addresses of one provider, such as regions or servers
	// of your own. Calls take turns; one that cannot be reached or fails three
	// times in a row is left out for a while. BaseURL, where the file gives it, is
	// one more of them, with weight 1; the preset's is not.
	Endpoints []Endpoint `yaml:"endpoints"`

	// Retry bounds the repetition of calls.
	Retry Retry `yaml:"retry"`

	// Fallback names upstreams of the same dialect that get a call when this one
	// has nobody left to ask, in this order. A key must be allowed to call them.
	// The model is the same, unless they have an alias of its name. Default: none.
	Fallback []string `yaml:"fallback"`

	// TLS is how this upstream is spoken to.
	TLS TLS `yaml:"tls"`

	// AllowPrivate says whether names of this upstream may stand for addresses that
	// are not of the public Internet: this machine, private networks, a cloud's
	// metadata. It is the address that is dialled that counts. A base URL with an
	// address in it, or localhost, needs no permission. Default: true for presets
	// of servers that people run themselves, else false.
	AllowPrivate *bool `yaml:"allow_private"`

	// Models are rules about models.
	Models Models `yaml:"models"`

	// Operations are the endpoints that may be called, by the names that events
	// give them (openai.chat), or patterns of them (openai.*). Default: all.
	Operations []string `yaml:"operations"`
}

// DrainLimit bounds the reading of a stream whose client has gone.
type DrainLimit struct {
	// Time is how long it may take. Default 10m.
	Time time.Duration `yaml:"time"`

	// Bytes is how much may come. Default 64MiB, 0: no limit.
	Bytes Size `yaml:"bytes"`
}

// Quantity is one named number of an answer, for dialect custom.
type Quantity struct {
	// Name is what meters add up. input_tokens, cached_input_tokens, output_tokens
	// and reasoning_tokens are token counts, input including what was cached and
	// output including reasoning; anything else is a quantity of its own.
	Name string `yaml:"name"`

	// From is where it stands: "response" (the JSON body, the default), "header",
	// "event" (the data of a server-sent event) or "request" (the JSON body of the
	// request).
	From string `yaml:"from"`

	// Path leads to the number in JSON: names of members, separated by dots; a
	// number is an index of an array, "*" all of its elements, added up, and "#" at
	// the end how many there are.
	Path string `yaml:"path"`

	// Header is the name of the header, for from: header.
	Header string `yaml:"header"`

	// Event is the name of the events that count, for from: event. Default: all.
	Event string `yaml:"event"`

	// Sum adds up what several events say. Default false: the last one stands.
	Sum bool `yaml:"sum"`

	// Optional: its absence means zero. Default false: a call without it has an
	// unknown usage, and is shown as such.
	Optional bool `yaml:"optional"`
}

// Route matches the calls of one operation, for dialect custom.
type Route struct {
	// Method is GET, POST, …; empty, the default: any.
	Method string `yaml:"method"`

	// Path is compared segment by segment; "*" is any one segment and "**", only as
	// the last one, any rest, also none.
	Path string `yaml:"path"`
}

// Timeouts bound the steps of a call to an upstream. 0 means no limit.
type Timeouts struct {
	// Connect bounds the connection, TLS included. Default 10s.
	Connect time.Duration `yaml:"connect"`

	// Header bounds the wait for the head of the answer once the request is sent.
	// Models think for minutes before the first byte. Default 10m.
	Header time.Duration `yaml:"header"`

	// Idle bounds the silence between two pieces of an answer. Default 10m.
	Idle time.Duration `yaml:"idle"`

	// Total bounds the whole call, streams included. Default 0: no limit.
	Total time.Duration `yaml:"total"`
}

// Values of [Upstream.Auth].
const (
	AuthWeir    = "weir"
	AuthClient  = "client"
	AuthObserve = "observe"
)

// Values of [Upstream.IncludeUsage].
const (
	UsageSplice   = "splice"
	UsageLeave    = "leave"
	UsageEstimate = "estimate"
	UsageRefuse   = "refuse"
)

// Values of [Upstream.Cost].
const (
	CostComputed         = "computed"
	CostStated           = "stated"
	CostStatedIfUnpriced = "stated_if_unpriced"
)

// Values of [Upstream.MissingUsage].
const (
	MissingBill = "bill"
	MissingZero = "zero"
	MissingHold = "hold"
)

// setDefaults fills a fresh upstream; what a file says then overwrites it.
func (u *Upstream) setDefaults() {
	u.Auth = AuthWeir
	u.MaxConns = 10_000
	u.Queue = 1000
	u.MissingUsage = MissingBill
	u.Cost = CostComputed
	u.DrainLimit = DrainLimit{Time: 10 * time.Minute, Bytes: 64 << 20}
	u.Timeouts = Timeouts{Connect: 10 * time.Second, Header: 10 * time.Minute, Idle: 10 * time.Minute}
}
