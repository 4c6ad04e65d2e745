package config_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/config"
)

// TestLoad_Calls reads everything that decides where calls go.
func TestLoad_Calls(t *testing.T) {
	t.Parallel()
	got := mustLoad(t, `
upstreams:
  openai:
    credentials: [{key: a}, {key: b, weight: 3}]
    queue: 0
    key_scheme: ""
    endpoints:
      - base_url: https://eu.api.openai.com/
        weight: 2
        region: eu
        credentials: [{key: c}]
      - {base_url: https://us.api.openai.com}
    retry: {attempts: 2, on: [500, 503, timeout, reset], within: 3m, wait: 2s}
    timeouts: {header: 1m}
    fallback: [other]
    allow_private: true
    models: {allow: [gpt-*], deny: ["*-pro"], aliases: {fast: gpt-5-mini}}
    operations: [openai.chat, openai.resp*]
    tls: {server_name: llm, min_version: "1.3", insecure_skip_verify: true}
  other: {base_url: https://other.example.com, credentials: [{key: d}], default: true}
`, nil).Upstreams["openai"]
	n := func(i int) *int { return &i }
	yes, none := true, ""
	want := got // what other tests hold
	want.Credentials = []config.Credential{{Key: config.NewSecret("a")}, {Key: config.NewSecret("b"), Weight: n(3)}}
	want.Queue, want.KeyScheme = 0, &none
	want.Endpoints = []config.Endpoint{
		{BaseURL: "https://eu.api.openai.com/", Weight: n(2), Region: "eu", Credentials: []config.Credential{{Key: config.NewSecret("c")}}},
		{BaseURL: "https://us.api.openai.com"},
	}
	want.Retry = config.Retry{Attempts: 2, On: []string{"500", "503", "timeout", "reset"}, Within: 3 * time.Minute, Wait: 2 * time.Second}
	want.Fallback, want.AllowPrivate = []string{"other"}, &yes
	want.Models = config.Models{Allow: []string{"gpt-*"}, Deny: []string{"*-pro"}, Aliases: map[string]string{"fast": "gpt-5-mini"}}
	want.Operations = []string{"openai.chat", "openai.resp*"}
	want.TLS = config.TLS{ServerName: "llm", MinVersion: "1.3", InsecureSkipVerify: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if r := got.Retry; !cmp.Equal(r.Statuses(), []int{500, 503}) || !r.Timeout() || !r.Reset() {
		t.Errorf("repeated on %v, %v, %v", r.Statuses(), r.Timeout(), r.Reset())
	}
}

// Endpoints stand in place of the preset's address, and beside one that the file
// gives.
func TestTarget_Endpoints(t *testing.T) {
	t.Parallel()
	f := func(fields, base string, private bool) {
		t.Helper()
		target := mustLoad(t, "upstreams: {vllm: {"+fields+"}}", nil).Targets()[0]
		if target.BaseURL != base || target.Private() != private {
			t.Errorf("%s: base URL %q, private %v", fields, target.BaseURL, target.Private())
		}
	}
	f("", "http://127.0.0.1:8000", true)
	f("endpoints: [{base_url: 'http://10.0.0.1'}]", "", true)
	f("base_url: 'http://10.0.0.2', endpoints: [{base_url: 'http://10.0.0.1'}]", "http://10.0.0.2", true)
	f("allow_private: false", "http://127.0.0.1:8000", false)
	if mustLoad(t, one, nil).Targets()[0].Private() {
		t.Error("a hosted vendor may be private")
	}
}

// TestLoad_CallsProblems has one case per thing that can be wrong about where
// calls go.
func TestLoad_CallsProblems(t *testing.T) {
	t.Parallel()
	up := func(fields string) string {
		return "upstreams: {openai: {credentials: [{key: k}], " + fields + "}, second: {base_url: 'https://h', credentials: [{key: k}]}, anthropic: {credentials: [{key: k}]}, own: {base_url: 'https://h', auth: client}}"
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"endpoint without an address", up("endpoints: [{weight: 1}]"), []string{"upstreams.openai.endpoints[0].base_url: is missing"}},
		{"endpoint with a doubled v1", up("endpoints: [{base_url: 'https://h/v1'}]"), []string{"upstreams.openai.endpoints[0].base_url: the client's path brings /v1"}},
		{"endpoint that is Weir", up("endpoints: [{base_url: 'http://127.0.0.1:8080'}]"), []string{"upstreams.openai.endpoints[0].base_url: is Weir's own"}},
		{"endpoint twice", up("endpoints: [{base_url: 'https://h'}, {base_url: 'https://h/'}]"), []string{"upstreams.openai.endpoints[1].base_url: is there twice"}},
		{"endpoint and base URL", up("base_url: 'https://h', endpoints: [{base_url: 'https://h'}]"), []string{"upstreams.openai.endpoints[0].base_url: is there twice"}},
		{"weight of nothing", up("endpoints: [{base_url: 'https://h', weight: 0}]"), []string{"upstreams.openai.endpoints[0].weight: want 1 to 100"}},
		{"weight that is none", up("endpoints: [{base_url: 'https://h', weight: half}]"), []string{"upstreams.openai.endpoints[0].weight: want a whole number"}},
		{"weight of a key", "upstreams: {openai: {credentials: [{key: k, weight: 101}]}}", []string{"upstreams.openai.credentials[0].weight: want 1 to 100"}},
		{"key twice", "upstreams: {openai: {credentials: [{key: k}, {key: k}]}}", []string{"upstreams.openai.credentials[1].key: is there twice"}},
		{"key of an endpoint", up("endpoints: [{base_url: 'https://h', credentials: [{key: weir_live_x}]}]"), []string{"upstreams.openai.endpoints[0].credentials[0].key: is a key that Weir issues"}},
		{"an endpoint without a key", "upstreams: {openai: {endpoints: [{base_url: 'https://h', credentials: [{key: k}]}, {base_url: 'https://i'}]}}", []string{"upstreams.openai.credentials: is missing"}},
		{"keys of endpoints nobody uses", "upstreams: {openai: {auth: client, endpoints: [{base_url: 'https://h', credentials: [{key: k}]}]}}", []string{"upstreams.openai.endpoints[0].credentials: would never be used"}},
		{"retry on success", up("retry: {on: [200]}"), []string{"upstreams.openai.retry.on[0]: want a status code from 400 to 599, timeout or reset"}},
		{"retry on a word", up("retry: {on: [timeouts]}"), []string{"upstreams.openai.retry.on[0]: want a status code"}},
		{"retry on a timeout that comes too late", up("retry: {on: [timeout]}"), []string{"upstreams.openai.retry.on[0]: would never come to pass: no request begins later than retry.within, 1m0s"}},
		{"retry once", up("retry: {attempts: 1, on: [500]}"), []string{"upstreams.openai.retry.on: would never be used"}},
		{"retry for ever", up("retry: {attempts: 100}"), []string{"upstreams.openai.retry.attempts: want 1 to 10"}},
		{"fallback on nobody", up("fallback: [secnd]"), []string{"upstreams.openai.fallback[0]: no upstream has this name; did you mean second?"}},
		{"fallback on itself", up("fallback: [openai]"), []string{"upstreams.openai.fallback[0]: is the upstream itself"}},
		{"fallback on another protocol", up("fallback: [anthropic]"), []string{"upstreams.openai.fallback[0]: speaks anthropic, and clients of this upstream speak openai"}},
		{"fallback with the client's key", up("fallback: [own]"), []string{"upstreams.openai.fallback[0]: needs auth: weir on both"}},
		{"fallback twice", up("fallback: [second, second]"), []string{"upstreams.openai.fallback[1]: is there twice"}},
		{"queue below nothing", up("queue: -1"), []string{"upstreams.openai.queue: must not be below 0"}},
		{"TLS of another version", up("tls: {min_version: '1.1'}"), []string{"upstreams.openai.tls.min_version: want 1.2 or 1.3"}},
		{"half a pair", up("tls: {cert: /c.pem}"), []string{"upstreams.openai.tls: cert and key belong together"}},
		{"CA that is not there", up("tls: {ca: /absent/ca.pem}"), []string{"upstreams.openai.tls: cannot be read: ca: no such file"}},
		{"CA that is none", up(`tls: {ca: "-----BEGIN NOTHING-----"}`), []string{"upstreams.openai.tls.ca: holds no certificate"}},
		{"pattern of nothing", up("models: {allow: [a, ''], deny: ['']}"), []string{"upstreams.openai.models.allow[1]: is empty", "upstreams.openai.models.deny[0]: is empty"}},
		{"alias of nothing", up("models: {aliases: {fast: ''}}"), []string{"upstreams.openai.models.aliases.fast: want the name of a model"}},
		{"alias of an alias", up("models: {aliases: {a: b, b: c}}"), []string{"upstreams.openai.models.aliases.a: b is an alias too"}},
		{"rules of what is only watched", "upstreams: {openai: {auth: observe, models: {deny: [x]}}}", []string{"upstreams.openai.models: would never be used with auth: observe"}},
		{"operation of nothing", up("operations: ['']"), []string{"upstreams.openai.operations[0]: want the name of an endpoint"}},
		{"signed elsewhere", "upstreams: {bedrock: {base_url: 'https://bedrock-runtime.us-east-1.amazonaws.com', sign: {service: bedrock, region: us-east-1, access_key_id: a, secret_access_key: b}, endpoints: [{base_url: 'https://bedrock-runtime.eu-west-1.amazonaws.com', credentials: [{key: k}]}]}}", []string{
			"upstreams.bedrock.endpoints[0].credentials: and sign exclude each other", "upstreams.bedrock.endpoints[0].base_url: is not in the region of sign",
		}},
		{"no boolean", up("allow_private: maybe"), []string{"upstreams.openai.allow_private: want true or false"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, tt.text, nil)
			ok := len(got) == len(tt.want)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.HasPrefix(got[i]+" (", tt.want[i])
			}
			if !ok {
				t.Errorf("got\n  %s\nwant, beginning with\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestWarnings_Calls(t *testing.T) {
	t.Parallel()
	up := func(fields string) string { return "upstreams: {mine: {credentials: [{key: k}], " + fields + "}}" }
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"a public name", up("base_url: 'https://llm.example.com'"), nil},
		{"an address", up("base_url: 'https://10.0.0.1'"), nil},
		{"this machine", up("base_url: 'http://localhost:1'"), nil},
		{"a name of a container", up("base_url: 'https://vllm:8000'"), []string{"upstreams.mine.base_url: looks like a name of your own network"}},
		{"a name of a cluster", up("endpoints: [{base_url: 'https://llm.ns.svc'}]"), []string{"upstreams.mine.endpoints[0].base_url: looks like a name of your own network"}},
		{"the same, permitted", up("base_url: 'https://vllm:8000', allow_private: true"), nil},
		{"the same, of a server of one's own", up("base_url: 'https://gpu:8000', preset: vllm"), nil},
		{"a cloud's metadata", up("base_url: 'https://169.254.169.254'"), []string{"upstreams.mine.base_url: is where a cloud answers its own machines"}},
		{"any certificate", up("base_url: 'https://h.example', tls: {insecure_skip_verify: true}"), []string{"upstreams.mine.tls.insecure_skip_verify: TAKES ANY CERTIFICATE"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mustLoad(t, tt.text, nil).Warnings()
			ok := len(got) == len(tt.want)
			for i := 0; ok && i < len(got); i++ {
				ok = strings.HasPrefix(got[i].String(), tt.want[i])
			}
			if !ok {
				t.Errorf("got %v, want those that begin with %q", got, tt.want)
			}
		})
	}
}

// PEM stands in the file, or the file says where it is; what cannot be used is
// found before anything starts, and never quoted.
func TestTLS_Read(t *testing.T) {
	t.Parallel()
	certPEM, keyPEM := pair(t)
	dir := t.TempDir()
	files := map[string]string{"cert.pem": certPEM, "key.pem": keyPEM}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	indent := func(pem string) string {
		return "|\n        " + strings.ReplaceAll(strings.TrimSpace(pem), "\n", "\n        ") + "\n"
	}
	up := func(tls string) string { return "upstreams:\n  openai:\n    credentials: [{key: k}]\n    tls:\n" + tls }
	for name, text := range map[string]string{
		"files":  up("      ca: " + dir + "/cert.pem\n      cert: " + dir + "/cert.pem\n      key: " + dir + "/key.pem\n"),
		"inline": up("      ca: " + indent(certPEM) + "      cert: " + indent(certPEM) + "      key: " + indent(keyPEM)),
		"mixed":  up("      ca: " + dir + "/cert.pem\n      cert: " + dir + "/cert.pem\n      key: ${file:" + dir + "/key.pem}\n"),
	} {
		got, err := mustLoad(t, text, nil).Upstreams["openai"].TLS.Read()
		if err != nil || strings.TrimSpace(string(got.CA)) != strings.TrimSpace(certPEM) || strings.TrimSpace(string(got.Cert)) != strings.TrimSpace(certPEM) || strings.TrimSpace(string(got.Key)) != strings.TrimSpace(keyPEM) {
			t.Errorf("%s: %v, read %d, %d, %d bytes", name, err, len(got.CA), len(got.Cert), len(got.Key))
		}
	}
	_, other := pair(t)
	wrong := problems(t, up("      cert: "+indent(certPEM)+"      key: "+indent(other)), nil)
	if len(wrong) != 1 || !strings.HasPrefix(wrong[0], "upstreams.openai.tls.cert: is no pair with key") {
		t.Errorf("a key of another certificate: %v", wrong)
	}
	secret := problems(t, up("      cert: "+dir+"/cert.pem\n      key: MIGHAgEAMBMGByqGSM49\n"), nil)
	if len(secret) != 1 || strings.Contains(secret[0], "MIGH") {
		t.Errorf("a key that is no PEM: %v", secret)
	}
}

// pair makes a certificate that signs itself.
func pair(t *testing.T) (certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))
}

