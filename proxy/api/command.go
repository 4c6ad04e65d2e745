package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"time"

	"github.com/alecthomas/kong"
)

// Exit statuses of the program.
const (
	ExitDone        = 0
	ExitRefused     = 1 // refused, or a check failed
	ExitUsage       = 2 // wrong usage
	ExitUnreachable = 3 // cannot reach the server
)

// Env is what a command may touch of the outside world.
type Env struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Transport      http.RoundTripper // nil: http.DefaultTransport
	Now            func() time.Time
}

// SystemEnv is the process's own.
func SystemEnv() *Env {
	return &Env{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}
}

// UsageError says that a command was used wrongly.
type UsageError struct{ Err error }

// Error says how.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

// ErrFailed is the error of a command that has said what failed itself.
var ErrFailed = errors.New("a check failed")

// ExitCode is the exit status that an error of a command stands for.
func ExitCode(err error) int {
	var parse *kong.ParseError
	var usage *UsageError
	var gone *UnreachableError
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, &parse), errors.As(err, &usage):
		return ExitUsage
	case errors.As(err, &gone):
		return ExitUnreachable
	default:
		return ExitRefused
	}
}

// Commands are the commands that are clients of the admin API, to be embedded
// in the grammar of the program.
type Commands struct {
	Customer CustomerCmd `cmd:"" help:"Customers, who own keys and usage."`
	Key      KeyCmd      `cmd:"" help:"Proxy keys, which customers call with."`
	Meter    MeterCmd    `cmd:"" help:"Meters, which turn events into quantities."`
	Event    EventCmd    `cmd:"" help:"Events: one for every call."`
	Usage    UsageCmd    `cmd:"" help:"What was used, what it cost upstream and what it is charged."`
	Upstream UpstreamCmd `cmd:"" help:"Upstreams, and the base URLs to give to SDKs."`

	Product      ProductCmd      `cmd:"" help:"Products: prices for meters, which customers subscribe to."`
	Subscription SubscriptionCmd `cmd:"" help:"Subscriptions: which customer has which product, and where its periods are cut."`
	Credit       CreditCmd       `cmd:"" help:"Prepaid credit of customers."`
	Invoice      InvoiceCmd      `cmd:"" help:"Invoices, what is due of them, and the proof of every figure."`
	Pricebook    PricebookCmd    `cmd:"" help:"What providers charge: prices in layers, and what a call would cost."`
	Margin       MarginCmd       `cmd:"" help:"What was earned and what it cost, by any dimension, the worst margin first."`
	Cost         CostCmd         `cmd:"" help:"What calls cost upstream, by any dimension."`
	Reconcile    ReconcileCmd    `cmd:"" help:"What was recorded against what the provider says of itself; exit 1 if they differ."`
	Portal       PortalCmd       `cmd:"" help:"The customers' own pages."`
	Console      ConsoleCmd      `cmd:"" help:"The operators' pages."`
	Admin        AdminCmd        `cmd:"" help:"People who sign in to the console with a password."`
	Login        ConsoleLink     `cmd:"" help:"Print a one-use link that logs into the console, alone on the last line."`
	Clock        ClockCmd        `cmd:"" help:"The time of a sandbox, which can be moved."`

	Alert  AlertCmd  `cmd:"" help:"What people should know of: models without a price, margins that are too low, feeds that fail."`
	Token  TokenCmd  `cmd:"" help:"Access tokens of the admin API."`
	Doctor DoctorCmd `cmd:"" help:"What a person checks at 3 a.m.; exit 1 if something has failed."`
	Env    EnvCmd    `cmd:"" help:"Export lines for a shell: eval \"$(weir env)\"."`
}

// errHelp ends parsing after help was printed.
var errHelp = errors.New("help was printed")

// helpFlag prints help without ending the process, as kong's own would.
type helpFlag bool

// BeforeReset is called by kong when the flag is given.
func (helpFlag) BeforeReset(ctx *kong.Context) error {
	if err := ctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelp
}

// Run parses args by a grammar, a pointer to a struct of kong commands, runs
// the command, and returns the exit status. Commands get a context.Context and
// an *Env, and whatever the options bind.
func Run(ctx context.Context, env *Env, grammar any, args []string, options ...kong.Option) int {
	root := struct {
		Help helpFlag `short:"h" help:"Show help."`
		kong.Plugins
	}{Plugins: kong.Plugins{grammar}}
	parser, err := kong.New(&root, append([]kong.Option{
		kong.Name("weir"),
		kong.Description("A transparent LLM reverse proxy that meters and bills."),
		kong.NoDefaultHelp(),
		kong.WithHyphenPrefixedParameters(true), // --from -24h
		kong.Writers(env.Stdout, env.Stderr),
		kong.Bind(env),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	}, options...)...)
	if err != nil {
		fmt.Fprintf(env.Stderr, "weir: %v\n", err)
		return ExitRefused
	}
	parsed, err := parser.Parse(args)
	if errors.Is(err, errHelp) {
		return ExitDone
	}
	if err == nil {
		err = parsed.Run()
	}
	if err != nil && !errors.Is(err, ErrFailed) {
		fmt.Fprintf(env.Stderr, "weir: %v\n", err)
		var parse *kong.ParseError
		if errors.As(err, &parse) {
			fmt.Fprintln(env.Stderr, "weir: add --help to see what can be given")
		}
	}
	return ExitCode(err)
}

