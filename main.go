// Command weir is a transparent LLM reverse proxy that meters and bills. This
// file is its composition root: which parts exist in this process, and in which
// order they start and stop.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/billing/pdf"
	banksim "github.com/weirhq/weir/billing/sandbox"
	billsql "github.com/weirhq/weir/billing/sqlstore"
	"github.com/weirhq/weir/billing/work"
	"github.com/weirhq/weir/config"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/alert"
	"github.com/weirhq/weir/metering/clock"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/journal"
	"github.com/weirhq/weir/metering/keyring"
	"github.com/weirhq/weir/metering/memory"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/fetch"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
	"github.com/weirhq/weir/metering/pricebook/refresh"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
	"github.com/weirhq/weir/metering/redis"
	"github.com/weirhq/weir/metering/ship"
	"github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/api"
	"github.com/weirhq/weir/proxy/awssign"
	"github.com/weirhq/weir/proxy/console"
	"github.com/weirhq/weir/proxy/objects"
	"github.com/weirhq/weir/proxy/objects/deferred"
	deferredsql "github.com/weirhq/weir/proxy/objects/deferred/sqlstore"
	objectsql "github.com/weirhq/weir/proxy/objects/sqlstore"
	"github.com/weirhq/weir/proxy/page"
	"github.com/weirhq/weir/proxy/portal"
	"github.com/weirhq/weir/proxy/proxytest"
)

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Serve: the data plane, the console and the admin API."`
	Sandbox sandboxCmd `cmd:"" help:"Everything in one process with nothing installed: a simulated provider, a demo customer and its key."`
	Check   checkCmd   `cmd:"" help:"Validate the configuration: every problem at once, with its path."`

	api.Commands `embed:""`
}

func main() {
	if os.Getenv("GOGC") == "" {
		// What is live is small and what a call leaves is garbage at once: half the
		// collections for memory that is not missed.
		debug.SetGCPercent(200)
	}
	if runtime.GOMAXPROCS(0) == 1 && os.Getenv("GOMAXPROCS") == "" {
		// A goroutine that waits for the disk keeps its share of the scheduler until
		// the runtime's monitor takes it away, up to 10 ms later. Of a single processor
		// there is a single share, and every call would wait along with the journal.
		runtime.GOMAXPROCS(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal drains; a second one kills as it would without us.
	context.AfterFunc(ctx, stop)
	os.Exit(api.Run(ctx, api.SystemEnv(), &cli{}, os.Args[1:]))
}

// checkCmd is `weir check`.
type checkCmd struct {
	Config string `help:"Configuration file; without one, the defaults are checked." placeholder:"FILE"`
}

// Run prints every warning; any problem is the error, and exit status 1.
func (c checkCmd) Run(env *api.Env) error {
	conf, err := config.Load(c.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	for _, w := range conf.Warnings() {
		fmt.Fprintln(env.Stdout, "warning:", w)
	}
	var errs []error
	for _, t := range conf.Targets() {
		if _, err := upstream(t); err != nil {
			errs = append(errs, err)
		}
	}
	if _, err := compared(conf.Reconcile); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintln(env.Stdout, "the configuration is valid")
	return nil
}

// serveCmd is `weir serve`.
type serveCmd struct {
	Config string `help:"Configuration file. Without one /v1 goes to OpenAI with OPENAI_API_KEY." placeholder:"FILE"`
	Data   string `help:"Data directory, instead of the configured one." placeholder:"DIR"`
	Listen string `help:"Address of the data plane, instead of the configured one." placeholder:"ADDR"`
}

// Run serves until a signal, or until this process must not go on.
func (c serveCmd) Run(ctx context.Context, env *api.Env) error {
	conf, err := config.Load(c.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	if c.Data != "" {
		conf.Data = c.Data
	}
	if c.Listen != "" {
		conf.Listen = c.Listen
	}
	log := conf.Log.Logger(env.Stderr)
	for _, w := range conf.Warnings() {
		log.Warn("configuration: " + w.String())
	}
	return serve(ctx, conf, log, env.Stdout, nil)
}

// sandboxCmd is `weir sandbox`.
type sandboxCmd struct {
	Data     string `help:"Data directory. Default: ./weir-sandbox." placeholder:"DIR" default:"./weir-sandbox"`
	Database string `help:"Keep everything in this PostgreSQL instead of the data directory." placeholder:"URL"`
	Redis    string `help:"Count in this Redis instead of the process." placeholder:"URL"`
}

// Run serves the sandbox until a signal.
func (c sandboxCmd) Run(ctx context.Context, env *api.Env) error {
	provider, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the simulated provider: %w", err)
	}
	s := &sandbox{url: "http://" + provider.Addr().String(), key: "sk-simulator"}
	simulator := proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{s.key}, Pace: 15 * time.Millisecond})
	served := make(chan error, 1)
	go func() { served <- simulator.Serve(provider) }()

	conf := config.Default()
	conf.Data, conf.Log.Level = c.Data, "warn"
	conf.Database, conf.Redis = config.NewSecret(c.Database), config.NewSecret(c.Redis)
	conf.Upstreams = make(map[string]config.Upstream)
	for _, name := range []string{"openai", "anthropic", "gemini"} {
		u := config.Default().Upstreams["openai"]
		u.BaseURL, u.Default, u.Test = s.url, name == "openai", true
		u.Credentials = []config.Credential{{Key: config.NewSecret(s.key)}}
		conf.Upstreams[name] = u
	}
	err = serve(ctx, conf, conf.Log.Logger(env.Stderr), env.Stdout, s)
	return errors.Join(err, simulator.Close(), <-served)
}

// sandbox is what a sandbox has beside a server. nil: this is none.
type sandbox struct {
	url, key string // of the simulated provider
	demo     string // key of the demo customer
	card     string // what its card is called
	login    string // one-use link to the console
	clock    *clock.Clock
	bank     *banksim.Provider
}

// demoCard is a card that succeeds.
func (b *sandbox) demoCard(_ context.Context, customer string) (billing.PaymentMethod, error) {
	return b.bank.SetupDirect(customer, "4242 4242 4242 4242")
}

// parts are what exists in a serving process.
type parts struct {
	conf    config.Config
	log     *slog.Logger
	journal *journal.Journal
	now     func() time.Time // the time that usage and bills are in; a sandbox can move it
	store   *sqlstore.Store
	bills   *billsql.Store
	biller  *invoicing.Biller
	bank    billing.Provider // nil: nobody charges
	worker  *work.Worker
	shared  *redis.Counter // nil: counters live in this process
	counter metering.Counter
	ring    *keyring.Ring
	prices  *refresh.Refresher
	feed    *pricesync.Syncer // nil: no catalogue is followed
	rerater *rerate.Rerater
	again   *rerate.Worker // prices again what had no certain cost
	alerts  metering.Alerts
	watch   *alert.Watch    // raises what only a look at the usage can tell
	nights  *nightly.Worker // nil: days are compared with providers only when somebody asks
	// exactness is how exact each provider has to agree where nobody says.
	exactness map[string]reconcile.Options
	shipper   *ship.Shipper
	objects   *objects.Registry
	// follower finds out what batches and background responses used.
	follower *deferred.Worker
	plane    *proxy.Server
	console  *http.Server
}

// serve is the life of a serving process: start in order, run, stop in the
// opposite order. Nothing is accepted before everything that records it is there.
func serve(ctx context.Context, conf config.Config, log *slog.Logger, out io.Writer, box *sandbox) (err error) {
	if err := os.MkdirAll(conf.Data, 0o700); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	p := &parts{conf: conf, log: log}
	defer func() { err = errors.Join(err, p.close()) }()
	if err := p.open(ctx, box); err != nil {
		return err
	}
	public, err := api.Listen(conf.Listen, box != nil)
	if err != nil {
		return fmt.Errorf("listen for the data plane: %w", err)
	}
	private, err := api.Listen(conf.Console.Listen, box != nil)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for the console: %w", err), public.Close())
	}
	if err := p.build(ctx, box, api.Reachable(public), api.Reachable(private)); err != nil {
		return errors.Join(err, public.Close(), private.Close())
	}
	return p.run(ctx, box, public, private, out)
}

