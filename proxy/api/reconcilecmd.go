package api

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/fetch"
)

// ReconcileCmd compares what was recorded with a provider's own report.
type ReconcileCmd struct {
	Common       `embed:""`
	Provider     string   `required:"" enum:"openai,anthropic" help:"Whose report: openai or anthropic."`
	Usage        []string `sep:"none" placeholder:"FILE" help:"Export of usage: pages of the provider's API, or a table of OpenAI's dashboard. May be repeated."`
	Costs        []string `sep:"none" placeholder:"FILE" help:"Export of costs. May be repeated."`
	AdminKeyFile string   `placeholder:"FILE" help:"Ask the provider from here, with the administrator's key in this file. Default: OPENAI_ADMIN_KEY or ANTHROPIC_ADMIN_KEY, else the server asks with its own."`
	From         string   `placeholder:"DAY" help:"First day, of UTC. Default: what the export covers, or 30 days ago."`
	To           string   `placeholder:"DAY" help:"Day after the last. Default: what the export covers, or today."`
	Tolerance    string   `placeholder:"PERCENT" help:"Greatest difference that is none. Default: what the server has configured, else 0.1%%."`
	FloorUSD     string   `name:"floor-usd" default:"0.01" placeholder:"USD" help:"Cost whose difference is dust."`
	FloorTokens  int64    `default:"1000" placeholder:"N" help:"Tokens whose difference is dust."`
	Boundary     int64    `default:"60" placeholder:"SECONDS" help:"How close to midnight the provider may have a call on the other day."`
	Key          []string `sep:"none" placeholder:"ID=CREDENTIAL" help:"Which credential the provider's id of a key is: its last four characters, or - if Weir does not use it. May be repeated. Default: what the server has configured."`
	CSV          bool     `name:"csv" help:"Print every measure of every row, for a spreadsheet."`
	All          bool     `help:"Show rows that agree too."`
}

// adminBase names the variable that leads to another administration API, for
// proxies and tests.
const adminBase = "_ADMIN_BASE_URL"

// Run runs the command.
func (c *ReconcileCmd) Run(ctx context.Context, env *Env) error {
	q := ReconcileRequest{
		Provider: c.Provider, From: c.From, To: c.To, Tolerance: c.Tolerance, FloorUSD: c.FloorUSD, FloorToken: c.FloorTokens, Boundary: c.Boundary,
	}
	var err error
	if q.Keys, err = reconcile.ParseKeys(c.Key); err != nil {
		return &UsageError{fmt.Errorf("--key %w", err)}
	}
	for _, day := range []string{c.From, c.To} {
		if _, err := reconcile.ParseDay(day); day != "" && err != nil {
			return &UsageError{err}
		}
	}
	if q.Usage, err = files(env, c.Usage); err != nil {
		return err
	}
	if q.Costs, err = files(env, c.Costs); err != nil {
		return err
	}
	if len(q.Usage)+len(q.Costs) == 0 {
		if err := c.fetch(ctx, env, &q); err != nil {
			return err
		}
	}
	client, _, err := c.connect(env)
	if err != nil {
		return err
	}
	report, err := client.Reconcile(ctx, q)
	if err != nil {
		return hint(err)
	}
	if c.CSV {
		err = writeCSV(env.Stdout, &report)
	} else {
		err = c.print(env, report, func(p *printer) { c.show(p, &report) })
	}
	if err == nil && report.Verdict == reconcile.VerdictDiffers {
		return ErrFailed
	}
	return err
}

// files reads files, - is the standard input.
func files(env *Env, names []string) ([]string, error) {
	var out []string
	left := int64(reconcile.MaxBytes)
	for _, name := range names {
		src := io.NopCloser(env.Stdin)
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, &UsageError{fmt.Errorf("read an export: %w", err)}
			}
			src = f
		}
		text, err := io.ReadAll(io.LimitReader(src, left+1))
		if err = errors.Join(err, src.Close()); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		if left -= int64(len(text)); left < 0 {
			return nil, &UsageError{fmt.Errorf("the exports have more than %d bytes; give fewer days at a time", int64(reconcile.MaxBytes))}
		}
		out = append(out, string(text))
	}
	return out, nil
}

