package config

import "time"

// Endpoint is one of several addresses of an [Upstream].
type Endpoint struct {
	// BaseURL is as in the upstream. Required.
	BaseURL string `yaml:"base_url"`

	// Weight is its share of the calls, 1 to 100. Default 1.
	Weight *int `yaml:"weight"`

	// Region is a label, shown beside it. Default: none.
	Region string `yaml:"region"`

	// Credentials are keys for this address alone. Default: the upstream's.
	Credentials []Credential `yaml:"credentials"`
}

// Credential is one key of the operator for a provider. One that the provider
// refuses rests for a while, and calls go on with the others.
type Credential struct {
	// Key is the key itself; usually ${NAME} or ${file:/path}.
	Key Secret `yaml:"key"`

	// Weight is its share of the calls, 1 to 100. Default 1.
	Weight *int `yaml:"weight"`
}

// Retry bounds the repetition of calls. Without any of it a call is sent at most
// twice more, where the provider cannot have begun (it was not reached, or its
// answer says that nothing ran: 401, 403, 429, 503 with retry-after, 529), and
// only to somebody else: another credential, endpoint or fallback. Nothing is
// repeated once a byte of an answer has gone to the client, and no body above
// limits.inspect is.
type Retry struct {
	// Attempts is the most requests for one call, the first included. Default 3.
	// Where it is stated, an address that was not reached, or that failed in a way
	// of On, is asked again too if there is no other.
	Attempts int `yaml:"attempts"`

	// On are answers after which a call is repeated although the provider may have
	// done its work and bills it: status codes, "timeout" (no answer within
	// timeouts.header) and "reset" (the connection broke off before an answer).
	// The customer is billed one answer; what the others cost is yours, and is
	// shown with the event. Default: none.
	On []string `yaml:"on"`

	// Within is how long after the first request another one may begin. Default 1m.
	Within time.Duration `yaml:"within"`

	// Wait is the longest retry-after that is waited for where there is nobody
	// else to ask. Default 0: none; the answer is passed on, and SDKs wait by
	// themselves.
	Wait time.Duration `yaml:"wait"`
}

// TLS is how an upstream is spoken to where the system's own trust is not what
// decides. Certificates and keys are PEM, or the path of a file that holds it.
type TLS struct {
	// CA are the only authorities that are trusted. Default: the system's.
	CA string `yaml:"ca"`

	// Cert and Key are what Weir shows of itself, for providers that ask for it.
	Cert string `yaml:"cert"`
	Key  Secret `yaml:"key"`

	// ServerName is the name that the certificate must have. Default: the host of
	// the base URL.
	ServerName string `yaml:"server_name"`

	// MinVersion is the oldest version that is spoken, "1.2" or "1.3". Default 1.2.
	MinVersion string `yaml:"min_version"`

	// InsecureSkipVerify takes any certificate, so that whoever gets between the
	// two reads the credential and all prompts. Default false.
	InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
}

// Models are the rules of an upstream about models. In patterns * stands for any
// characters. They are compared with the name that the client asks for and with
// the one that is sent; either may match.
type Models struct {
	// Allow are patterns of the models that may be called. Default: all.
	Allow []string `yaml:"allow"`

	// Deny are patterns of those that may not; it wins.
	Deny []string `yaml:"deny"`

	// Aliases are names that clients may use, each with the model that is sent in
	// its place. Events keep both. In a body above limits.inspect nothing is
	// replaced: there an alias is refused.
	Aliases map[string]string `yaml:"aliases"`
}

// within is the bound that holds.
func (r Retry) within() time.Duration {
	if r.Within == 0 {
		return time.Minute
	}
	return r.Within
}
