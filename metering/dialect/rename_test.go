package dialect_test

import (
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

// One value is replaced; order, space, escapes and a byte order mark stay.
func TestRenameModel(t *testing.T) {
	t.Parallel()
	f := func(body, want string) {
		t.Helper()
		got, ok := dialect.RenameModel([]byte(body), "gpt-5-mini")
		if ok != (want != "") {
			t.Errorf("%q: ok is %v", body, ok)
		}
		if want == "" {
			want = body
		}
		if string(got) != want {
			t.Errorf("%q became %q, want %q", body, got, want)
		}
	}
	f(`{"model":"fast"}`, `{"model":"gpt-5-mini"}`)
	f("\xef\xbb\xbf{ \"a\" : {\"model\":\"fast\"} ,\n\"model\" :\t\"fast\" , \"b\":1e400}\n", "\xef\xbb\xbf{ \"a\" : {\"model\":\"fast\"} ,\n\"model\" :\t\"gpt-5-mini\" , \"b\":1e400}\n")
	f(`{"model":"f\u0061st","x":"\"model\":\"fast\""}`, `{"model":"gpt-5-mini","x":"\"model\":\"fast\""}`)
	f(`{"model":"fast","model":"fast"}`, "")
	f(`{"Model":"fast"}`, "")
	f(`{"mod\u0065l":"fast"}`, "")
	f(`{"model":null}`, "")
	f(`{"model":{"model":"fast"}}`, "")
	f(`{"messages":[]}`, "")
	f(`{"model":"fast"`, "")
	f(`{"model":"fast"}}`, "")
	f(`["model","fast"]`, "")
	f(``, "")
}

func TestRenameModelInPath(t *testing.T) {
	t.Parallel()
	f := func(name, path, to, want string) {
		t.Helper()
		d, ok := dialect.Named(name)
		if !ok {
			t.Fatalf("no dialect %s", name)
		}
		got, ok := dialect.RenameModelInPath(d, "POST", path, d.Route("POST", path), to)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s became %q, %v, want %q", path, got, ok, want)
		}
	}
	f("gemini", "/v1beta/models/fast:generateContent", "gemini-3-flash", "/v1beta/models/gemini-3-flash:generateContent")
	f("gemini", "/v1beta/models/fast%3AstreamGenerateContent", "gemini-3-flash", "/v1beta/models/gemini-3-flash%3AstreamGenerateContent")
	f("gemini", "/v1/projects/models/locations/x/publishers/google/models/models:generateContent", "g", "/v1/projects/models/locations/x/publishers/google/models/g:generateContent")
	f("openai", "/openai/deployments/fast/chat/completions", "gpt-5", "/openai/deployments/gpt-5/chat/completions")
	f("openai", "/openai/deployments/openai/chat/completions", "gpt-5", "/openai/deployments/gpt-5/chat/completions")
	f("openai", "/openai/deployments/fast/chat/completions", "a/../b", "/openai/deployments/a%2F..%2Fb/chat/completions")
	f("openai", "/v1/chat/completions", "x", "")
}
