package proxy

import "time"

// Endpoint is one of several addresses of an [Upstream].
type Endpoint struct {
	BaseURL string // as in [Upstream]
	Weight  int    // its share of the calls, up to 100; 0: 1
	Region  string // a label

	// Credentials and Weights are its own, in place of the upstream's; none: those
	// of the upstream.
	Credentials []string
	Weights     []int
}

// Retry bounds the repetition of calls. The zero value repeats a call at most
// twice, where the upstream cannot have begun and there is somebody else to ask:
// another credential, endpoint or upstream.
type Retry struct {
	// Attempts is the most requests for one call, the first included; 0: 3. Where
	// it is stated, an address that could not be reached, or that failed in a way
	// of On, is asked again too if there is no other.
	Attempts int

	// On are answers after which a call is repeated although the upstream may have
	// done its work, which the provider then bills twice. Timeout is the limit
	// Header, Reset a connection that broke off before an answer.
	On             []int
	Timeout, Reset bool

	// Within is the time from the first request in which another one may begin;
	// 0: one minute.
	Within time.Duration

	// Wait is the longest retry-after that is waited for where there is nobody
	// else to ask; 0: none, the answer is passed on and the client waits.
	Wait time.Duration
}

const (
	defaultAttempts = 3
	defaultWithin   = time.Minute
)

func (r Retry) attempts() int {
	if r.Attempts == 0 {
		return defaultAttempts
	}
	return r.Attempts
}

func (r Retry) within() time.Duration {
	if r.Within == 0 {
		return defaultWithin
	}
	return r.Within
}

// Models are the rules of an upstream about models. Patterns are compared with
// the name that the client asks for and the one that is sent; * stands for any
// characters, whatever they are.
type Models struct {
	Allow []string // empty: all
	Deny  []string // wins over Allow

	// Aliases are names that clients may use, and what is sent in their place.
	Aliases map[string]string
}
