package config_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/config"
)

// env looks variables up in a map.
type env map[string]string

func (e env) lookup(name string) (string, bool) {
	v, ok := e[name]
	return v, ok
}

// load loads a configuration from text.
func load(t *testing.T, text string, e env) (config.Config, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Load(file, e.lookup)
}

// mustLoad loads a configuration that has no problem.
func mustLoad(t *testing.T, text string, e env) config.Config {
	t.Helper()
	c, err := load(t, text, e)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problems loads a configuration and returns its problems as text.
func problems(t *testing.T, text string, e env) []string {
	t.Helper()
	_, err := load(t, text, e)
	if err == nil {
		return nil
	}
	var all *config.Error
	if !errors.As(err, &all) {
		t.Fatalf("not a *config.Error: %v", err)
	}
	out := make([]string, 0, len(all.Problems))
	for _, p := range all.Problems {
		out = append(out, p.String())
	}
	return out
}

const key = "sk-upstream"

// one is the least configuration, to which a test adds.
const one = "upstreams: {openai: {credentials: [{key: sk-upstream}]}}\n"

func TestLoad_NoFileIsOpenAI(t *testing.T) {
	t.Parallel()
	c, err := config.Load("", env{"OPENAI_API_KEY": key}.lookup)
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	openai := want.Upstreams["openai"]
	openai.Credentials = []config.Credential{{Key: config.NewSecret(key)}}
	want.Upstreams["openai"] = openai
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("differs from the default (-want +got):\n%s", diff)
	}
	targets := c.Targets()
	if len(targets) != 1 {
		t.Fatalf("%d targets, want one", len(targets))
	}
	got := targets[0]
	if !got.Default || got.BaseURL != "https://api.openai.com" || got.Dialect != "openai" || got.Provider != "openai" ||
		got.Preset.Header != "Authorization" || got.Preset.Scheme != "Bearer" || got.IncludeUsage != config.UsageSplice ||
		got.Credentials[0].Key.Reveal() != key {
		t.Errorf("the target is %+v", got)
	}
}

func TestLoad_NoFileAndNoKey(t *testing.T) {
	t.Parallel()
	_, err := config.Load("", env{}.lookup)
	if err == nil || !strings.Contains(err.Error(), "upstreams.openai.credentials: ") || !strings.Contains(err.Error(), "OPENAI_API_KEY") {
		t.Errorf("got %v, want a problem that names OPENAI_API_KEY", err)
	}
	if n := strings.Count(err.Error(), "credentials"); n != 1 {
		t.Errorf("the missing key is reported %d times: %v", n, err)
	}
}

func TestLoad_FileWithoutUpstreamsIsOpenAI(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "listen: 127.0.0.1:9000\n"} {
		c := mustLoad(t, text, env{"OPENAI_API_KEY": key})
		if got := c.Upstreams["openai"].Credentials[0].Key.Reveal(); got != key {
			t.Errorf("%q: the key is %q", text, got)
		}
	}
}

func TestLoad_MissingFile(t *testing.T) {
	t.Parallel()
	_, err := config.Load(filepath.Join(t.TempDir(), "absent.yaml"), env{}.lookup)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want a file that does not exist", err)
	}
}

