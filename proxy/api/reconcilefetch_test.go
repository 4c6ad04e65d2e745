package api_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy/api"
)

// TestReconcile_command: the command asks Anthropic itself, with the key of its
// environment or of a file; days that nothing was recorded of did not go through
// Weir; a key of the wrong kind is sent nowhere, and one that is refused is not
// shown.
func TestReconcile_command(t *testing.T) {
	t.Parallel()
	const key = "sk-ant-admin01-secret"
	s := newServer(t)
	asked := 0
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		q := r.URL.Query()
		result := `{"uncached_input_tokens":100000,"output_tokens":1,"model":"claude-opus-4-6","api_key_id":"apikey_1"}`
		switch {
		case r.Header.Get("X-Api-Key") != key:
			http.Error(w, "no key is "+r.Header.Get("X-Api-Key"), http.StatusUnauthorized)
			return
		case strings.HasSuffix(r.URL.Path, "/cost_report"):
			result = `{"amount":"30","currency":"USD","model":"claude-opus-4-6","description":"Claude Opus 4.6 Usage - Input Tokens","cost_type":"tokens"}`
		}
		fmt.Fprintf(w, `{"data":[{"starting_at":%q,"ending_at":%q,"results":[%s]}],"has_more":false,"next_page":null}`, q.Get("starting_at"), q.Get("ending_at"), result)
	}))
	defer admin.Close()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const ask = "reconcile --provider anthropic --from 2026-01-10 --to 2026-01-11"
	for _, tt := range []struct {
		name, command, key string
		asks               int
		want               string
	}{
		{"a key of the environment", ask, key, 2, "not_through_weir"},
		{"a key of a file", ask + " --admin-key-file " + file, "", 2, "not_through_weir"},
		{"a key that calls models", ask, "sk-ant-api03-secret", 0, "the key is one of Anthropic that calls models"},
		{"a key that was revoked", ask, "sk-ant-admin01-revoked-secret", 1, "answers 401: the key must be an administrator's (ANTHROPIC_ADMIN_KEY)"},
		{"nobody's", ask, "", 0, "this server does not ask providers"},
	} {
		asked = 0
		var stdout, stderr bytes.Buffer
		env := &api.Env{
			Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: s.clock.Now,
			Getenv: func(name string) string {
				return map[string]string{"WEIR_URL": s.url, "WEIR_TOKEN": s.token, "ANTHROPIC_ADMIN_KEY": tt.key, "ANTHROPIC_ADMIN_BASE_URL": admin.URL}[name]
			},
		}
		status := api.Run(t.Context(), env, &api.Commands{}, strings.Fields(tt.command))
		said := stdout.String() + stderr.String()
		if status != api.ExitRefused || asked != tt.asks || !strings.Contains(said, tt.want) || strings.Contains(said, "secret") {
			t.Errorf("%s: exit %d after %d requests, want %q after %d: %s", tt.name, status, asked, tt.want, tt.asks, said)
		}
	}
}
