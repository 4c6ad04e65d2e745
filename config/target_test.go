package config_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/config"
)

// TestPresets holds the table to what the rest relies on.
func TestPresets(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, p := range config.Presets() {
		if seen[p.Name] {
			t.Errorf("%s is there twice", p.Name)
		}
		seen[p.Name] = true
		if p.Title == "" || p.Dialect == "" || p.Header == "" || p.IncludeUsage == "" {
			t.Errorf("%s lacks a trait: %+v", p.Name, p)
		}
		if (p.BaseURL == "") == (p.Example == "") {
			t.Errorf("%s needs a base URL or an example, one of them", p.Name)
		}
		u, err := url.Parse(p.BaseURL + p.Example)
		if err != nil || u.Host == "" || strings.HasSuffix(u.Path, "/") || strings.HasSuffix(u.Path, "/v1") {
			t.Errorf("%s has the base URL %s%s", p.Name, p.BaseURL, p.Example)
		}
		if u.Scheme == "http" != p.KeyOptional {
			t.Errorf("%s: plain http is for servers of one's own, and only they need no key", p.Name)
		}
		got, ok := config.PresetNamed(p.Name)
		if diff := cmp.Diff(p, got); !ok || diff != "" {
			t.Errorf("PresetNamed(%s) differs: %s", p.Name, diff)
		}
	}
	for _, name := range []string{
		"openai", "openai-compatible", "anthropic", "gemini", "azure", "groq", "mistral", "deepseek", "openrouter", "xai",
		"perplexity", "together", "fireworks", "cohere", "ollama", "vllm", "llamacpp",
		"cohere-compatible", "crusoe", "deepgram", "deepinfra", "hyperbolic", "novita", "nvidia", "replicate", "sambanova", "snowflake",
		"voyage", "watsonx", "writer",
	} {
		if !seen[name] {
			t.Errorf("%s is missing", name)
		}
	}
}

// TestPresets_AllLoad: each vendor works by its name alone.
func TestPresets_AllLoad(t *testing.T) {
	t.Parallel()
	for _, p := range config.Presets() {
		text := "upstreams: {" + p.Name + ": {credentials: [{key: k}]"
		if p.BaseURL == "" {
			text += ", base_url: '" + p.Example + "'"
		}
		if got := problems(t, text+"}}", nil); len(got) > 0 {
			t.Errorf("%s: %v", p.Name, got)
		}
	}
}

// TestSign: a signed upstream needs no credential, and its keys are never shown.
func TestSign(t *testing.T) {
	t.Parallel()
	c := mustLoad(t, `
upstreams:
  bedrock:
    base_url: https://bedrock-runtime.us-east-1.amazonaws.com
    sign: {service: bedrock, region: us-east-1, access_key_id: "${ID}", secret_access_key: "${KEY}", session_token: "${TOKEN}"}
`, env{"ID": "AKIDEXAMPLE", "KEY": "wJalrXUtnFEMI", "TOKEN": "FwoGZXIvYXdz"})
	target := c.Targets()[0]
	if s := target.Sign; !s.Set() || s.AccessKeyID.Reveal() != "AKIDEXAMPLE" || s.SecretAccessKey.Reveal() != "wJalrXUtnFEMI" || s.SessionToken.Reveal() != "FwoGZXIvYXdz" {
		t.Errorf("sign is %+v", s)
	}
	if target.Dialect != "bedrock" || target.ClientPath() != "/bedrock" {
		t.Errorf("dialect %s at %s", target.Dialect, target.ClientPath())
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", target, target, target), fmt.Sprint(c)} {
		for _, secret := range []string{"AKIDEXAMPLE", "wJalrXUtnFEMI", "FwoGZXIvYXdz"} {
			if strings.Contains(shown, secret) {
				t.Errorf("%q is shown", secret)
			}
		}
	}
	if (config.Sign{}).Set() {
		t.Error("nothing is signed by default")
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	type traits struct{ Name, BaseURL, Preset, Dialect, Provider, Header, Scheme, Usage, ClientPath string }
	c := mustLoad(t, `
upstreams:
  anthropic: {credentials: [{key: k}]}
  gemini: {credentials: [{key: k}]}
  groq: {credentials: [{key: k}], include_usage: splice}
  house: {base_url: "https://llm.internal/x/", credentials: [{key: k}]}
  claude: {base_url: "https://gw.internal", dialect: anthropic, credentials: [{key: k}]}
  backup: {preset: openai, provider: mine, auth: client}
  local: {preset: ollama}
  cohere: {dialect: openai, base_url: "https://api.cohere.ai/compatibility", credentials: [{key: k}]}
`, nil)
	targets := c.Targets()
	got := make([]traits, 0, len(targets))
	for _, x := range targets {
		if x.Default {
			t.Errorf("%s is the default, and none was named", x.Name)
		}
		got = append(got, traits{x.Name, x.BaseURL, x.Preset.Name, x.Dialect, x.Provider, x.Preset.Header, x.Preset.Scheme, x.IncludeUsage, x.ClientPath()})
	}
	want := []traits{
		{"anthropic", "https://api.anthropic.com", "anthropic", "anthropic", "anthropic", "x-api-key", "", "estimate", "/anthropic"},
		{"backup", "https://api.openai.com", "openai", "openai", "mine", "Authorization", "Bearer", "splice", "/backup/v1"},
		{"claude", "https://gw.internal", "openai-compatible", "anthropic", "claude", "x-api-key", "", "estimate", "/claude"},
		{"cohere", "https://api.cohere.ai/compatibility", "cohere", "openai", "cohere", "Authorization", "Bearer", "splice", "/cohere/v1"},
		{"gemini", "https://generativelanguage.googleapis.com", "gemini", "gemini", "google", "x-goog-api-key", "", "estimate", "/gemini"},
		{"groq", "https://api.groq.com/openai", "groq", "openai", "groq", "Authorization", "Bearer", "splice", "/groq/v1"},
		{"house", "https://llm.internal/x", "openai-compatible", "openai", "house", "Authorization", "Bearer", "splice", "/house/v1"},
		{"local", "http://127.0.0.1:11434", "ollama", "openai", "local", "Authorization", "Bearer", "splice", "/local/v1"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
