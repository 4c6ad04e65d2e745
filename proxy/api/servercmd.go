package api

import (
	"context"
	"fmt"
	"strings"
)

// UpstreamCmd groups the commands about upstreams.
type UpstreamCmd struct {
	List UpstreamList `cmd:"" help:"List upstreams and the base URLs to give to SDKs."`
}

// UpstreamList lists upstreams.
type UpstreamList struct {
	Common `embed:""`
}

// Run runs the command.
func (c *UpstreamList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Upstreams, error) { return cl.Upstreams(ctx) }, func(p *printer, u Upstreams) {
		p.row("NAME", "PRESET", "BASE URL", "SDK BASE URL", "")
		for _, it := range u.Items {
			mark := " "
			if it.Default {
				mark = "default"
			}
			p.row(it.Name, it.Preset, it.BaseURL, strings.Join(it.SDKURLs, " "), mark)
		}
		p.line("")
		p.row("UPSTREAM", "CREDENTIAL", "ENDPOINT", "STATE", "RESTING UNTIL", "REQUESTS", "FAILURES", "LAST ERROR", "")
		for _, it := range u.Items {
			printFaring(p, it)
		}
	})
}

// printFaring writes a line for each endpoint and each credential; one that
// endpoints share is listed once.
func printFaring(p *printer, u Upstream) {
	shown := false
	for _, e := range u.Endpoints {
		place := e.BaseURL
		if e.Region != "" {
			place += " (" + e.Region + ")"
		}
		printHealth(p, u.Name, "", place, e.Health)
		for _, c := range e.Credentials {
			name := fmt.Sprint(c.Position)
			if c.Last4 != "" {
				name += " …" + c.Last4
			}
			switch {
			case !c.Shared:
				printHealth(p, u.Name, name, place, c.Health)
			case !shown:
				printHealth(p, u.Name, name, "", c.Health)
			}
		}
		shown = shown || len(e.Credentials) > 0 && e.Credentials[0].Shared
	}
}

func printHealth(p *printer, upstream, credential, endpoint string, h Health) {
	p.row(upstream, credential, endpoint, h.State, h.RestingUntil, h.Requests, h.Failures, h.LastError, h.LastErrorAt)
}

// TokenCmd groups the commands about access tokens.
type TokenCmd struct {
	Add    TokenAdd    `cmd:"" aliases:"create" help:"Create an access token and print it, once, alone on the last line."`
	List   TokenList   `cmd:"" help:"List access tokens."`
	Revoke TokenRevoke `cmd:"" help:"Revoke an access token."`
}

// TokenAdd creates an access token.
type TokenAdd struct {
	Common  `embed:""`
	Name    string   `required:"" help:"What it is for."`
	Scopes  []string `required:"" placeholder:"SCOPE,..." help:"What it may do: *, or customers:read, customers:write, keys:read, …"`
	Expires string   `placeholder:"WHEN" help:"When it stops working: an instant, a date, or a span like 90d. Default: never."`
}

// Run runs the command.
func (c *TokenAdd) Run(ctx context.Context, env *Env) error {
	expires, err := env.expiry(c.Expires)
	if err != nil {
		return err
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Token, error) {
		return cl.CreateToken(ctx, NewToken{c.Name, c.Scopes, expires})
	}, func(p *printer, t Token) {
		p.line("Access token %s for %s. It is shown this once:", t.ID, strings.Join(t.Scopes, ", "))
		p.line("%s", t.Secret)
	})
}

// TokenList lists access tokens.
type TokenList struct {
	Common    `embed:""`
	PageFlags `embed:""`
}

// Run runs the command.
func (c *TokenList) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (Page[Token], error) { return cl.Tokens(ctx, c.options()) },
		func(p *printer, page Page[Token]) {
			p.row("ID", "TOKEN", "NAME", "SCOPES", "LAST USED", "EXPIRES", "REVOKED")
			for _, t := range page.Items {
				p.row(t.ID, t.Prefix+"…"+t.Last4, t.Name, strings.Join(t.Scopes, ","), t.LastUsedAt, t.ExpiresAt, t.RevokedAt)
			}
			p.more(page.NextCursor)
		})
}

// TokenRevoke revokes an access token.
type TokenRevoke struct {
	Common `embed:""`
	Token  string `arg:"" help:"Id of the token, never the token itself."`
}

// Run runs the command.
func (c *TokenRevoke) Run(ctx context.Context, env *Env) error {
	return ask(ctx, c.Common, env, func(cl *Client) (RevokedToken, error) { return cl.RevokeToken(ctx, c.Token) },
		func(p *printer, t RevokedToken) { p.line("revoked %s", t.ID) })
}

// DoctorCmd has the server look at itself.
type DoctorCmd struct {
	Common `embed:""`
}

// Run runs the command. A failed check is ErrFailed.
func (c *DoctorCmd) Run(ctx context.Context, env *Env) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	d, err := client.Doctor(ctx)
	if err != nil {
		return hint(err)
	}
	if err := c.print(env, d, func(p *printer) { printDiagnosis(p, d) }); err != nil {
		return err
	}
	if d.Status == StatusFail {
		return ErrFailed
	}
	return nil
}

func printDiagnosis(p *printer, d Diagnosis) {
	for _, check := range d.Checks {
		p.row(string(check.Status), check.Name, check.Measured)
		if check.Remedy != "" {
			p.row(" ", " ", "→ "+check.Remedy)
		}
	}
}

// EnvCmd prints what a shell needs to talk to the server.
type EnvCmd struct {
	Common `embed:""`
}

// environment is what EnvCmd prints.
type environment struct {
	OpenAIBaseURL string `json:"OPENAI_BASE_URL,omitempty"`
	OpenAIKey     string `json:"OPENAI_API_KEY,omitempty"` // only where there is a demo key
	URL           string `json:"WEIR_URL"`
	Token         string `json:"WEIR_TOKEN"`
}

// Run runs the command. It asks the server, so that it never prints the address
// of one that is gone.
func (c *EnvCmd) Run(ctx context.Context, env *Env) error {
	client, r, err := c.connect(env)
	if err != nil {
		return err
	}
	upstreams, err := client.Upstreams(ctx)
	if err != nil {
		return hint(err)
	}
	out := environment{URL: client.url, Token: client.token, OpenAIKey: r.Key}
	for _, u := range upstreams.Items {
		if u.Default && len(u.SDKURLs) > 0 {
			out.OpenAIBaseURL = u.SDKURLs[0]
		}
	}
	return c.print(env, out, func(p *printer) { printEnvironment(p, out) })
}

func printEnvironment(p *printer, e environment) {
	export := func(name, value, absent string) {
		if value == "" {
			p.line("# export %s=   # %s", name, absent)
			return
		}
		p.line("export %s=%s", name, quoted(value))
	}
	export("OPENAI_BASE_URL", e.OpenAIBaseURL, "no upstream is the default: weir upstream list")
	export("OPENAI_API_KEY", e.OpenAIKey, "weir key add --customer EXT prints one")
	export("WEIR_URL", e.URL, "")
	export("WEIR_TOKEN", e.Token, "")
}

// quoted makes a word of a shell of any text.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.:/@%+=,", r))
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