// fetch asks the provider from here, if there is a key; else the server will.
func (c *ReconcileCmd) fetch(ctx context.Context, env *Env, q *ReconcileRequest) error {
	key := env.Getenv(fetch.KeyVariable(c.Provider))
	if c.AdminKeyFile != "" {
		text, err := os.ReadFile(c.AdminKeyFile)
		if err != nil {
			return &UsageError{fmt.Errorf("--admin-key-file: %w", err)}
		}
		key = strings.TrimSpace(string(text))
	}
	if key == "" {
		return nil
	}
	to := reconcile.DayOf(metering.MicrosOf(env.Now()))
	if c.To != "" {
		to, _ = reconcile.ParseDay(c.To) // checked before
	}
	from := to - lookBackDays
	if c.From != "" {
		from, _ = reconcile.ParseDay(c.From)
	}
	q.From, q.To = from.String(), to.String()
	f := fetch.Fetcher{
		Provider: c.Provider, Key: key, BaseURL: env.Getenv(strings.ToUpper(c.Provider) + adminBase),
		Client: &http.Client{Transport: env.Transport, Timeout: time.Minute}, Wait: fetch.Sleep,
	}
	return f.Fetch(ctx, from, to, func(costs bool, page []byte) error {
		if costs {
			q.Costs = append(q.Costs, string(page))
		} else {
			q.Usage = append(q.Usage, string(page))
		}
		return nil
	})
}

// show prints the totals and what differs, the worst first.
func (c *ReconcileCmd) show(p *printer, r *reconcile.Report) {
	p.row("MODEL", "DAY", "KEY", "MEASURE", "OURS", "THEIRS", "DIFFERENCE", "%", "VERDICT")
	r.Walk(func(row *reconcile.Row) bool {
		whole := row.Level == reconcile.LevelTotal || row.Level == reconcile.LevelModel
		for _, d := range row.Measures {
			if c.All || whole || d.Verdict == reconcile.VerdictDiffers {
				model := row.Model
				if row.Level == reconcile.LevelTotal {
					model = "total"
				}
				p.row(model, row.Day, strings.TrimSpace(row.Credential+" "+row.Key), d.Measure, d.Ours, d.Theirs, d.Diff, d.Percent, d.Verdict)
			}
		}
		return true
	})
	for _, cause := range r.Causes {
		p.line("%d rows: %s, as in", cause.Rows, cause.Kind)
		r.Walk(func(row *reconcile.Row) bool {
			if len(row.Causes) == 0 || row.Causes[0].Kind != cause.Kind {
				return true
			}
			p.line("  %s: %s", cmp.Or(strings.TrimSpace(row.Model+" "+row.Day+" "+row.Key), "total"), row.Causes[0].Text)
			return false
		})
	}
	for _, note := range r.Notes {
		p.line("note: %s", note)
	}
	p.line("%s: %s to %s, %d of %d rows differ by more than %s", r.Verdict, r.From, r.To-1, r.Differing, r.Compared, r.Tolerance)
}

// writeCSV writes a line for every measure of every row.
func writeCSV(to io.Writer, r *reconcile.Report) error {
	w := csv.NewWriter(to)
	lines := [][]string{{"level", "model", "day", "key", "credential", "measure", "ours", "theirs", "difference", "percent", "verdict", "cause"}}
	r.Walk(func(row *reconcile.Row) bool {
		cause := ""
		if len(row.Causes) > 0 {
			cause = row.Causes[0].Kind
		}
		for _, d := range row.Measures {
			lines = append(lines, []string{string(row.Level), row.Model, row.Day, row.Key, row.Credential, d.Measure, d.Ours, d.Theirs, d.Diff, d.Percent, string(d.Verdict), cause})
		}
		return true
	})
	if err := w.WriteAll(lines); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// Reconcile compares what was recorded with what a provider says.
func (c *Client) Reconcile(ctx context.Context, q ReconcileRequest) (reconcile.Report, error) {
	return do[reconcile.Report](ctx, c, http.MethodPost, at("reconcile"), nil, q)
}