// open opens what lasts: database, clock, journal, counters, keys, prices.
func (p *parts) open(ctx context.Context, box *sandbox) error {
	database := p.conf.Database.Reveal()
	if database == "" {
		file, err := filepath.Abs(filepath.Join(p.conf.Data, "weir.db"))
		if err != nil {
			return fmt.Errorf("data directory: %w", err)
		}
		database = "sqlite:" + file
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var err error
	if p.store, err = sqlstore.Open(ctx, database); err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	p.bills = billsql.New(p.store.DB())
	p.now = time.Now
	if box != nil {
		if box.clock, err = clock.Open(ctx, p.bills, time.Now); err != nil {
			return err
		}
		p.now = box.clock.Now
	}
	dir := p.conf.Journal.Dir
	if dir == "" {
		dir = filepath.Join(p.conf.Data, "journal")
	}
	if p.journal, err = journal.Open(dir, journal.Options{Sync: time.Duration(p.conf.Journal.Sync), Now: p.now, Logger: p.log}); err != nil {
		return err
	}
	if p.conf.Redis.IsZero() {
		p.counter = memory.New(memory.Options{Now: p.now})
	} else {
		if p.shared, err = redis.Open(ctx, p.conf.Redis.Reveal(), redis.Options{Logger: p.log}); err != nil {
			return fmt.Errorf("open Redis: %w", err)
		}
		p.counter = p.shared
	}
	p.ring = keyring.New(p.store, keyring.Options{MaxStale: p.conf.Keys.MaxStale, Now: p.now, Logger: p.log})
	if err := p.ring.Load(ctx); err != nil {
		return fmt.Errorf("read proxy keys from the database: %w", err)
	}
	layers, err := pricebook.Embedded()
	if err != nil {
		return err
	}
	p.prices, err = refresh.Open(ctx, refresh.Options{
		Org: metering.DefaultOrg, Shipped: layers, Store: p.store, File: p.conf.Pricebook.File, Changed: func(*pricebook.Book) { p.again.Notice() }, Now: p.now, Logger: p.log,
	})
	if err != nil {
		return err
	}
	if p.conf.Pricebook.Sync.Enabled {
		if p.feed, err = feed(p.conf.Pricebook.Sync, p.store, layers, p.log); err != nil {
			return err
		}
	}
	p.alerts = alert.NewBoard(p.store, p.now, p.log)
	p.rerater = rerate.New(rerate.Options{
		Store: p.store, Book: p.prices.Shelf().Book,
		Complete: func(ctx context.Context) (metering.Micros, error) { return rerate.Complete(ctx, p.store, p.now()) },
	})
	p.again = rerate.NewWorker(p.rerater, metering.DefaultOrg, p.now, p.log)
	p.shipper = ship.New(p.journal, p.store, p.counter, p.prices.Shelf(), ship.Options{Now: p.now, Logger: p.log})
	return p.shipper.Claim(ctx)
}

// close gives back what open took, in the opposite order.
func (p *parts) close() error {
	var errs []error
	if closer, ok := p.bank.(io.Closer); ok {
		errs = append(errs, closer.Close())
	}
	if p.shared != nil {
		errs = append(errs, p.shared.Close())
	}
	if p.store != nil {
		errs = append(errs, p.store.Close())
	}
	if p.journal != nil {
		errs = append(errs, p.journal.Close())
	}
	return errors.Join(errs...)
}

// build makes what answers requests.
func (p *parts) build(ctx context.Context, box *sandbox, public, private string) error {
	site := private // where people reach the pages
	if p.conf.Console.URL != "" {
		site = strings.TrimSuffix(p.conf.Console.URL, "/")
	}
	if err := p.bill(box, site); err != nil {
		return err
	}
	if _, err := api.EnsureToken(ctx, p.store, p.conf.Data, metering.DefaultOrg, keyring.MintToken, p.now()); err != nil {
		return err
	}
	if err := p.furnish(ctx, box); err != nil {
		return err
	}
	targets := p.conf.Targets()
	if err := p.forward(ctx, targets); err != nil {
		return fmt.Errorf("data plane: %w", err)
	}
	options := p.adminOptions(box, targets, public, site)
	if err := p.show(options, box, site); err != nil {
		return err
	}
	r := api.Runtime{Proxy: public, Console: private, PID: os.Getpid()}
	if box != nil {
		var err error
		if box.login, _, err = options.ConsoleLink(ctx, metering.DefaultOrg); err != nil {
			return err
		}
		r.Key, r.Simulator, r.SimulatorKey = box.demo, box.url, box.key
	}
	return api.WriteRuntime(p.conf.Data, r)
}

// bill makes what computes and charges invoices. Only a sandbox has somebody who
// charges.
func (p *parts) bill(box *sandbox, site string) (err error) {
	if box != nil {
		if box.bank, err = banksim.New(banksim.Options{Path: filepath.Join(p.conf.Data, "payments.jsonl"), BaseURL: site, Now: p.now, Logger: p.log}); err != nil {
			return err
		}
		p.bank = box.bank
	}
	p.biller = invoicing.New(p.bills, p.store)
	p.worker = work.New(work.Options{
		Store: p.bills, Drafter: p.biller, Journals: p.store, Provider: p.bank, Holder: p.journal.ID(), Now: p.now,
		MaxWait: p.conf.Close.MaxWait, Logger: p.log,
	})
	p.watch = alert.NewWatch(alert.Options{
		Org: metering.DefaultOrg, Store: p.store, Alerts: p.alerts, Unsure: p.store, Window: p.conf.Alerts.Window, Now: p.now, Logger: p.log,
		Lead: func(ctx context.Context) (bool, error) {
			_, leads, err := p.bills.Acquire(ctx, "alerts", p.journal.ID(), 10*time.Minute, time.Now())
			return leads, err
		},
		Losses: p.losses, Sources: p.store,
	})
	return p.reconcile()
}

// reconcile makes what compares every day with what providers say.
func (p *parts) reconcile() error {
	providers, err := compared(p.conf.Reconcile)
	if err != nil {
		return err
	}
	p.exactness = make(map[string]reconcile.Options)
	for _, x := range providers {
		p.exactness[x.Name] = x.Compare
	}
	if !p.conf.Reconcile.Nightly {
		return nil
	}
	for i := range providers {
		name := providers[i].Name
		providers[i].Fetch = func(ctx context.Context, from, to reconcile.Day, take func(costs bool, page []byte) error) error {
			return p.fetchReports(ctx, name, from, to, take)
		}
	}
	p.nights = nightly.New(nightly.Options{
		Org: metering.DefaultOrg, Providers: providers, Store: p.store, After: p.conf.Reconcile.After, Now: p.now, Logger: p.log,
		Lead: func(ctx context.Context) (bool, error) {
			_, leads, err := p.bills.Acquire(ctx, "reconcile", p.journal.ID(), nightly.Lease, time.Now())
			return leads, err
		},
		Complete: func(ctx context.Context) (metering.Micros, error) { return rerate.Complete(ctx, p.store, p.now()) },
	})
	return nil
}

// compared are the providers that are asked for their reports, by name, and how
// exact they have to agree. What is wrong with a key is said without it.
func compared(c config.Reconcile) (out []nightly.Provider, err error) {
	tolerance, err := reconcile.ParseTolerance(c.Tolerance)
	if err != nil {
		return nil, fmt.Errorf("reconcile.tolerance: %w", err)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(c.Providers)) {
		x := c.Providers[name]
		if err := fetch.CheckKey(name, x.AdminKey.Reveal()); err != nil {
			errs = append(errs, fmt.Errorf("reconcile.providers.%s.admin_key: %w", name, err))
		}
		out = append(out, nightly.Provider{Name: name, Compare: reconcile.Options{Tolerance: tolerance, Keys: x.Keys}})
	}
	return out, errors.Join(errs...)
}

// losses are the customers and models that earn less than is asked for.
func (p *parts) losses(ctx context.Context, from, to metering.Micros) ([]alert.Loss, error) {
	list, err := p.biller.BelowMargin(ctx, metering.DefaultOrg, from, to, p.conf.Alerts.Percent())
	out := make([]alert.Loss, 0, len(list))
	for _, b := range list {
		detail := fmt.Sprintf("within %s it earned %s USD and cost %s USD", p.conf.Alerts.Window, b.Revenue, b.Cost)
		if b.Percent != "" {
			detail += fmt.Sprintf(", a margin of %s %%", b.Percent)
		}
		if b.Unpriced > 0 {
			detail += fmt.Sprintf("; the cost of %d more calls is unknown", b.Unpriced)
		}
		out = append(out, alert.Loss{Subject: b.By + ":" + b.Group, Detail: detail})
	}
	return out, err
}

// furnish gives a sandbox its demo customer, with all that it has.
func (p *parts) furnish(ctx context.Context, box *sandbox) (err error) {
	if box == nil {
		return nil
	}
	if box.demo, err = api.EnsureDemo(ctx, p.store, p.conf.Data, metering.DefaultOrg, keyring.Mint, p.now()); err != nil {
		return err
	}
	if box.card, err = api.EnsureDemoBilling(ctx, p.store, p.bills, box.demoCard, metering.DefaultOrg, p.now()); err != nil {
		return err
	}
	if err := p.ring.Reload(ctx); err != nil {
		return fmt.Errorf("read proxy keys: %w", err)
	}
	return nil
}

// forward makes the data plane.
func (p *parts) forward(ctx context.Context, targets []config.Target) error {
	upstreams := make([]proxy.Upstream, 0, len(targets))
	for _, t := range targets {
		u, err := upstream(t)
		if err != nil {
			return err
		}
		if u.Observer, err = p.observer(ctx, t); err != nil {
			return err
		}
		upstreams = append(upstreams, u)
	}
	if err := p.ring.Reload(ctx); err != nil {
		return fmt.Errorf("read proxy keys: %w", err)
	}
	later := deferredsql.New(p.store.DB())
	p.objects = objects.New(objects.Options{
		Store: objectsql.New(p.store.DB()), Events: p.store, Deferrals: deferred.Registrar{Store: later, Now: p.now}, Now: p.now, Logger: p.log,
	})
	asked, err := accesses(upstreams, p.now)
	if err != nil {
		return err
	}
	if p.follower, err = deferred.New(deferred.Options{Store: later, Events: p.store, Pricer: p.prices.Shelf(), Provider: asked, Now: p.now, Logger: p.log}); err != nil {
		return err
	}
	p.plane, err = proxy.New(proxy.Options{
		Keyring: p.ring, Journal: p.journal, Upstreams: upstreams,
		Inspect: int64(p.conf.Limits.Inspect), MaxBody: int64(p.conf.Limits.Body),
		MaxHeader: int(p.conf.Limits.Header), MaxConns: p.conf.Limits.Conns,
		EventIDHeader: p.conf.EventIDHeader, Objects: p.objects, Now: p.now, Logger: p.log,
		Usage: func(ctx context.Context, who *metering.Principal) ([]byte, error) {
			return api.ShowMe(ctx, p.store, p.biller, who, p.now())
		},
	})
	return err
}

// accesses says how upstreams are asked what became of work that they do later:
// at each endpoint with each of its keys.
func accesses(list []proxy.Upstream, now func() time.Time) (deferred.Upstreams, error) {
	out := deferred.Upstreams{}
	for _, u := range list {
		places, err := proxy.Places(u)
		if err != nil {
			return nil, fmt.Errorf("upstream %s: %w", u.Name, err)
		}
		for _, p := range places {
			a := deferred.Access{BaseURL: p.BaseURL, Dialect: u.Dialect, Transport: p.Transport, Now: now}
			if len(p.Credentials) == 0 {
				out[u.Name] = append(out[u.Name], a)
			}
			for _, key := range p.Credentials {
				a.Header, a.Value = u.KeyHeader, strings.TrimSpace(u.KeyScheme+" "+key)
				out[u.Name] = append(out[u.Name], a)
			}
		}
	}
	return out, nil
}

// observer returns the key that stands for calls to an upstream that is only
// watched, "" for any other.
func (p *parts) observer(ctx context.Context, t config.Target) (string, error) {
	if t.Auth != config.AuthObserve {
		return "", nil
	}
	return api.EnsureKey(ctx, p.store, api.StandingKey{
		Org: metering.DefaultOrg, ExternalID: t.ObserveCustomer, Customer: "Observed calls", Name: "observe " + t.Name,
		Permits: []metering.Permit{metering.PermitAttribute, metering.PermitCreate, metering.PermitRaw},
		File:    filepath.Join(p.conf.Data, "observe-key-"+t.Name),
	}, keyring.Mint, p.now())
}

// show makes the console's listener: the admin API, the pages of operators and
// customers, and in a sandbox those of the payment provider.
func (p *parts) show(options api.Options, box *sandbox, site string) error {
	admin, err := api.New(options)
	if err != nil {
		return err
	}
	operators, err := console.New(p.consoleOptions(options, admin, site))
	if err != nil {
		return err
	}
	customers, err := portal.New(p.portalOptions(options.Proxy, site))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", admin)
	mux.Handle("GET /metrics", api.Metrics(p.sample))
	mux.Handle("GET /{$}", http.RedirectHandler(console.Base+"/", http.StatusSeeOther))
	for base, pages := range map[string]http.Handler{console.Base: operators, portal.Base: customers} {
		mux.Handle("GET "+base, http.RedirectHandler(base+"/", http.StatusSeeOther))
		mux.Handle(base+"/", pages)
	}
	mux.Handle("/assets/", page.Assets())
	if box != nil {
		cards, err := box.bank.Handler()
		if err != nil {
			return err
		}
		mux.Handle(banksim.Prefix, cards)
	}
	p.console = &http.Server{
		Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	return nil
}

// adminOptions connects the admin API with what it shows.
func (p *parts) adminOptions(box *sandbox, targets []config.Target, public, site string) api.Options {
	o := api.Options{
		Store: p.store, Ring: p.ring, MintKey: keyring.Mint, MintToken: keyring.MintToken,
		Journal: p.journal.ID(), Sync: p.shipper.Sync, Pricer: p.prices.Shelf(), Explain: p.explain, ExplainNow: p.explainNow,
		Prices: p.pricesAPI(), Alerts: p.store,
		Reconciliation: &api.Reconciliation{Store: p.store, Fetch: p.fetchReports, Defaults: p.exactness},
		Proxy:          public, Now: p.now, KeysLoaded: p.ring.Loaded, KeysMaxStale: p.conf.Keys.MaxStale, Logger: p.log,
		Upstreams: func() []api.Upstream { return p.fare(targets) },
		Probes:    p.probes(targets),
		Database: func(ctx context.Context) (api.Database, error) {
			h, err := p.store.Health(ctx)
			return api.Database{Engine: h.Engine, Schema: h.Schema, Bytes: h.Bytes, Ahead: h.Ahead, Trouble: h.Trouble}, err
		},
	}
	if p.shared != nil {
		o.Redis = p.shared.Ping
	}
	o.Billing = &api.Billing{Store: p.bills, Biller: p.biller, Worker: p.worker, Payments: p.bank}
	if box != nil {
		o.Clock = box.clock
	}
	o.SetPassword = func(ctx context.Context, org, email, password string) (metering.Admin, error) {
		hash, err := console.HashPassword(password)
		if err != nil {
			return metering.Admin{}, err
		}
		return p.store.SaveAdmin(ctx, metering.Admin{Org: org, Email: email, PasswordHash: hash, Created: metering.MicrosOf(time.Now())})
	}
	o.ConsoleLink = func(ctx context.Context, org string) (string, time.Time, error) {
		now := time.Now()
		secret, err := console.NewLink(ctx, p.store, org, linkTTL, now)
		return site + console.Base + "/login/" + secret, now.Add(linkTTL), err
	}
	o.PortalLink = func(ctx context.Context, org, customer string) (string, time.Time, error) {
		now := time.Now()
		secret, err := portal.NewLink(ctx, p.store, org, customer, linkTTL, now)
		return site + portal.Base + "/login/" + secret, now.Add(linkTTL), err
	}
	return o
}

// fetchReports asks a provider for its reports with the administrator's key of the
// configuration, else of the environment of this process.
func (p *parts) fetchReports(ctx context.Context, provider string, from, to reconcile.Day, take func(costs bool, page []byte) error) error {
	x := p.conf.Reconcile.Providers[provider]
	f := fetch.Fetcher{
		Provider: provider, Key: cmp.Or(x.AdminKey.Reveal(), os.Getenv(fetch.KeyVariable(provider))),
		BaseURL: cmp.Or(x.BaseURL, os.Getenv(strings.ToUpper(provider)+"_ADMIN_BASE_URL")),
		Client:  &http.Client{Timeout: time.Minute}, Wait: fetch.Sleep,
	}
	return f.Fetch(ctx, from, to, take)
}

// nightlyCheck looks at the comparisons that are made by themselves.
func (p *parts) nightlyCheck(ctx context.Context) api.Check {
	states, err := p.store.NightlyStates(ctx, metering.DefaultOrg)
	if err != nil {
		p.log.Error("doctor cannot measure", "check", "nightly reconcile", "error", err)
		return api.Check{Status: api.StatusFail, Measured: "cannot be measured", Remedy: "the log of the server says why"}
	}
	return api.CheckNightly(slices.Sorted(maps.Keys(p.conf.Reconcile.Providers)), states, p.conf.Reconcile.After, p.now())
}

// fare returns the upstreams and how they fare.
func (p *parts) fare(targets []config.Target) []api.Upstream {
	states := make(map[string]proxy.UpstreamState)
	for _, s := range p.plane.Upstreams() {
		states[s.Name] = s
	}
	out := make([]api.Upstream, 0, len(targets))
	for _, t := range targets {
		s := states[t.Name]
		u := api.Upstream{
			Name: t.Name, Preset: t.Preset.Name, Dialect: t.Dialect, Provider: t.Provider, BaseURL: t.BaseURL,
			Default: t.Default, Test: t.Test, ClientPath: t.ClientPath(), Fallback: t.Fallback, InUse: s.InUse, Waiting: s.Waiting,
		}
		for _, e := range s.Endpoints {
			shown := api.Endpoint{BaseURL: e.BaseURL, Region: e.Region, Weight: e.Weight, Health: fares(e.Health)}
			for _, c := range e.Credentials {
				shown.Credentials = append(shown.Credentials, api.Credential{Position: c.Position, Last4: c.Last4, Shared: c.Shared, Health: fares(c.Health)})
			}
			u.Endpoints = append(u.Endpoints, shown)
		}
		if u.BaseURL == "" && len(u.Endpoints) > 0 {
			u.BaseURL = u.Endpoints[0].BaseURL
		}
		out = append(out, u)
	}
	return out
}

func fares(h proxy.Health) api.Health {
	return api.NewHealth(h.Requests, h.Failures, h.Resting, h.LastError, h.LastErrorAt)
}

// probes are what doctor looks at beside its own checks.
func (p *parts) probes(targets []config.Target) []api.Probe {
	list := []api.Probe{
		{Name: "upstreams", Run: func(context.Context) api.Check { return api.CheckUpstreams(p.fare(targets)) }},
		{Name: "deferred usage", Run: p.deferredUsage},
		{Name: "pricing again", Run: func(context.Context) api.Check { return api.CheckRerate(p.again.Last()) }},
		{Name: "upstream TLS", Run: func(context.Context) api.Check {
			check := api.Check{Status: api.StatusOK, Measured: "certificates are verified"}
			for _, t := range targets {
				if t.TLS.InsecureSkipVerify {
					check.Status, check.Measured = api.StatusWarn, t.Name+" takes any certificate"
					check.Remedy = "whoever gets between reads its credential and all prompts: name its authority in tls.ca and remove insecure_skip_verify"
				}
			}
			return check
		}},
	}
	if p.nights != nil {
		list = append(list, api.Probe{Name: "nightly reconcile", Run: p.nightlyCheck})
	}
	return list
}

// deferredUsage looks at the batches and background responses that are followed.
func (p *parts) deferredUsage(ctx context.Context) api.Check {
	const stuck = 10 // answers in a row that said nothing, or none
	open, failing, err := deferredsql.New(p.store.DB()).Open(ctx, stuck)
	if err != nil {
		p.log.Error("doctor cannot measure", "check", "deferred usage", "error", err)
		return api.Check{Status: api.StatusFail, Measured: "cannot be measured", Remedy: "the log of the server says why"}
	}
	check := api.Check{Status: api.StatusOK, Measured: fmt.Sprintf("%d batches and background responses are followed", open)}
	if failing > 0 {
		check.Status = api.StatusWarn
		check.Measured += fmt.Sprintf(", %d of them without an answer for long", failing)
		check.Remedy = "their upstreams do not tell what became of them: look at the log, and whether upstreams were renamed or their keys replaced"
	}
	return check
}

// portalOptions connects the customers' pages.
func (p *parts) portalOptions(public, site string) portal.Options {
	return portal.Options{
		Store: p.store, Ring: p.ring, MintKey: keyring.Mint, Bills: p.bills, Biller: p.biller, Provider: p.bank, Pay: p.worker.Pay, PDF: p.print,
		Proxy: public, URL: p.conf.Console.URL, Secure: strings.HasPrefix(site, "https:"), Now: p.now, Logger: p.log,
	}
}

// print writes an invoice as PDF.
func (p *parts) print(w io.Writer, a billing.Account, payments []billing.Payment) error {
	return pdf.Invoice(w, a, pdf.Options{Issuer: pdf.Issuer{Name: p.conf.Invoice.Issuer, Lines: p.conf.Invoice.Address}, Payments: payments})
}

// linkTTL is for how long a link to sign in is good, if nobody uses it before.
const linkTTL = 15 * time.Minute

// consoleOptions connects the operator's pages with what the admin API shows.
func (p *parts) consoleOptions(a api.Options, admin *api.Server, site string) console.Options {
	o := console.Options{
		Store: p.store, Ring: p.ring, MintKey: keyring.Mint, Proxy: a.Proxy, Secure: strings.HasPrefix(site, "https:"), Now: p.now, Logger: p.log,
		Alerts:  p.store,
		Billing: &console.Billing{Store: p.bills, Biller: p.biller, Worker: p.worker, PDF: p.print},
		PortalLink: func(ctx context.Context, c metering.Customer) (string, error) {
			url, _, err := a.PortalLink(ctx, c.Org, c.ID)
			return url, err
		},
		Explain: func(ctx context.Context, e *metering.Event) ([]console.Line, error) {
			return pageLines(p.explain(ctx, e))
		},
		ExplainNow: func(ctx context.Context, e *metering.Event, corrections []*metering.Event) ([]console.Line, error) {
			return pageLines(p.explainNow(ctx, e, corrections))
		},
		Doctor: func(ctx context.Context, org string) []console.Check {
			var out []console.Check
			for _, c := range admin.Diagnose(ctx, org).Checks {
				out = append(out, console.Check{Name: c.Name, Status: string(c.Status), Measured: c.Measured, Remedy: c.Remedy})
			}
			return out
		},
		Upstreams: func() []console.Upstream {
			var out []console.Upstream
			for _, u := range a.Upstreams() {
				out = append(out, console.Upstream{Name: u.Name, BaseURL: a.Proxy + u.ClientPath, Default: u.Default, Test: u.Test})
			}
			return out
		},
	}
	return o
}

// feed makes what follows a catalogue of prices.
func feed(c config.PriceSync, store *sqlstore.Store, shipped []*catalogue.Layer, log *slog.Logger) (*pricesync.Syncer, error) {
	o := pricesync.Options{
		Org: metering.DefaultOrg, Main: pricesync.Source{URL: c.URL, Shape: pricesync.Shape(c.Shape)}, Every: c.Every,
		Jitter:  func(most time.Duration) time.Duration { return rand.N(most + 1) },
		Shipped: shipped, Store: store, Client: &http.Client{Timeout: time.Minute}, Logger: log,
	}
	for _, f := range c.Checkers {
		o.Checkers = append(o.Checkers, pricesync.Source{URL: f.URL, Shape: pricesync.Shape(f.Shape)})
	}
	return pricesync.New(o)
}

// pricesAPI is what the routes about prices work with.
func (p *parts) pricesAPI() *api.Prices {
	out := &api.Prices{Store: p.store, Books: p.prices, Rerate: p.rerater.Run}
	if p.feed != nil {
		out.Sync = func(ctx context.Context, dry bool) (api.PriceSync, error) {
			outcome, err := p.feed.Once(ctx, dry)
			if err == nil && !dry {
				if err := p.prices.Refresh(ctx); err != nil {
					return api.PriceSync{}, err
				}
			}
			return api.NewPriceSync(p.conf.Pricebook.Sync.URL, outcome, err, dry, p.prices.Shelf().Book().Version()), nil
		}
	}
	return out
}

func pageLines(lines []api.Line, err error) ([]console.Line, error) {
	out := make([]console.Line, 0, len(lines))
	for _, l := range lines {
		out = append(out, console.Line(l))
	}
	return out, err
}

// explain opens the cost of an event down to the prices that made it. One of a
// book that nobody kept has no lines.
func (p *parts) explain(ctx context.Context, e *metering.Event) ([]api.Line, error) {
	return shownLines(p.prices.Shelf().Explain(ctx, e))
}

// explainNow is explain of what an event costs after its corrections.
func (p *parts) explainNow(ctx context.Context, e *metering.Event, corrections []*metering.Event) ([]api.Line, error) {
	return shownLines(p.prices.Shelf().ExplainNow(ctx, e, corrections))
}

func shownLines(lines []pricebook.Line, err error) ([]api.Line, error) {
	if err != nil && !errors.Is(err, metering.ErrNotFound) {
		return nil, err
	}
	out := make([]api.Line, 0, len(lines))
	for _, l := range lines {
		out = append(out, api.Line{Item: l.Item, Quantity: l.Quantity.String(), Price: l.Price, Per: l.Per, Multiply: l.Multiply, Rate: l.Rate, Amount: l.Amount})
	}
	return out, nil
}

// sample is what /metrics shows now.
func (p *parts) sample() api.Sample {
	calls, log, shipping := p.plane.Stats(), p.journal.Status(), p.shipper.Status()
	return api.Sample{
		Open: calls.Open, Calls: calls.Calls, Refused: calls.Refused, Losses: calls.Losses, Panics: calls.Panics,
		Unwritten: int64(log.Parked), Lag: shipping.Lag, WriteFaults: log.Faults.Writes, SyncFaults: log.Faults.Syncs,
		Lost: log.Faults.Lost, Bytes: log.Bytes, ShipFailing: shipping.Failure != nil, Behind: int64(shipping.Dirty),
		Upstreams: p.fare(p.conf.Targets()), Alerts: p.openAlerts(), Nightly: p.nightlyStates(), Stated: p.statedToday(),
	}
}

// nightlyStates are how the nightly comparisons went; nil where there are none, or
// the database does not answer.
func (p *parts) nightlyStates() []nightly.State {
	if p.nights == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	states, err := p.store.NightlyStates(ctx, metering.DefaultOrg)
	if err != nil {
		p.log.Warn("nightly comparisons are not in /metrics", "error", err)
		return nil
	}
	return slices.DeleteFunc(states, func(s nightly.State) bool { // what is no longer configured grows old for ever
		_, asked := p.conf.Reconcile.Providers[s.Provider]
		return !asked
	})
}

// openAlerts counts open alerts; nil while the database does not answer.
func (p *parts) openAlerts() map[metering.AlertKind]int64 {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	counts, err := p.store.AlertCounts(ctx, metering.DefaultOrg)
	if err != nil {
		p.log.Warn("alerts are not in /metrics", "error", err)
		return nil
	}
	return counts
}

// statedToday compares what providers state of the calls of the last day with the
// price book; nil while the database does not answer.
func (p *parts) statedToday() *metering.StatedSums {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	rows, err := p.store.StatedCosts(ctx, metering.StatedQuery{Org: metering.DefaultOrg, From: metering.MicrosOf(p.now().Add(-24 * time.Hour))})
	if err != nil {
		p.log.Warn("stated costs are not in /metrics", "error", err)
		return nil
	}
	sum := new(metering.StatedSums)
	for i := range rows {
		sum.Add(&rows[i].StatedSums)
	}
	return sum
}

// upstream turns a configured one into what the data plane forwards to.
func upstream(t config.Target) (proxy.Upstream, error) {
	speaks, err := speaking(t)
	if err != nil {
		return proxy.Upstream{}, fmt.Errorf("upstream %s: %w", t.Name, err)
	}
	u := proxy.Upstream{
		Name: t.Name, Provider: t.Provider, Dialect: speaks, BaseURL: t.BaseURL,
		KeyHeader: t.Preset.Header, KeyScheme: t.Preset.Scheme,
		ClientAuth: t.Auth != config.AuthWeir, Default: t.Default, Test: t.Test,
		Connect: t.Timeouts.Connect, Header: t.Timeouts.Header, Idle: t.Timeouts.Idle, Total: t.Timeouts.Total,
		EventName: t.Event, IncludeUsage: t.IncludeUsage, MissingUsage: metering.MissingPolicy(t.MissingUsage), Cost: metering.CostPolicy(t.Cost),
		Drain: t.Drain, DrainTime: t.DrainLimit.Time, DrainBytes: int64(t.DrainLimit.Bytes), MaxConns: t.MaxConns, Queue: t.Queue, ForwardProxy: t.Proxy.Reveal(),
		Fallback: t.Fallback, AllowPrivate: t.Private(), Models: proxy.Models(t.Models), Operations: t.Operations,
		Retry: proxy.Retry{
			Attempts: t.Retry.Attempts, On: t.Retry.Statuses(), Timeout: t.Retry.Timeout(), Reset: t.Retry.Reset(),
			Within: t.Retry.Within, Wait: t.Retry.Wait,
		},
	}
	if u.Queue == 0 {
		u.Queue = -1 // the data plane takes 0 for its default
	}
	u.Credentials, u.Weights = shares(t.Credentials)
	for _, e := range t.Endpoints {
		out := proxy.Endpoint{BaseURL: e.BaseURL, Weight: share(e.Weight), Region: e.Region}
		out.Credentials, out.Weights = shares(e.Credentials)
		u.Endpoints = append(u.Endpoints, out)
	}
	if u.TLS, err = trust(t.TLS); err != nil {
		return proxy.Upstream{}, fmt.Errorf("upstream %s: tls: %w", t.Name, err)
	}
	if t.Sign.Set() {
		if u.Signer, err = signer(t.Sign); err != nil {
			return proxy.Upstream{}, fmt.Errorf("upstream %s: %w", t.Name, err)
		}
	}
	return u, nil
}

// signer returns what signs the calls of an upstream.
func signer(s config.Sign) (proxy.Signer, error) {
	return awssign.New(awssign.Options{
		Service: s.Service, Region: s.Region,
		AccessKeyID: s.AccessKeyID.Reveal(), SecretAccessKey: s.SecretAccessKey.Reveal(), SessionToken: s.SessionToken.Reveal(),
	})
}

// shares splits credentials into keys and their weights.
func shares(list []config.Credential) (keys []string, weights []int) {
	for _, c := range list {
		keys, weights = append(keys, c.Key.Reveal()), append(weights, share(c.Weight))
	}
	return keys, weights
}

func share(weight *int) int {
	if weight == nil {
		return 1
	}
	return *weight
}

// trust reads how an upstream is spoken to; nil is the usual way.
func trust(t config.TLS) (*proxy.TLS, error) {
	if t == (config.TLS{}) {
		return nil, nil
	}
	files, err := t.Read()
	if err != nil {
		return nil, err
	}
	out := &proxy.TLS{CA: files.CA, Cert: files.Cert, Key: files.Key, ServerName: t.ServerName, SkipVerify: t.InsecureSkipVerify}
	if t.MinVersion == "1.3" {
		out.MinVersion = tls.VersionTLS13
	}
	return out, nil
}

// speaking returns the dialect of an upstream.
func speaking(t config.Target) (dialect.Dialect, error) {
	if t.Dialect != "custom" {
		d, ok := dialect.Named(t.Dialect)
		if !ok {
			return nil, fmt.Errorf("dialect %q is not built in", t.Dialect)
		}
		return d, nil
	}
	spec := dialect.CustomSpec{Model: t.ModelPath}
	for _, q := range t.Quantities {
		spec.Quantities = append(spec.Quantities, dialect.CustomQuantity(q))
	}
	for _, r := range t.Routes {
		spec.Routes = append(spec.Routes, dialect.CustomRoute(r))
	}
	return dialect.Custom(spec)
}

// pricesEvery is how long a change of prices takes to reach this process.
const pricesEvery = 2 * time.Second

// run serves until ctx ends or a part cannot go on, and then stops: first no
// new calls, then the open ones, then what they left is shipped.
func (p *parts) run(ctx context.Context, box *sandbox, public, private net.Listener, out io.Writer) error {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	shipped, ringed, worked, owned, followed := make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1), make(chan error, 1)
	planed, consoled := make(chan error, 1), make(chan error, 1)
	go func() { shipped <- p.shipper.Run(background) }()
	go func() { ringed <- p.ring.Run(background) }()
	go func() { worked <- p.worker.Run(background) }()
	go func() { owned <- p.objects.Run(background) }()
	go func() { followed <- p.follower.Run(background) }()
	var refreshed sync.WaitGroup
	refreshed.Go(func() { p.prices.Run(background, pricesEvery) })
	refreshed.Go(func() { p.again.Run(background) })
	refreshed.Go(func() { p.watch.Run(background) })
	if p.nights != nil {
		refreshed.Go(func() { p.nights.Run(background) })
	}
	if p.feed != nil {
		refreshed.Go(func() { p.feed.Run(background) })
	}
	go func() { planed <- p.plane.Serve(public) }()
	go func() { consoled <- p.console.Serve(private) }()
	fmt.Fprintf(out, "weir ready proxy=%s console=%s data=%s\n", api.Reachable(public), api.Reachable(private), p.conf.Data)
	if box != nil {
		api.Greeting{Proxy: api.Reachable(public), Key: box.demo, Data: p.conf.Data, Card: box.card, Login: box.login}.Print(out)
	}

	var cause error
	select {
	case <-ctx.Done():
	case cause = <-shipped:
		shipped <- cause
	case cause = <-planed:
		planed <- cause
	case cause = <-consoled:
		consoled <- cause
	}
	if errors.Is(cause, metering.ErrFenced) {
		cause = fmt.Errorf("the journal was taken over by another process, which has this directory's journal in use: %w", cause)
	}
	p.log.Info("stopping", "open_calls", p.plane.Stats().Open, "at_most", p.conf.Drain)
	drain, cancel := context.WithTimeout(background, p.conf.Drain)
	defer cancel()
	errs := []error{cause, p.plane.Drain(drain), ignore(<-planed, cause)}
	closing, cancel := context.WithTimeout(background, 5*time.Second)
	defer cancel()
	errs = append(errs, p.console.Shutdown(closing), ignore(<-consoled, http.ErrServerClosed, cause))
	stop()
	refreshed.Wait()
	errs = append(errs, ignore(<-shipped, cause), ignore(<-ringed, context.Canceled), ignore(<-worked, context.Canceled), ignore(<-owned, context.Canceled), ignore(<-followed, context.Canceled))
	return errors.Join(append(errs, api.RemoveRuntime(p.conf.Data, os.Getpid()))...)
}

// ignore drops errors that are expected or told already.
func ignore(err error, known ...error) error {
	for _, k := range known {
		if k != nil && errors.Is(err, k) {
			return nil
		}
	}
	return err
}
