// Package config reads the configuration file. Its structs are the manual:
// every field says what it does, its unit and its default.
//
// The package knows nothing of the rest of the program. It turns a file and the
// environment into a [Config], or into the list of everything that is wrong
// with them, each with its path, and it never prints a secret.
package config

import "time"

// Config is the whole configuration, one YAML file. Every field may be left
// out; [Default] is what then holds.
//
// In every string, ${NAME} stands for an environment variable and it is an
// error if that is not set; ${NAME:-default} stands for the default where the
// variable is unset or empty; ${file:/run/secrets/x} stands for the content of
// a file without its last line end; $${ stands for the two characters ${.
//
// Durations are written 5ms, 30s, 10m or 2h; sizes are bytes, or 64KiB, 1MiB,
// 10MB. Where zero means "no limit" the field says so.
type Config struct {
	// Listen is the address of the data plane, host:port. Default
	// 127.0.0.1:8080; port 0 takes a free one. The variable WEIR_LISTEN overrides
	// the file; PORT (all interfaces) counts where neither names an address.
	Listen string `yaml:"listen"`

	// Console is the operator's side: pages, admin API and /metrics.
	Console Console `yaml:"console"`

	// Data is the directory of the journal and, where no database is named, of
	// the SQLite file. Default ./weir-data. It must be on a disk that survives a
	// restart.
	Data string `yaml:"data"`

	// Redis is the URL of the counters that all replicas share, redis:// or
	// rediss://. Empty, the default: counters live in this process, which is
	// right for one replica. REDIS_URL counts where the file has no such line.
	Redis Secret `yaml:"redis"`

	// Database is the URL of the database, postgres:// or sqlite:/path. Empty,
	// the default: SQLite in Data. DATABASE_URL counts where the file has no such
	// line.
	Database Secret `yaml:"database"`

	// Upstreams are the providers by name. The name is the first segment of the
	// client's path, /openai/v1/…, and is lower case. Default: openai alone, with
	// the key in OPENAI_API_KEY.
	Upstreams map[string]Upstream `yaml:"upstreams"`

	// Limits bound what one request may occupy.
	Limits Limits `yaml:"limits"`

	// Journal is the local log that makes a crash harmless.
	Journal Journal `yaml:"journal"`

	// Keys is how proxy keys are held in memory.
	Keys Keys `yaml:"keys"`

	// Pricebook is what is known of providers' prices.
	Pricebook Pricebook `yaml:"pricebook"`

	// Alerts is what people are told of by themselves.
	Alerts Alerts `yaml:"alerts"`

	// Reconcile is how what was recorded is compared with what providers say.
	Reconcile Reconcile `yaml:"reconcile"`

	// Invoice is what invoices say of whoever issues them.
	Invoice Invoice `yaml:"invoice"`

	// Close is how billing periods are closed.
	Close Close `yaml:"close"`

	// Drain is how long open calls may run on after SIGTERM before they are cut.
	// Default 30s; keep it below the grace period of whatever stops the process.
	Drain time.Duration `yaml:"drain"`

	// Log is where and how the program says what it does.
	Log Log `yaml:"log"`

	// EventIDHeader says whether answers carry X-Weir-Event-Id. Default true.
	EventIDHeader bool `yaml:"event_id_header"`
}

// Console configures the operator's listener.
type Console struct {
	// Listen is its address, host:port. Default 127.0.0.1:8081. It speaks plain
	// HTTP: put TLS in front of it before it leaves the machine.
	Listen string `yaml:"listen"`

	// URL is where people reach it, such as https://weir.example.com: what links
	// to the console and the portal begin with. Default: its own address.
	URL string `yaml:"url"`
}

// Invoice configures what invoices say of whoever issues them.
type Invoice struct {
	// Issuer is the name at the head of an invoice. Default: none.
	Issuer string `yaml:"issuer"`

	// Address is what stands below it, a line each: address, tax number, contact.
	Address []string `yaml:"address"`
}

// Close configures how billing periods are closed.
type Close struct {
	// MaxWait is for how long a period waits for a replica that says nothing. Then
	// its journal is declared lost, and what it ships later becomes an adjustment
	// on the next invoice. Default 24h.
	MaxWait time.Duration `yaml:"max_wait"`
}

// Limits bound what one request may occupy, in bytes.
type Limits struct {
	// Inspect is how much of a request body is held in memory to read the model
	// and the output cap. A larger body streams through; what needs the whole
	// body (the splice of include_usage) is then off. Default 1MiB.
	Inspect Size `yaml:"inspect"`

	// Body is the largest request body; above it the answer is 413. Default
	// 512MiB, 0: no limit.
	Body Size `yaml:"body"`

	// Header is the largest request head, line and fields together; above it the
	// answer is 431. It is also memory per open connection. Default 32KiB.
	Header Size `yaml:"header"`

	// Conns is how many client connections may be open at once. Default 20000.
	Conns int `yaml:"conns"`
}

// Journal configures the local log of calls.
type Journal struct {
	// Dir is its directory. Default: journal in [Config.Data].
	Dir string `yaml:"dir"`

	// Sync is how often what was written is forced to the disk, which bounds what
	// power loss can lose; killing the process loses nothing either way. Default
	// 5ms; "always" forces it before an answer ends.
	Sync Sync `yaml:"sync"`
}

// Keys configures the snapshot of proxy keys.
type Keys struct {
	// MaxStale is for how long the snapshot is trusted while the database cannot
	// be reached. After it every call is refused with 503. Default 10m.
	MaxStale time.Duration `yaml:"max_stale"`
}

// Log configures the program's own log, which goes to standard error. It never
// holds keys, prompts or answers.
type Log struct {
	// Level is the least severe level that is written: debug, info, warn or
	// error. Default info.
	Level string `yaml:"level"`

	// Format is text or json. Default text.
	Format string `yaml:"format"`
}

// Default returns the configuration that holds where a file says nothing. Its
// one upstream has no credential yet: [Load] takes it from OPENAI_API_KEY.
func Default() Config {
	c := base()
	openai := Upstream{Default: true}
	openai.setDefaults()
	c.Upstreams = map[string]Upstream{"openai": openai}
	return c
}

// base is Default without upstreams: a file that names upstreams has only those.
func base() Config {
	return Config{
		Listen:        "127.0.0.1:8080",
		Console:       Console{Listen: "127.0.0.1:8081"},
		Data:          "./weir-data",
		Limits:        Limits{Inspect: 1 << 20, Body: 512 << 20, Header: 32 << 10, Conns: 20_000},
		Journal:       Journal{Sync: Sync(5 * time.Millisecond)},
		Keys:          Keys{MaxStale: 10 * time.Minute},
		Pricebook:     Pricebook{Sync: defaultPriceSync()},
		Alerts:        defaultAlerts(),
		Reconcile:     defaultReconcile(),
		Close:         Close{MaxWait: 24 * time.Hour},
		Drain:         30 * time.Second,
		Log:           Log{Level: "info", Format: "text"},
		EventIDHeader: true,
	}
}
