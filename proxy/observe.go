package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// An observed upstream gets the client's own credential, and its calls need no
// Weir key: they count as those of the observer's. Nothing is refused there but
// what cannot be forwarded at all, so that putting Weir in between changes
// nothing for the application.

// observed reports whether the call is only watched.
func (x *exchange) observed() bool { return x.up != nil && x.up.Observer != "" }

// observe finds whose call it is, on an upstream that is only watched. A Weir
// key that is unknown counts for nothing, and neither do labels that are invalid.
func (x *exchange) observe() *refusal {
	var l labels
	if own, f := x.labels(); f == nil {
		l = own
	}
	if f := x.observer(l.key); f != nil {
		return f
	}
	if l.customer != nil {
		if f := x.attribute(l.customer); f != nil {
			x.s.log.Debug("an observed call names no customer", "code", f.code, "error", f.err)
		}
	}
	if f := x.authorise(labels{}); f != nil {
		return f
	}
	if f := x.label(l); f != nil {
		x.s.log.Debug("labels of an observed call are invalid", "code", f.code)
	}
	x.tagCredential()
	return nil
}

// observer finds who the call counts for: the owner of its Weir key, else the
// observer. If the store is away for longer than keys are trusted, that is still
// who it was.
func (x *exchange) observer(own []byte) *refusal {
	if len(own) > 0 {
		if p, err := x.s.o.Keyring.Lookup(own); err == nil {
			x.principal = p
			return nil
		}
	}
	p, err := x.s.o.Keyring.Lookup([]byte(x.up.Observer))
	if err == nil {
		x.up.watching.Store(p)
	} else if p = x.up.watching.Load(); p == nil {
		return unknownKey(err)
	}
	x.principal = p
	return nil
}

// tagCredential tells the calls of several provider keys apart, by a tag that
// says nothing about them.
func (x *exchange) tagCredential() {
	const name = "credential"
	for _, f := range x.req.fields {
		if f.kind != authorization && f.kind != apiKey {
			continue
		}
		sum := sha256.Sum256(f.value)
		at, found := slices.BinarySearchFunc(x.event.Tags, name, func(t metering.Tag, n string) int { return strings.Compare(t.Name, n) })
		if !found {
			x.event.Tags = slices.Insert(slices.Clone(x.event.Tags), at, metering.Tag{Name: name, Value: hex.EncodeToString(sum[:4])})
		}
		return
	}
}

// unrecorded counts a call that passes although it could not be written down.
func (x *exchange) unrecorded(err error) {
	x.begun = true
	x.s.losses.Add(1)
	x.s.log.LogAttrs(context.Background(), slogError, "a call passes that could not be recorded",
		attr("event", x.event.ID.String()), attr("customer", x.event.Customer), attr("error", err))
}
