package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"
)

// KeyCmd groups the commands about proxy keys.
type KeyCmd struct {
	Add    KeyAdd    `cmd:"" aliases:"create" help:"Create a key and print it, once, alone on the last line."`
	List   KeyList   `cmd:"" help:"List keys."`
	Show   KeyShow   `cmd:"" help:"Show a key."`
	Update KeyUpdate `cmd:"" help:"Change what a key may do."`
	Rotate KeyRotate `cmd:"" help:"Replace a key and print the new one alone on the last line; the old one goes on working for a while."`
	Revoke KeyRevoke `cmd:"" help:"Revoke a key."`
}

// KeyAdd creates a key.
type KeyAdd struct {
	Common    `embed:""`
	Customer  string            `required:"" placeholder:"EXT" help:"Id or external id of the customer it belongs to."`
	Permit    []string          `placeholder:"PERMIT,..." enum:"attribute,create,raw" help:"What it may do beyond calling for its own customer: attribute (name the customer per call), create (let such a customer come into being), raw (unknown paths)."`
	Models    []string          `placeholder:"MODEL,..." help:"Exact names of the models it may call. Default: all."`
	Upstreams []string          `placeholder:"NAME,..." help:"Upstreams it may call. Default: all."`
	Tag       map[string]string `mapsep:"," placeholder:"NAME=VALUE" help:"Labels of every call."`
	Name      string            `help:"Its name, for people."`
	Test      bool              `help:"A weir_test_ key: never billed, and only for upstreams marked for tests."`
	Expires   string            `placeholder:"WHEN" help:"When it stops working: an instant, a date, or a span like 90d."`
}

// Run runs the command.
func (c *KeyAdd) Run(ctx context.Context, env *Env) error {
	expires, err := env.expiry(c.Expires)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Key, error) {
		return cl.CreateKey(ctx, NewKey{
			Customer: c.Customer, Name: c.Name, Test: c.Test, Permits: c.Permit, Models: c.Models,
			Upstreams: c.Upstreams, Tags: c.Tag, ExpiresAt: expires,
		})
	}, func(p *printer, k Key) {
		p.line("Key %s for customer %s. It is shown this once:", k.ID, c.Customer)
		p.line("%s", k.Secret)
	})
}

func printKey(p *printer, k Key) {
	p.row("key", hidden(k))
	p.row("id", k.ID)
	p.row("customer", k.CustomerID)
	p.row("name", k.Name)
	p.row("permits", joined(k.Permits, "none"))
	p.row("models", joined(k.Models, "all"))
	p.row("upstreams", joined(k.Upstreams, "all"))
	for _, name := range slices.Sorted(maps.Keys(k.Tags)) {
		p.row("tag "+name, k.Tags[name])
	}
	p.row("created", k.CreatedAt)
	p.row("expires", k.ExpiresAt)
	p.row("revoked", k.RevokedAt)
}

func hidden(k Key) string { return k.Prefix + "…" + k.Last4 }

func joined[T ~string](items []T, none string) string {
	if len(items) == 0 {
		return none
	}
	texts := make([]string, len(items))
	for i, it := range items {
		texts[i] = string(it)
	}
	return strings.Join(texts, ", ")
}

// KeyList lists keys.
type KeyList struct {
	Common    `embed:""`
	PageFlags `embed:""`
	Customer  string `placeholder:"EXT" help:"Only those of this customer: id or external id."`
}

// Run runs the command.
func (c *KeyList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Key], error) { return cl.Keys(ctx, c.Customer, c.options()) },
		func(p *printer, page Page[Key]) {
			p.row("ID", "KEY", "NAME", "PERMITS", "EXPIRES", "REVOKED", "CUSTOMER")
			for _, k := range page.Items {
				p.row(k.ID, hidden(k), k.Name, joined(k.Permits, ""), k.ExpiresAt, k.RevokedAt, k.CustomerID)
			}
			p.more(page.NextCursor)
		})
}

// KeyShow shows a key.
type KeyShow struct {
	Common `embed:""`
	Key    string `arg:"" help:"Id of the key, never the key itself."`
}

// Run runs the command.
func (c *KeyShow) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Key, error) { return cl.Key(ctx, c.Key) }, printKey)
}

// KeyUpdate changes a key.
type KeyUpdate struct {
	Common    `embed:""`
	Key       string             `arg:"" help:"Id of the key."`
	Name      *string            `help:"New name."`
	Permit    *[]string          `placeholder:"PERMIT,..." help:"What it may do now instead of before: attribute, create, raw, or \"\" for nothing."`
	Models    *[]string          `placeholder:"MODEL,..." help:"Models it may call; \"\" for all."`
	Upstreams *[]string          `placeholder:"NAME,..." help:"Upstreams it may call; \"\" for all."`
	Tag       *map[string]string `mapsep:"," placeholder:"NAME=VALUE" help:"Labels of every call, instead of those before."`
	Expires   *string            `placeholder:"WHEN" help:"When it stops working, or \"never\"."`
}

// Run runs the command.
func (c *KeyUpdate) Run(ctx context.Context, env *Env) error {
	change := KeyChange{Name: c.Name, Permits: some(c.Permit), Models: some(c.Models), Upstreams: some(c.Upstreams), Tags: c.Tag}
	if c.Expires != nil {
		at, err := env.expiry(*c.Expires)
		if err != nil {
			return err
		}
		change.ExpiresAt = &at
	}
	if change == (KeyChange{}) {
		return &UsageError{errors.New("nothing to change: --help lists what can be")}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Key, error) { return cl.UpdateKey(ctx, c.Key, change) }, printKey)
}

// some drops the one empty name that --models "" is.
func some(names *[]string) *[]string {
	if names == nil {
		return nil
	}
	kept := slices.DeleteFunc(slices.Clone(*names), func(s string) bool { return s == "" })
	if kept == nil {
		kept = []string{}
	}
	return &kept
}

// KeyRotate replaces a key.
type KeyRotate struct {
	Common `embed:""`
	Key    string `arg:"" help:"Id of the key."`
	Grace  string `default:"24h" placeholder:"SPAN" help:"For how long the old key goes on working; 0s: not at all."`
}

// Run runs the command.
func (c *KeyRotate) Run(ctx context.Context, env *Env) error {
	grace, err := ParseSpan(c.Grace)
	if err != nil {
		return &UsageError{err}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (RotatedKey, error) {
		return cl.RotateKey(ctx, c.Key, int64(grace/time.Second))
	}, func(p *printer, k RotatedKey) {
		p.line("Key %s replaces %s, which works until %s. It is shown this once:", k.ID, k.Replaces, k.ReplacesExpiresAt)
		p.line("%s", k.Secret)
	})
}

// KeyRevoke revokes a key.
type KeyRevoke struct {
	Common `embed:""`
	Key    string `arg:"" help:"Id of the key."`
}

// Run runs the command.
func (c *KeyRevoke) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Key, error) { return cl.RevokeKey(ctx, c.Key) }, printKey)
}