// Common are the flags of every command.
type Common struct {
	JSON bool   `name:"json" help:"Print the answer as JSON, for machines."`
	Data string `name:"data" placeholder:"DIR" help:"Data directory of the server to talk to, where WEIR_URL and WEIR_TOKEN do not name one. Default: ./weir-data, else ./weir-sandbox."`
}

// The default data directories, where commands look for a server.
const (
	serveData   = "./weir-data"
	sandboxData = "./weir-sandbox"
)

// startHint says how a server comes to be.
const startHint = "start one with `weir serve`, or `weir sandbox` to try it out; WEIR_URL and WEIR_TOKEN name one elsewhere"

// connect finds the server: by the environment, else by a data directory.
func (c Common) connect(env *Env) (*Client, Runtime, error) {
	base, token := env.Getenv("WEIR_URL"), env.Getenv("WEIR_TOKEN")
	if base != "" {
		if token == "" {
			return nil, Runtime{}, &UsageError{errors.New("WEIR_URL is set and WEIR_TOKEN is not: it holds the access token")}
		}
		return NewClient(base, token, env.Transport), Runtime{Console: base}, nil
	}
	dirs := []string{serveData, sandboxData}
	if c.Data != "" {
		dirs = []string{c.Data}
	}
	for _, dir := range dirs {
		r, err := ReadRuntime(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, r, err
		}
		if token == "" {
			if token, err = ReadToken(dir); err != nil {
				return nil, r, err
			}
		}
		return NewClient(r.Console, token, env.Transport), r, nil
	}
	return nil, Runtime{}, &UnreachableError{fmt.Sprintf("a server (no %s in %v)", RuntimeFile, dirs), errors.New(startHint)}
}

// ask connects, makes one call and prints its answer: as JSON, or the way the
// command shows it to people.
func ask[T any](ctx context.Context, c Common, env *Env, question func(*Client) (T, error), show func(*printer, T)) error {
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	answer, err := question(client)
	if err != nil {
		return hint(err)
	}
	return c.print(env, answer, func(p *printer) { show(p, answer) })
}

// hint adds to an unreachable server how to start one.
func hint(err error) error {
	var gone *UnreachableError
	if errors.As(err, &gone) {
		return fmt.Errorf("%w; %s", err, startHint)
	}
	return err
}

func (c Common) print(env *Env, answer any, show func(*printer)) error {
	if c.JSON {
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(answer); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		return nil
	}
	p := newPrinter(env.Stdout)
	show(p)
	return p.flush()
}

// when checks an instant that a person gave and returns it for the server.
func (env *Env) when(flag, s, zone string) (string, error) {
	if s == "" {
		return "", nil
	}
	at, err := env.at(flag, s, zone)
	return at.String(), err
}

// at reads an instant that a person gave; zero where none is.
func (env *Env) at(flag, s, zone string) (Instant, error) {
	if s == "" {
		return 0, nil
	}
	place, err := ParseZone(zone)
	if err != nil {
		return 0, &UsageError{fmt.Errorf("--zone: %w", err)}
	}
	at, err := ParseTime(s, env.Now(), place)
	if err != nil {
		return 0, &UsageError{fmt.Errorf("--%s: %w", flag, err)}
	}
	return Instant(at), nil
}

// span checks --from and --to.
func (env *Env) span(from, to, zone string) (string, string, error) {
	f, err := env.when("from", from, zone)
	if err != nil {
		return "", "", err
	}
	t, err := env.when("to", to, zone)
	return f, t, err
}

// expiry reads --expires: an instant, or a span from now without its plus.
func (env *Env) expiry(s string) (Instant, error) {
	if s == "" || s == "never" {
		return 0, nil
	}
	if d, err := ParseSpan(s); err == nil {
		s = "+" + d.String()
	}
	at, err := ParseTime(s, env.Now(), time.UTC)
	if err != nil {
		return 0, &UsageError{fmt.Errorf("--expires: %w", err)}
	}
	return Instant(at), nil
}

// PageFlags choose a page of a list.
type PageFlags struct {
	Limit  int    `help:"Most items, 1 to 100." default:"50"`
	Cursor string `help:"Where the page before ended."`
}

func (f PageFlags) options() ListOptions { return ListOptions{f.Limit, f.Cursor} }
