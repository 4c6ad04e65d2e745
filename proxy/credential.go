package proxy

import (
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// credential is one key of the operator and how it fares.
type credential struct {
	*health
	key string
}

// tail is what may be shown of the key: nothing of one so short that four
// characters help to guess it.
func (c *credential) tail() string {
	if c == nil || len(c.key) < 12 {
		return ""
	}
	return c.key[len(c.key)-4:]
}

// credentialUsed says which key the upstream was asked with last.
func (x *exchange) credentialUsed() string {
	switch {
	case x.observed():
		return metering.CredentialObserved
	case x.clientAuth():
		return metering.CredentialClient
	default:
		return x.cred.tail()
	}
}

// rest counts a refusal of the credential, and says so once when it is put to
// rest.
func (c *credential) rest(x *exchange, f failure) {
	now := time.Now()
	if was := c.rests(now); c.failed(f, now) && !was {
		x.s.log.Warn("a credential rests", "upstream", x.up.Name, "credential", "…"+c.tail(), "error", f.code)
	}
}

// keys are the credentials of an upstream, or an endpoint's own.
type keys struct {
	list []*credential
	rota *rota
}

// newKeys checks that no credential can break the head that it goes into.
func newKeys(keyLine string, list []string, weights []int) (*keys, error) {
	if weights != nil && len(weights) != len(list) || len(list) > maxMembers {
		return nil, fmt.Errorf("%d credentials with %d weights; at most %d, a weight each: %w", len(list), len(weights), maxMembers, metering.ErrInvalid)
	}
	k := &keys{}
	var members []*health
	for i, c := range list {
		if c == "" || !isValue([]byte(keyLine+c)) {
			return nil, fmt.Errorf("credential %d is empty or has control characters: %w", i, metering.ErrInvalid)
		}
		if weights != nil && (weights[i] < 1 || weights[i] > maxWeight) {
			return nil, fmt.Errorf("weight of credential %d is not 1 to %d: %w", i, maxWeight, metering.ErrInvalid)
		}
		k.list = append(k.list, &credential{new(health), c})
		members = append(members, k.list[i].health)
	}
	if len(list) > 0 {
		k.rota = newRota(members, weights)
	}
	return k, nil
}

// inherit goes on with what was known of the same keys.
func (k *keys) inherit(old *keys) {
	for i, c := range k.list {
		for _, o := range old.list {
			if o.key == c.key {
				c.health, k.rota.members[i] = o.health, o.health
			}
		}
	}
}

// mask are the bits of those of list that are among k.
func (k *keys) mask(list []*credential) (bits uint64) {
	for _, c := range list {
		for i, own := range k.list {
			if own == c {
				bits |= 1 << i
			}
		}
	}
	return bits
}
