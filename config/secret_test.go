package config_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/weirhq/weir/config"
)

const canary = "canary-5f1c9e"

// TestSecret_NeverPrints, I12 and S29: a canary in every secret field occurs in
// no printed form of the configuration.
func TestSecret_NeverPrints(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, fmt.Sprintf(`
redis: redis://:%[1]s@cache
database: postgres://weir:%[1]s@db/weir
upstreams: {openai: {credentials: [{key: %[1]s}], proxy: "http://u:%[1]s@proxy:1"}}
`, canary), nil)
	printed := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		printed[verb] = fmt.Sprintf(verb, c)
		printed[verb+" of a secret"] = fmt.Sprintf(verb, c.Redis)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &c.Redis)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	printed["json"] = string(asJSON)
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	printed["yaml"] = string(asYAML)
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("start", "config", c, "redis", c.Redis, "upstream", c.Targets()[0])
	}
	printed["log"] = log.String()
	hex := fmt.Sprintf("%x", canary)
	for name, text := range printed {
		if strings.Contains(text, canary) || strings.Contains(strings.ToLower(text), hex) {
			t.Errorf("%s reveals a secret: %s", name, text)
		}
	}
	if !strings.Contains(printed["json"], "[redacted]") || !strings.Contains(printed["log"], "[redacted]") {
		t.Error("the secrets were not printed at all: the test shows nothing")
	}
	if got := c.Upstreams["openai"].Credentials[0].Key.Reveal(); got != canary {
		t.Errorf("Reveal returned %q", got)
	}
}

// TestLoad_ErrorsQuoteNoValue: a secret in the wrong field is not quoted back.
func TestLoad_ErrorsQuoteNoValue(t *testing.T) {
	t.Parallel()
	e := env{"SECRET": canary}
	for _, text := range []string{
		one + "event_id_header: ${SECRET}",
		one + "drain: ${SECRET}",
		one + "limits: {body: \"${SECRET}\", conns: \"${SECRET}\"}",
		one + "journal: {sync: \"${SECRET}\"}",
		one + "listen: ${SECRET}",
		one + "redis: ${SECRET}",
		one + "database: 'postgres://u:${SECRET}%zz@h'",
		one + "log: {level: \"${SECRET}\"}",
		"upstreams: {openai: {credentials: [{key: \"${SECRET}\\n\"}]}}",
		"upstreams: {openai: {base_url: \"https://${SECRET}:x@h/%zz\", credentials: [{key: k}]}}",
		"upstreams: {openai: {base_url: \"https://u:${SECRET}@h/v1?k=${SECRET}\", credentials: [{key: k}]}}",
		"upstreams: {openai: {preset: \"${SECRET}\", dialect: \"${SECRET}\", credentials: [{key: k}]}}",
		"upstreams: {openai: {auth: \"${SECRET}\", include_usage: \"${SECRET}\", credentials: [{key: k}]}}",
	} {
		_, err := load(t, text, e)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		if strings.Contains(err.Error(), canary) {
			t.Errorf("%s: the error reveals the value: %v", text, err)
		}
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	e := env{"A": "a", "EMPTY": "", "N": "7", "NESTED": "${A}", "YAML": "x, y: [z", "NULL": "null"}
	for in, want := range map[string]string{
		"plain":             "plain",
		"$A and {A}":        "$A and {A}",
		"${A}":              "a",
		"x${A}y${A}z":       "xayaz",
		"'${EMPTY}e'":       "e",
		"${A:-d}":           "a",
		"${EMPTY:-d}":       "d",
		"${UNSET:-d}":       "d",
		"'${UNSET:-a:-b}'":  "a:-b",
		"'${UNSET:-}e'":     "e",
		"$${A}":             "${A}",
		"'$$${A}'":          "$${A}", // only the dollar before ${ escapes
		"${NESTED}":         "${A}",  // what comes in is not expanded again
		"${YAML}":           "x, y: [z",
		"${NULL}":           "null",
		"${N}":              "7",
		"/p/${N}/${A:-b}/q": "/p/7/a/q",
	} {
		if got := mustLoad(t, one+"data: "+in, e).Data; got != want {
			t.Errorf("%s is %q, want %q", in, got, want)
		}
	}
	c := mustLoad(t, one+"limits: {conns: \"${N}\"}\nevent_id_header: ${OFF:-false}\ndrain: ${N}s", e)
	if c.Limits.Conns != 7 || c.EventIDHeader || c.Drain.String() != "7s" {
		t.Errorf("numbers, booleans and durations do not expand: %+v", c)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]config.Size{
		"4096": 4096, "64KiB": 64 << 10, "64 KiB": 64 << 10, "64kib": 64 << 10, "10MB": 10e6, "1GiB": 1 << 30, "0": 0, "70000B": 70_000,
	} {
		if got := mustLoad(t, one+"limits: {inspect: 4KiB, body: "+in+"}", nil).Limits.Body; got != want {
			t.Errorf("%s is %d, want %d", in, got, want)
		}
	}
	for size, want := range map[config.Size]string{0: "0", 1: "1", 1024: "1KiB", 1 << 20: "1MiB", 1025: "1025", 1 << 50: "1024TiB"} {
		if got := size.String(); got != want {
			t.Errorf("%d prints as %s, want %s", int64(size), got, want)
		}
	}
}
