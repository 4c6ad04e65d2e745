package api

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Bounds of a key.
const (
	maxModels   = 200
	maxTags     = 20
	maxTagName  = 40
	maxTagValue = 200

	// defaultGrace is for how long a rotated key goes on working.
	defaultGrace = 24 * time.Hour
	maxGrace     = 90 * 24 * time.Hour
)

func (s *Server) listKeys(c *call) (answer, error) {
	ref, limit, cursor := c.query.text("customer", 512), c.query.limit(), c.query.cursor()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	customer, err := s.customerID(c, ref)
	if err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Store.Keys(c.Context(), c.org, customer, limit, cursor)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showKey))
}

func (s *Server) createKey(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	ref := o.label("customer", 1, 512)
	k := metering.Key{Org: c.org, Test: o.boolean("test"), Created: c.at()}
	readKey(o, &k, c.at())
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	owner, err := s.customer(c, ref)
	if err != nil {
		return answer{}, err
	}
	if owner.Archived != 0 {
		return answer{}, problem(CodeConflict, fmt.Sprintf("customer %q is archived", owner.ExternalID))
	}
	k.Customer = owner.ID
	secret, err := s.mint(&k)
	if err != nil {
		return answer{}, err
	}
	made, err := s.opts.Store.CreateKey(c.Context(), k)
	if err != nil {
		return answer{}, fmt.Errorf("create key: %w", err)
	}
	s.reload(c.Context())
	shown := showKey(made)
	shown.Secret = secret
	return created(shown)
}

func (s *Server) mint(k *metering.Key) (secret string, err error) {
	secret, k.Hash, k.Prefix, k.Last4, err = s.opts.MintKey(k.Test)
	if err != nil {
		return "", fmt.Errorf("mint key: %w", err)
	}
	return secret, nil
}

// readKey reads the members that are given; the others keep what k has.
func readKey(o *object, k *metering.Key, now metering.Micros) {
	if o.has("name") {
		k.Name = o.label("name", 0, maxName)
	}
	if o.has("permits") {
		k.Permits = readPermits(o)
	}
	if o.has("models") {
		k.Models = o.texts("models", maxModels, 200)
	}
	if o.has("upstreams") {
		k.Upstream = o.texts("upstreams", maxModels, 100)
	}
	if o.has("tags") {
		k.Tags = readTags(o)
	}
	if o.has("expires_at") {
		k.Expires = o.instant("expires_at")
		if k.Expires != 0 && k.Expires <= now {
			o.fault("expires_at", "is not in the future; revoke the key instead")
		}
	}
	if slices.Contains(k.Permits, metering.PermitCreate) && !slices.Contains(k.Permits, metering.PermitAttribute) {
		o.fault("permits", "create needs attribute too: only a customer named per call can come into being")
	}
}

func readPermits(o *object) []metering.Permit {
	permits := []metering.Permit{}
	for i, p := range o.texts("permits", 10, 20) {
		switch permit := metering.Permit(p); permit {
		case metering.PermitRaw, metering.PermitAttribute, metering.PermitCreate:
			permits = append(permits, permit)
		default:
			o.fault(fmt.Sprintf("permits[%d]", i), "must be raw, attribute or create")
		}
	}
	return permits
}

func readTags(o *object) []metering.Tag {
	raw, present := o.take("tags")
	if !present {
		return []metering.Tag{}
	}
	members := readObject(raw, o.at("tags"), o.faults)
	tags := make([]metering.Tag, 0, len(members.names))
	for _, name := range members.names {
		var value string
		value, _ = members.tag(name)
		tags = append(tags, metering.Tag{Name: name, Value: value})
	}
	if len(tags) > maxTags {
		o.fault("tags", "must be at most %d, are %d", maxTags, len(tags))
	}
	slices.SortFunc(tags, func(a, b metering.Tag) int { return cmp.Compare(a.Name, b.Name) })
	return tags
}

func (o *object) tag(name string) (string, bool) {
	var value string
	raw, present := o.take(name)
	switch {
	case !present || json.Unmarshal(raw, &value) != nil:
		o.fault(name, "must be a string")
	case name == "" || utf8.RuneCountInString(name) > maxTagName || unprintable(name) != "":
		o.fault(name, "must have a name of 1 to %d printable characters", maxTagName)
	case utf8.RuneCountInString(value) > maxTagValue || unprintable(value) != "":
		o.fault(name, "must have at most %d printable characters", maxTagValue)
	default:
		return value, true
	}
	return "", false
}

// key finds the key that the path names.
func (s *Server) key(c *call) (metering.Key, error) {
	id := c.PathValue("key")
	k, err := s.opts.Store.Key(c.Context(), c.org, id)
	if errors.Is(err, metering.ErrNotFound) {
		return k, notFound("key", id)
	}
	if err != nil {
		return k, fmt.Errorf("find key: %w", err)
	}
	return k, nil
}

func (s *Server) showKey(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	k, err := s.key(c)
	if err != nil {
		return answer{}, err
	}
	return ok(showKey(k))
}

func (s *Server) updateKey(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	k, err := s.key(c)
	if err != nil {
		return answer{}, err
	}
	readKey(o, &k, c.at())
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	if k.Revoked != 0 {
		return answer{}, problem(CodeConflict, "the key is revoked")
	}
	if err := s.opts.Store.UpdateKey(c.Context(), k); err != nil {
		return answer{}, fmt.Errorf("update key: %w", err)
	}
	s.reload(c.Context())
	return ok(showKey(k))
}

func (s *Server) rotateKey(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	grace := time.Duration(o.integer("grace_seconds", int64(defaultGrace/time.Second), 0, int64(maxGrace/time.Second))) * time.Second
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	old, err := s.key(c)
	if err != nil {
		return answer{}, err
	}
	now := c.at()
	if old.Revoked != 0 || old.Expires != 0 && old.Expires <= now {
		return answer{}, problem(CodeConflict, "the key no longer works; add another one")
	}
	until := metering.MicrosOf(c.now.Add(grace))
	if old.Expires != 0 && old.Expires < until {
		until = old.Expires // a rotation makes no key live longer
	}
	fresh := old
	fresh.ID, fresh.Created, fresh.Expires = "", now, old.Expires
	secret, err := s.mint(&fresh)
	if err != nil {
		return answer{}, err
	}
	made, err := s.opts.Store.RotateKey(c.Context(), c.org, old.ID, fresh, until)
	if err != nil {
		return answer{}, fmt.Errorf("rotate key: %w", err)
	}
	s.reload(c.Context())
	shown := RotatedKey{Key: showKey(made), Replaces: old.ID, ReplacesExpiresAt: Instant(until)}
	shown.Secret = secret
	return created(shown)
}

func (s *Server) revokeKey(c *call) (answer, error) {
	if err := c.empty(); err != nil {
		return answer{}, err
	}
	k, err := s.key(c)
	if err != nil {
		return answer{}, err
	}
	if k.Revoked == 0 {
		if err := s.opts.Store.RevokeKey(c.Context(), c.org, k.ID, c.at()); err != nil {
			return answer{}, fmt.Errorf("revoke key: %w", err)
		}
		k.Revoked = c.at()
		s.reload(c.Context())
	}
	return ok(showKey(k))
}
