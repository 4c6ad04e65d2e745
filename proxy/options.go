package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Keyring knows whose keys there are.
type Keyring interface {
	// Lookup returns who a key belongs to. It is called for every request and
	// must not retain secret. An error refuses the key; one that has a method
	// Unavailable() bool that returns true says that nobody can be told now.
	Lookup(secret []byte) (*metering.Principal, error)

	// Attribute returns the principal of a call that p makes for another customer
	// of its organisation.
	Attribute(ctx context.Context, p *metering.Principal, external string) (*metering.Principal, error)
}

// Journal is where calls are written down; see metering/journal for what its
// methods promise.
type Journal interface {
	Begin(c *metering.Call) error
	Checkpoint(c *metering.Call, u *metering.Usage) error
	Finish(e *metering.Event) error
}

// Options configure a [Server].
type Options struct {
	Keyring   Keyring    // required
	Journal   Journal    // required
	Upstreams []Upstream // may change later, see [Server.SetUpstreams]

	Inspect   int64 // bytes of a request body that are held to be read; 0: 1 MiB
	MaxBody   int64 // largest request body in bytes; 0: no limit
	MaxHeader int   // largest request head in bytes; 0: 32 KiB
	MaxConns  int   // most client connections at a time; 0: 20,000

	// EventIDHeader adds X-Weir-Event-Id to answers.
	EventIDHeader bool

	// Ready says why this process should get no calls, for /-/ready. May be nil.
	Ready func() error

	// Usage returns the body of /-/me, JSON. May be nil: then it is 404.
	Usage func(ctx context.Context, p *metering.Principal) ([]byte, error)

	// Objects knows the owners of stored objects. nil: paths that touch them are
	// refused.
	Objects Objects

	Logger *slog.Logger     // nil: slog.Default
	Now    func() time.Time // wall clock of what is recorded; nil: time.Now
}

// How a streamed completion that will report no usage is treated; see
// [Upstream].IncludeUsage.
const (
	usageSplice   = "splice"
	usageLeave    = "leave"
	usageEstimate = "estimate"
	usageRefuse   = "refuse"
)

// Upstream is one provider as the data plane needs to know it. Durations of 0
// mean no limit.
type Upstream struct {
	Name     string // first segment of the client's path
	Provider string // whose prices apply
	Dialect  dialect.Dialect

	// BaseURL is http or https, host, and what goes before the client's path.
	BaseURL string

	// KeyHeader: KeyScheme credential is how the provider takes its key; calls
	// take turns with Credentials. No credentials: nothing is sent.
	KeyHeader   string
	KeyScheme   string
	Credentials []string

	// Signer signs calls in place of a credential; fields of a signature that the
	// client sent are dropped. nil: nothing is signed.
	Signer Signer

	ClientAuth bool // the client's own credential passes; its Weir key is in X-Weir-Key
	// Observer is a Weir key that stands for calls that bring none, and makes the
	// upstream one that is only watched: nothing is refused. It needs ClientAuth,
	// and its permissions should be all. Empty: keys are required.
	Observer string
	Default  bool // serves /v1/
	Test     bool // test keys may call it

	Connect time.Duration // connection, TLS and waiting for a free one
	Header  time.Duration // from the request's last byte to the answer's head
	Idle    time.Duration // silence between two pieces, also of a client that does not read
	Total   time.Duration // the whole call

	// IncludeUsage: "splice" asks for the usage and takes it out again, "leave"
	// asks and leaves it, "estimate" or empty leaves the request alone, "refuse"
	// is 400.
	IncludeUsage string

	// Cost is which figure is the cost of its calls, where it states one; empty:
	// metering.CostComputed.
	Cost metering.CostPolicy
	// MissingUsage says whether estimates of what was not reported are billed;
	// empty: they are. A client that has hung up is billed for its estimate always.
	MissingUsage metering.MissingPolicy

	// EventName is the name of the events that its calls leave; empty: llm-tokens.
	EventName string

	Drain        bool          // read a stream on to its end when the client has gone
	DrainTime    time.Duration // for how long at most; 0: 10 min
	DrainBytes   int64         // and how many bytes; 0: no limit
	MaxConns     int           // most connections; 0: 10,000
	Queue        int           // most calls that wait for one of them; 0: 1,000, below zero: none
	ForwardProxy string        // http(s)://user:password@host:port; empty: none

	// Weights are the shares of Credentials in the calls, 1 to 100, one for each;
	// nil: all the same.
	Weights []int

	// Endpoints are further addresses. BaseURL may then be empty; where it is not,
	// it is one of them, with weight 1.
	Endpoints []Endpoint

	Retry Retry

	// Fallback are upstreams of the same dialect that are asked in this order when
	// this one has nothing left to ask. None of the two may have ClientAuth.
	Fallback []string

	TLS *TLS // nil: the usual way

	// AllowPrivate lets names of this upstream stand for addresses that are not of
	// the public Internet. A base URL that has an address, or localhost, needs it
	// not.
	AllowPrivate bool

	Models Models

	// Operations are patterns of the endpoints, such as openai.chat or openai.*,
	// that may be called; empty: all.
	Operations []string
}

func (o Options) withDefaults() (Options, error) {
	if o.Keyring == nil || o.Journal == nil {
		return o, errors.New("proxy: a keyring and a journal are required")
	}
	if o.Inspect < 0 || o.MaxBody < 0 || o.MaxHeader < 0 || o.MaxConns < 0 {
		return o, fmt.Errorf("proxy: a negative limit: %w", metering.ErrInvalid)
	}
	if o.Inspect == 0 {
		o.Inspect = 1 << 20
	}
	if o.MaxHeader == 0 {
		o.MaxHeader = 32 << 10
	}
	if o.MaxConns == 0 {
		o.MaxConns = 20_000
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}
