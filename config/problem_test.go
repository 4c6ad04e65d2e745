package config_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestLoad_Problems has one case per thing that can be wrong. Each text must
// yield exactly the problems listed, each by its beginning.
func TestLoad_Problems(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "absent")
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, make([]byte, 65<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	up := func(fields string) string { return "upstreams: {openai: {credentials: [{key: k}], " + fields + "}}" }
	signed := func(field string) string {
		fields := []string{"service: bedrock", "region: us-east-1", "access_key_id: AKIDEXAMPLE", "secret_access_key: s"}
		name, _, _ := strings.Cut(field, ":")
		fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, name+":") })
		if field != "" {
			fields = append(fields, field)
		}
		return "upstreams: {bedrock: {base_url: 'https://bedrock-runtime.us-east-1.amazonaws.com', sign: {" + strings.Join(fields, ", ") + "}}}"
	}
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		// Form of the file.
		{"not YAML", "a: [", []string{"not valid YAML"}},
		{"two documents", one + "---\n" + one, []string{"want one document"}},
		{"a list at the top", "- a", []string{`want fields`}},
		{"unknown field with a near name", one + "databse: x", []string{"databse: unknown field; did you mean database? (line 2)"}},
		{"unknown field like none", one + "zzzzzzzzzz: x", []string{"zzzzzzzzzz: unknown field; known are listen, console, data"}},
		{"unknown field below", up("timeouts: {conect: 1s}"), []string{"upstreams.openai.timeouts.conect: unknown field; did you mean connect?"}},
		{"field twice", one + "data: a\ndata: b", []string{"data: is already set in line 2 (line 3)"}},
		{"upstream twice", "upstreams:\n  openai: {credentials: [{key: k}]}\n  openai: {}", []string{"upstreams.openai: is already set in line 2"}},
		{"value for fields", one + "console: 127.0.0.1:1", []string{`console: want fields`}},
		{"fields for a value", one + "data: {a: b}", []string{"data: want a single value"}},
		{"value for a list", "upstreams: {openai: {credentials: k}}", []string{"upstreams.openai.credentials: want a list"}},
		{"fields for a secret", "upstreams: {openai: {credentials: [{key: {a: b}}]}}", []string{"upstreams.openai.credentials[0].key: want a string"}},
		{"no boolean", one + "event_id_header: yes please", []string{"event_id_header: want true or false"}},
		{"no whole number", up("max_conns: many"), []string{"upstreams.openai.max_conns: want a whole number"}},
		{"no duration", up("timeouts: {idle: 10}"), []string{"upstreams.openai.timeouts.idle: want a duration"}},
		{"negative duration", one + "drain: -1s", []string{"drain: want a duration"}},
		{"no size", one + "limits: {body: 1 elephant}", []string{"limits.body: want a size"}},
		{"size that does not fit", one + "limits: {body: 99999999TiB}", []string{"limits.body: want a size"}},
		{"no sync", one + "journal: {sync: never}", []string{"journal.sync: want a duration such as 5ms"}},
		{"sync of zero", one + "journal: {sync: 0s}", []string{"journal.sync: want a duration such as 5ms"}},

		{"no percentage", one + "alerts: {margin_percent: 1e3}", []string{"alerts.margin_percent: want a decimal of percent"}},
		{"window of a minute", one + "alerts: {window: 1m}", []string{"alerts.window: must be from 1h to 744h"}},

		{"compared every night with nobody", one + "reconcile: {nightly: true}", []string{"reconcile.providers: there are none to ask"}},
		{"compared at once", one + "reconcile: {after: 10m}", []string{"reconcile.after: must be from 1h to 20h"}},
		{"compared the day after", one + "reconcile: {after: 24h}", []string{"reconcile.after: must be from 1h to 20h"}},
		{"a tolerance without percent", one + "reconcile: {tolerance: '0.001'}", []string{"reconcile.tolerance: want a percentage"}},
		{"a tolerance of everything", one + "reconcile: {tolerance: 100%}", []string{"reconcile.tolerance: want a percentage"}},
		{"a provider without reports", one + "reconcile: {providers: {gemini: {admin_key: k}}}", []string{"reconcile.providers.gemini: want openai or anthropic"}},
		{"no administrator's key", one + "reconcile: {providers: {openai: {}}}", []string{"reconcile.providers.openai.admin_key: is missing"}},
		{"an unset administrator's key", one + "reconcile: {providers: {openai: {admin_key: '${UNSET_ADMIN}'}}}", []string{"reconcile.providers.openai.admin_key: environment variable UNSET_ADMIN is not set"}},
		{"an administration of another kind", one + "reconcile: {providers: {openai: {admin_key: k, base_url: 'ftp://h'}}}", []string{"reconcile.providers.openai.base_url: want the http(s) address"}},
		{"an administration with a password", one + "reconcile: {providers: {openai: {admin_key: k, base_url: 'https://u:p@h'}}}", []string{"reconcile.providers.openai.base_url: want the http(s) address"}},
		{"a key of no credential", one + "reconcile: {providers: {openai: {admin_key: k, keys: {a: ''}}}}", []string{"reconcile.providers.openai.keys: want the provider's id"}},
		{"a field with a near name", one + "reconcile: {providers: {openai: {admin_key: k, base_ulr: x}}}", []string{"reconcile.providers.openai.base_ulr: unknown field; did you mean base_url?"}},

		// Expansion.
		{"unset variable", "upstreams: {openai: {credentials: [{key: '${UNSET_KEY}'}]}}", []string{"upstreams.openai.credentials[0].key: environment variable UNSET_KEY is not set"}},
		{"two unset variables in one string", one + "data: ${UNSET_A}/${UNSET_B}", []string{"data: environment variable UNSET_A", "data: environment variable UNSET_B"}},
		{"unclosed", one + "data: ${UNSET", []string{`data: want "}" after "${"`}},
		{"no name", one + "data: ${a b}", []string{"data: want ${NAME}"}},
		{"missing file", one + "data: ${file:" + missing + "}", []string{"data: read secret: stat " + missing}},
		{"file too large", one + "data: ${file:" + big + "}", []string{"data: read secret: " + big + " is not a regular file"}},
		{"a directory as file", one + "data: ${file:/}", []string{"data: read secret: / is not a regular file"}},

		// Listeners and stores.
		{"no port", one + "listen: 127.0.0.1", []string{"listen: want host:port"}},
		{"port too large", one + "listen: 127.0.0.1:70000", []string{"listen: the port must be"}},
		{"named port", one + "console: {listen: 'localhost:http'}", []string{"console.listen: the port must be"}},
		{"same address", one + "listen: 127.0.0.1:8081", []string{"console.listen: is the same address"}},
		{"same address by another name", one + "listen: localhost:08081", []string{"console.listen: is the same address"}},
		{"same port on all interfaces", one + "listen: :8081", []string{"console.listen: is the same address"}},
		{"same port on all IPv6 interfaces", one + "listen: '[::]:8081'", []string{"console.listen: is the same address"}},
		{"no data directory", one + "data: ''", []string{"data: is empty"}},
		{"redis of another kind", one + "redis: http://r", []string{"redis: want a URL that begins with redis, rediss or unix"}},
		{"redis without a host", one + "redis: 'redis:///0'", []string{"redis: is not a valid redis URL"}},
		{"database of another kind", one + "database: mysql://d", []string{"database: want a URL that begins with postgres"}},
		{"database that is no URL", one + "database: 'postgres://u:p%zz@h/d'", []string{"database: is not a valid postgres URL"}},

		// Limits and the rest.
		{"head too small", one + "limits: {header: 1KiB}", []string{"limits.header: want 4KiB to 1MiB"}},
		{"inspect too large", one + "limits: {inspect: 1GiB, body: 0}", []string{"limits.inspect: want 4KiB to 64MiB"}},
		{"body below inspect", one + "limits: {body: 1KiB}", []string{"limits.body: is below limits.inspect"}},
		{"no connections", one + "limits: {conns: 0}", []string{"limits.conns: must be at least 1"}},
		{"closing at once", one + "close: {max_wait: 0}", []string{"close.max_wait: must be above zero"}},
		{"a path of the console", one + "console: {url: https://x/y}", []string{"console.url: want a scheme and a host"}},
		{"nothing trusted", one + "keys: {max_stale: 0}", []string{"keys.max_stale: must be above zero"}},
		{"unknown level", one + "log: {level: warning}", []string{"log.level: want debug, info, warn or error; did you mean warn?"}},
		{"unknown format", one + "log: {format: xml}", []string{"log.format: want text or json"}},

		// Upstreams.
		{"no upstreams", "upstreams: {}", []string{"upstreams: there are none"}},
		{"name of an API path", "upstreams: {v1: {preset: openai, credentials: [{key: k}]}}", []string{"upstreams.v1: cannot be a name"}},
		{"name that is no segment", "upstreams: {'Open AI': {preset: openai, credentials: [{key: k}]}}", []string{"upstreams.Open AI: a name has"}},
		{"unknown preset", up("preset: opnai"), []string{"upstreams.openai.preset: no such vendor; did you mean openai?"}},
		{"unknown dialect", up("dialect: openia"), []string{"upstreams.openai.dialect: want openai, anthropic, gemini, cohere, bedrock, bytes, s3 or custom; did you mean openai?"}},
		{"custom without quantities", "upstreams: {search: {base_url: 'https://h', dialect: custom}}", []string{"upstreams.search.quantities: is missing: dialect custom counts"}},
		{"a store without a signature", "upstreams: {store: {base_url: 'https://s3.example.com', dialect: s3}}", []string{"upstreams.store.sign: is missing: calls to S3 are signed"}},
		{"quantities nobody uses", "upstreams: {files: {base_url: 'https://h/v1', dialect: bytes, quantities: [{name: a, path: b}], routes: [{path: /}], model_path: m}}", []string{
			"upstreams.files.quantities: is for dialect: custom", "upstreams.files.routes: is for dialect: custom", "upstreams.files.model_path: is for dialect: custom",
		}},
		{"name of an event", "upstreams: {files: {base_url: 'https://h', dialect: bytes, event: 'a b'}}", []string{"upstreams.files.event: a name has"}},
		{"signing for another region", signed("region: eu-west-1"), []string{"upstreams.bedrock.sign.region: is not the region of base_url"}},
		{"signing without a secret", signed("secret_access_key: ''"), []string{"upstreams.bedrock.sign.secret_access_key: is missing"}},
		{"signing without anything else", "upstreams: {bedrock: {base_url: 'https://h', sign: {service: bedrock}}}", []string{
			"upstreams.bedrock.sign.region: want a region", "upstreams.bedrock.sign.access_key_id: is missing", "upstreams.bedrock.sign.secret_access_key: is missing",
		}},
		{"signing for no service", signed("service: 'Bed rock'"), []string{"upstreams.bedrock.sign.service: want the name that AWS signs for"}},
		{"a key of AWS with a line end", signed(`access_key_id: "AKID
"`), []string{"upstreams.bedrock.sign.access_key_id: has a space"}},
		{"signed and with a key", strings.Replace(signed(""), "sign:", "credentials: [{key: k}], sign:", 1), []string{"upstreams.bedrock.sign: and credentials exclude each other"}},
		{"signed, and the client's own", strings.Replace(signed(""), "sign:", "auth: client, sign:", 1), []string{"upstreams.bedrock.sign: would never be used with auth: client"}},
		{"a field that signing has not", signed("profile: x"), []string{"upstreams.bedrock.sign.profile"}},
		{"no base URL", "upstreams: {mine: {credentials: [{key: k}]}}", []string{"upstreams.mine.base_url: is missing"}},
		{"vendor without a fixed address", "upstreams: {azure: {credentials: [{key: k}]}}", []string{"upstreams.azure.base_url: is missing; Azure OpenAI has no fixed address, it looks like https://RESOURCE"}},
		{"base URL without a scheme", up("base_url: api.openai.com"), []string{"upstreams.openai.base_url: want http:// or https://"}},
		{"base URL of another scheme", up("base_url: ftp://api.openai.com"), []string{"upstreams.openai.base_url: want http:// or https://"}},
		{"base URL without a host", up("base_url: 'https:///v2'"), []string{"upstreams.openai.base_url: want http:// or https://"}},
		{"base URL that is none", up("base_url: 'https://a b'"), []string{"upstreams.openai.base_url: want http:// or https://"}},
		{"base URL with a password", up("base_url: 'https://u:p@h'"), []string{"upstreams.openai.base_url: must not hold a user"}},
		{"base URL with a query", up("base_url: 'https://h?a=b'"), []string{"upstreams.openai.base_url: must not have a query"}},
		{"doubled v1", up("base_url: 'https://api.openai.com/v1'"), []string{"upstreams.openai.base_url: the client's path brings /v1 itself, so calls would go to /v1/v1; write https://api.openai.com ("}},
		{"doubled v1 behind a path", up("base_url: 'https://openrouter.ai/api/v1/'"), []string{"upstreams.openai.base_url: the client's path brings /v1 itself, so calls would go to /v1/v1; write https://openrouter.ai/api ("}},
		{"an endpoint in the base URL", up("base_url: 'https://api.openai.com/v1/chat/completions'"), []string{"upstreams.openai.base_url: the client's path brings /v1"}},
		{"doubled v1beta", "upstreams: {gemini: {credentials: [{key: k}], base_url: 'https://h/v1beta'}}", []string{"upstreams.gemini.base_url: the client's path brings /v1beta"}},
		{"empty segment", up("base_url: 'https://h/a//b'"), []string{"upstreams.openai.base_url: has an empty path segment"}},
		{"Weir itself", up("base_url: 'http://localhost:8080'"), []string{"upstreams.openai.base_url: is Weir's own address"}},
		{"two defaults", "upstreams: {openai: {credentials: [{key: k}], default: true}, anthropic: {credentials: [{key: k}], default: true}}", []string{"upstreams.openai.default: upstreams.anthropic is the default already"}},
		{"no credentials", "upstreams: {openai: {}}", []string{"upstreams.openai.credentials: is missing"}},
		{"empty credential", "upstreams: {openai: {credentials: [{key: ''}]}}", []string{"upstreams.openai.credentials[0].key: is empty"}},
		{"credential with a line end", `upstreams: {openai: {credentials: [{key: "a\nb"}]}}`, []string{"upstreams.openai.credentials[0].key: has a space"}},
		{"our own key as credential", "upstreams: {openai: {credentials: [{key: weir_live_x}]}}", []string{"upstreams.openai.credentials[0].key: is a key that Weir issues"}},
		{"credentials nobody uses", up("auth: client"), []string{"upstreams.openai.credentials: would never be used"}},
		{"unknown auth", up("auth: clients"), []string{"upstreams.openai.auth: want weir, client or observe; did you mean client?"}},
		{"unknown include_usage", up("include_usage: inject"), []string{"upstreams.openai.include_usage: want splice, leave, estimate or refuse"}},
		{"no connect timeout", up("timeouts: {connect: 0}"), []string{"upstreams.openai.timeouts.connect: must be above zero"}},
		{"no upstream connections", up("max_conns: 0"), []string{"upstreams.openai.max_conns: must be at least 1"}},
		{"forward proxy of another kind", up("proxy: socks5://p"), []string{"upstreams.openai.proxy: want a URL that begins with http"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, tt.text, nil)
			ok := len(got) == len(tt.want)
			for i := 0; ok && i < len(got); i++ {
				// A position stands at the end of what the file itself shows; where a
				// case does not ask for it, a message may go on.
				ok = strings.HasPrefix(got[i]+" (", tt.want[i])
			}
			if !ok {
				t.Errorf("got\n  %s\nwant, beginning with\n  %s", strings.Join(got, "\n  "), strings.Join(tt.want, "\n  "))
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, text, want string }{
		{"none", one, ""},
		{"console in the open", one + "console: {listen: ':8081'}", "console.listen: is reachable"},
		{"plain http to another machine", "upstreams: {openai: {base_url: 'http://llm.example.com', credentials: [{key: k}]}}", "upstreams.openai.base_url: is plain http"},
		{"plain http to this machine", "upstreams: {openai: {base_url: 'http://127.0.0.9:1', credentials: [{key: k}]}}", ""},
		{"compared with another than is called", one + "reconcile: {providers: {anthropic: {admin_key: k}}}", "reconcile.providers.anthropic: no upstream is of this provider"},
		{"an administration in clear text", one + "reconcile: {providers: {openai: {admin_key: k, base_url: 'http://admin.example.com'}}}", "reconcile.providers.openai.base_url: is plain http"},
		{"an administration here", one + "reconcile: {providers: {openai: {admin_key: k, base_url: 'http://127.0.0.1:1'}}}", ""},
		{"no default", "upstreams: {openai: {credentials: [{key: k}]}, anthropic: {credentials: [{key: k}]}}", "upstreams: none is the default"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := mustLoad(t, tt.text, nil).Warnings()
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("got %v, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0].String(), tt.want)):
				t.Errorf("got %v, want one that begins with %q", got, tt.want)
			}
		})
	}
}
