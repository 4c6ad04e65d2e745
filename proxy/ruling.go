package proxy

import (
	"bytes"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// blame is what a failed request says something about.
type blame uint8

const (
	nobody     blame = iota // the request itself, or nothing at all
	theKey                  // the credential: another one may be taken
	theAddress              // the endpoint: another one may answer
	everything              // all of the upstream
)

// ruling is what an error answer means for others than the one who gets it.
type ruling struct {
	blame blame
	// unrun: the answer says that nothing was generated, so the request can be
	// sent elsewhere without being done twice.
	unrun bool
	// rests: the credential would be refused again, whatever it is shown for.
	rests bool
}

// rule reads an error answer. after is its retry-after, 0 if it has none; e is
// the API's own error object, nil if the body has none or was not read; body is
// what was read. Whatever is not listed here is passed on to the client.
//
//	all        401        the key is unknown; it is looked at before anything else
//	all        402        the account has no balance (DeepSeek, OpenRouter)
//	all        403        the key may not do that; looked at before anything runs
//	all        429        a limit of rate or quota; counted before anything runs
//	all        503        with retry-after, or in the API's own words: it takes no
//	                      more. Without either it may be of a balancer between
//	                      that lost an upstream at work (Envoy answers so), and
//	                      something may have run
//	anthropic  529        overloaded_error, likewise; others who use it the same way
//	gemini     400        API_KEY_INVALID: Google's word for 401
//	bedrock    424, 408   not listed: the model failed or was too slow at work
func rule(protocol string, status int, after time.Duration, e *metering.UpstreamError, body []byte) ruling {
	switch status {
	case 400:
		if protocol == "gemini" && bytes.Contains(body, []byte("API_KEY_INVALID")) {
			return ruling{theKey, true, true}
		}
	case 401, 402:
		return ruling{theKey, true, true}
	case 403:
		return ruling{theKey, true, !aboutRequest(e)}
	case 429:
		return ruling{theKey, true, after > 0 || exhausted(protocol, e)}
	case 503:
		return ruling{blame: theAddress, unrun: after > 0 || e != nil}
	case 529:
		return ruling{blame: theAddress, unrun: true}
	}
	if status >= 500 {
		return ruling{blame: theAddress}
	}
	return ruling{}
}

// aboutRequest reports whether a 403 is about what was asked for and not about
// who asked: a customer who names a model that the account has not must not send
// the account's key to rest.
func aboutRequest(e *metering.UpstreamError) bool {
	if e == nil {
		return false
	}
	for _, s := range []string{e.Code, e.Type, e.Message} {
		s = strings.ToLower(s)
		if strings.Contains(s, "model") || strings.Contains(s, "content") || strings.Contains(s, "region") || strings.Contains(s, "country") {
			return true
		}
	}
	return false
}

// exhausted reports whether a 429 without retry-after is about the account. One
// that is not may be about the request alone: OpenAI says "request too large" so.
func exhausted(protocol string, e *metering.UpstreamError) bool {
	if e == nil {
		return false
	}
	for _, code := range []string{e.Code, e.Type} {
		switch code {
		case "insufficient_quota", "billing_hard_limit_reached", "quota_exceeded", "credit_exhausted", "RESOURCE_EXHAUSTED", "ThrottlingException":
			return true
		}
	}
	return protocol == "bedrock" // it limits accounts, and says so in a header alone
}

// errorName is the short name of an error answer: the API's own, or the status.
func errorName(status int, e *metering.UpstreamError) string {
	if e != nil {
		for _, name := range []string{e.Code, e.Type} {
			if name != "" && strings.Trim(name, "0123456789") != "" {
				return name
			}
		}
	}
	return "http_" + string(appendStatusCode(nil, status))
}