// What the example shows commented out holds as well: a comment that begins with
// one blank is prose, all others are settings.
func TestLoad_ExampleCommented(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "weir.example.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for line := range strings.Lines(string(b)) {
		indent, rest, found := strings.Cut(line, "#")
		if found && strings.TrimSpace(indent) == "" && strings.TrimSpace(rest) != "" && (rest[0] != ' ' || rest[1] == ' ') {
			line = indent + rest
		}
		text.WriteString(strings.ReplaceAll(line, "${file:/run/secrets/gemini-api-key}", "g"))
	}
	all := mustLoad(t, text.String(), env{
		"OPENAI_ADMIN_KEY": "oa", "ANTHROPIC_ADMIN_KEY": "aa",
		"OPENAI_API_KEY": "o", "OPENAI_API_KEY_2": "p", "ANTHROPIC_API_KEY": "a", "EGRESS_PROXY": "http://proxy:3128",
		"AWS_ACCESS_KEY_ID": "i", "AWS_SECRET_ACCESS_KEY": "s",
	})
	if r := all.Reconcile.Providers; len(r) != 2 || r["anthropic"].AdminKey.Reveal() != "aa" || r["openai"].Keys["key_of_others"] != "-" {
		t.Errorf("read %+v", all.Reconcile)
	}
	got := all.Upstreams["openai"]
	if len(got.Endpoints) != 2 || len(got.Credentials) != 2 || got.Retry.Attempts != 2 || got.Fallback[0] != "local" || got.Models.Aliases["fast"] == "" ||
		got.TLS.ServerName == "" || got.AllowPrivate == nil || got.Proxy.IsZero() {
		t.Errorf("read %+v", got)
	}
}