func TestLoad_EveryField(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, `
listen: 0.0.0.0:80
console: {listen: "127.0.0.1:81", url: https://weir.example.com}
data: /var/lib/weir
redis: redis://user:pw@cache:6379/2
database: postgres://weir:pw@db/weir
upstreams:
  azure:
    base_url: https://x.openai.azure.com/
    dialect: openai
    provider: mine
    credentials: [{key: a}, {key: b}]
    auth: weir
    default: true
    test: true
    timeouts: {connect: 1s, header: 2m, idle: 3h, total: 0}
    include_usage: refuse
    missing_usage: hold
    cost: stated
    drain_limit: {time: 1m, bytes: 1KiB}
    drain: true
    max_conns: 7
    queue: 11
    proxy: http://user:pw@proxy:3128
limits: {inspect: 64KiB, body: 10MB, header: 65536, conns: 9}
journal: {dir: /j, sync: always}
keys: {max_stale: 90s}
invoice: {issuer: Acme Ltd, address: [1 Mill Lane, Weirton]}
pricebook:
  file: /p.yaml
  sync:
    enabled: true
    url: https://prices.example/x
    shape: litellm
    every: 3h
    checkers: [{url: "https://prices.example/y", shape: genai-prices}]
alerts: {margin_percent: "12.5", window: 48h}
reconcile:
  nightly: true
  after: 8h
  tolerance: 0.5%
  providers:
    anthropic: {admin_key: "${ADMIN}", base_url: "https://admin.example", keys: {apikey_1: wxyz, apikey_2: "-"}}
close: {max_wait: 6h}
drain: 5s
log: {level: debug, format: json}
event_id_header: false
`, env{"ADMIN": "sk-ant-admin01-x"})
	want := config.Config{
		Listen:   "0.0.0.0:80",
		Console:  config.Console{Listen: "127.0.0.1:81", URL: "https://weir.example.com"},
		Data:     "/var/lib/weir",
		Redis:    config.NewSecret("redis://user:pw@cache:6379/2"),
		Database: config.NewSecret("postgres://weir:pw@db/weir"),
		Upstreams: map[string]config.Upstream{"azure": {
			BaseURL: "https://x.openai.azure.com/", Dialect: "openai", Provider: "mine",
			Credentials: []config.Credential{{Key: config.NewSecret("a")}, {Key: config.NewSecret("b")}},
			Auth:        config.AuthWeir, Default: true, Test: true,
			Timeouts:     config.Timeouts{Connect: time.Second, Header: 2 * time.Minute, Idle: 3 * time.Hour},
			IncludeUsage: config.UsageRefuse, MissingUsage: config.MissingHold, Cost: config.CostStated, Drain: true, DrainLimit: config.DrainLimit{Time: time.Minute, Bytes: 1 << 10}, MaxConns: 7, Queue: 11,
			Proxy: config.NewSecret("http://user:pw@proxy:3128"),
		}},
		Limits:  config.Limits{Inspect: 64 << 10, Body: 10_000_000, Header: 64 << 10, Conns: 9},
		Journal: config.Journal{Dir: "/j", Sync: config.SyncAlways},
		Keys:    config.Keys{MaxStale: 90 * time.Second},
		Invoice: config.Invoice{Issuer: "Acme Ltd", Address: []string{"1 Mill Lane", "Weirton"}},
		Pricebook: config.Pricebook{File: "/p.yaml", Sync: config.PriceSync{
			Enabled: true, URL: "https://prices.example/x", Shape: config.ShapeLiteLLM, Every: 3 * time.Hour,
			Checkers: []config.PriceFeed{{URL: "https://prices.example/y", Shape: config.ShapeGenAI}},
		}},
		Alerts: config.Alerts{MarginPercent: "12.5", Window: 48 * time.Hour},
		Reconcile: config.Reconcile{Nightly: true, After: 8 * time.Hour, Tolerance: "0.5%", Providers: map[string]config.ReconcileProvider{"anthropic": {
			AdminKey: config.NewSecret("sk-ant-admin01-x"), BaseURL: "https://admin.example", Keys: map[string]string{"apikey_1": "wxyz", "apikey_2": "-"},
		}}},
		Close: config.Close{MaxWait: 6 * time.Hour},
		Drain: 5 * time.Second,
		Log:   config.Log{Level: "debug", Format: "json"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_Example(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "weir.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(t.TempDir(), "gemini-api-key")
	if err := os.WriteFile(secret, []byte("g-key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(b), "/run/secrets/gemini-api-key", secret)
	got := mustLoad(t, text, env{
		"OPENAI_API_KEY": "o", "ANTHROPIC_API_KEY": "a", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "s",
	})

	if k := got.Upstreams["gemini"].Credentials[0].Key.Reveal(); k != "g-key" {
		t.Errorf("the key from the file is %q", k)
	}
	want := config.Default()
	want.Upstreams = got.Upstreams
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the example states other values than the defaults (-default +example):\n%s", diff)
	}
	if w := got.Warnings(); len(w) > 0 {
		t.Errorf("the example has warnings: %v", w)
	}
}

func TestLoad_Environment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		env        env
		want       [3]string // listen, redis, database
	}{
		{"nothing set", one, nil, [3]string{"127.0.0.1:8080", "", ""}},
		{"all set, the file is silent", one, env{"WEIR_LISTEN": ":1", "REDIS_URL": "redis://r", "DATABASE_URL": "postgres://d"}, [3]string{":1", "redis://r", "postgres://d"}},
		{"PORT listens on all interfaces", one, env{"PORT": "9"}, [3]string{":9", "", ""}},
		{"WEIR_LISTEN before PORT", one, env{"WEIR_LISTEN": "127.0.0.1:1", "PORT": "9"}, [3]string{"127.0.0.1:1", "", ""}},
		{"WEIR_LISTEN overrides the file", one + "listen: 127.0.0.1:7", env{"WEIR_LISTEN": "127.0.0.1:1"}, [3]string{"127.0.0.1:1", "", ""}},
		{"shared names do not", one + "listen: 127.0.0.1:7\nredis: redis://f\ndatabase: ''", env{"PORT": "9", "REDIS_URL": "redis://r", "DATABASE_URL": "postgres://d"}, [3]string{"127.0.0.1:7", "redis://f", ""}},
		{"the file may ask for them", one + "redis: ${REDIS_URL:-}\ndatabase: ${DATABASE_URL:-}", env{"REDIS_URL": "redis://r"}, [3]string{"127.0.0.1:8080", "redis://r", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := mustLoad(t, tt.text, tt.env)
			if got := [3]string{c.Listen, c.Redis.Reveal(), c.Database.Reveal()}; got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLoad_ErrorListsEverything(t *testing.T) {
	t.Parallel()
	_, err := load(t, "lisen: x\nlog: {level: loud}\nupstreams: {openai: {credentials: [{key: \"${NOPE}\"}], base_url: https://api.openai.com/v1}}\n", nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"lisen: unknown field; did you mean listen? (line 1)",
		"log.level: want debug, info, warn or error",
		"upstreams.openai.credentials[0].key: environment variable NOPE is not set",
		"upstreams.openai.base_url: the client's path brings /v1 itself",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n  "); n != 4 {
		t.Errorf("%d problems, want 4:\n%v", n, err)
	}
}

// TestLoad_Compose loads the configuration inside the Compose file, as Compose
// would hand it over.
func TestLoad_Compose(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "deploy", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Configs map[string]struct{ Content string }
	}
	if err := yaml.Unmarshal(b, &compose); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(compose.Configs["weir"].Content, "$$", "$")
	c := mustLoad(t, text, env{"REDIS_URL": "redis://redis:6379/0", "DATABASE_URL": "postgres://weir:pw@postgres:5432/weir", "OPENAI_API_KEY": "k"})
	if !c.Targets()[0].Default || c.Redis.IsZero() || c.Database.IsZero() {
		t.Errorf("it says %+v", c)
	}
}
