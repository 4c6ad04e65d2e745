package dialect_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/dialect"
)

// TestSplice: T08, S18.
func TestSplice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, body, want string }{
		{"absent is the last member", `{"stream":true}`, `{"stream":true,"stream_options":{"include_usage":true}}`},
		{
			"white space and unknown members stay", "\n{ \"stream\" : true ,\t\"x\": [1, 2 ]\n}\n",
			"\n{ \"stream\" : true ,\t\"x\": [1, 2 ],\"stream_options\":{\"include_usage\":true}\n}\n",
		},
		{
			"odd numbers, duplicates and lone surrogates stay", `{"a":1e400,"a":"\ud800","stream":true,"a":-0.0}`,
			`{"a":1e400,"a":"\ud800","stream":true,"a":-0.0,"stream_options":{"include_usage":true}}`,
		},
		{
			"a byte order mark stays", "\xef\xbb\xbf{\"stream\":true}",
			"\xef\xbb\xbf{\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		},
		{
			"options with another member", `{"stream_options": {"include_obfuscation": false }, "stream":true}`,
			`{"stream_options": {"include_obfuscation": false,"include_usage":true }, "stream":true}`,
		},
		{
			"options empty", `{"stream_options":{ },"stream":true}`,
			`{"stream_options":{"include_usage":true },"stream":true}`,
		},
		{
			"options null", `{"stream_options": null ,"stream":true}`,
			`{"stream_options": {"include_usage":true} ,"stream":true}`,
		},
		{
			"false becomes true", `{"stream":true,"stream_options":{"include_usage" : false , "x":1}}`,
			`{"stream":true,"stream_options":{"include_usage" : true , "x":1}}`,
		},
		{
			"what lies deeper is not seen", `{"m":{"stream":false,"stream_options":{"include_usage":true}},"stream":true}`,
			`{"m":{"stream":false,"stream_options":{"include_usage":true}},"stream":true,"stream_options":{"include_usage":true}}`,
		},
		{
			"names inside texts are not seen", `{"p":"\",\"stream_options\":{\"include_usage\":true}","stream":true}`,
			`{"p":"\",\"stream_options\":{\"include_usage\":true}","stream":true,"stream_options":{"include_usage":true}}`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			before := strings.Clone(tt.body)
			got, ok := dialect.Splice([]byte(tt.body))
			if diff := cmp.Diff(tt.want, string(got)); !ok || diff != "" {
				t.Errorf("ok %v, (-want +got):\n%s", ok, diff)
			}
			if tt.body != before {
				t.Error("the body was changed in place")
			}
			if again, ok := dialect.Splice(got); ok || !bytes.Equal(again, got) {
				t.Errorf("a spliced body was spliced again: %s", again)
			}
		})
	}
}

// TestSplice_leaves: what was asked for, is not streamed, or can be understood
// in two ways stays as it is (T01, T08).
func TestSplice_leaves(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		``, ` `, `null`, `[]`, `"stream"`, `{`, `{}`, `{"model":"m"}`,
		`{"stream":false}`, `{"stream":null}`, `{"stream":1}`, `{"stream":"true"}`, `{"stream":truex}`,
		`{"stream":true,"stream_options":{"include_usage":true}}`,
		`{"stream":true,"stream_options":{"include_usage":null}}`,
		`{"stream":true,"stream_options":{"include_usage":"false"}}`,
		`{"stream":true,"stream_options":{"include_usage":0}}`,
		`{"stream":true,"stream_options":{"include_usage":false,"include_usage":false}}`,
		`{"stream":true,"stream_options":{"include_usage":false,"include_\u0075sage":true}}`,
		`{"stream":true,"stream_options":{"Include_Usage":true}}`,
		`{"stream":true,"stream_options":[]}`, `{"stream":true,"stream_options":true}`,
		`{"stream":true,"stream_options":""}`, `{"stream":true,"stream_options":nul}`,
		`{"stream":true,"stream_options":{},"stream_options":{}}`,
		`{"stream":true,"stream_options":{"include_usage":false},"stream_options":null}`,
		`{"stream":true,"stream\u005foptions":{}}`, `{"stream":true,"Stream_Options":{}}`,
		`{"stream":true,"ſtream_options":{}}`, // folds to the name, as encoding/json does it
		`{"stream":true,"stream":true}`, `{"stream":true,"stream":false}`, `{"str\u0065am":false,"stream":true}`,
		`{"STREAM":true,"stream":true}`, `{"str\u0065am":true}`,
		`{"stream":true`, `{"stream":true,}`, `{,"stream":true}`, `{"stream":true,,"a":1}`, `{"stream" true}`,
		`{"stream":true "a":1}`, `{"stream":true,"a"}`, `{"stream":true,"a":}`, `{"stream":true}}`,
		`{"stream":true}{"stream":true}`, `{"stream":true} x`, "{\"stream\":true}\x00", `{"stream":true,"a":"}`,
		`{"stream":true,"a":[}`, `{"stream":true,"stream_options":{"include_usage":false,}}`,
		`{"stream":true,"stream_options":{"x":1 "y":2}}`, `{'stream':true}`, `{stream:true}`,
	} {
		in := []byte(body)
		if got, ok := dialect.Splice(in); ok || string(got) != body {
			t.Errorf("%s became %s, %v", body, got, ok)
		}
	}
}

// TestSplice_bombs: S21, T75.
func TestSplice_bombs(t *testing.T) {
	lengthy(t)
	t.Parallel()
	const size = 64 << 20
	deep := bytes.Repeat([]byte("["), size)
	for name, body := range map[string][]byte{
		"brackets":          deep,
		"brackets in value": append([]byte(`{"stream":true,"a":`), deep...),
		"braces in options": append([]byte(`{"stream":true,"stream_options":`), bytes.Repeat([]byte(`{"a":`), size/5)...),
		"escaped quotes":    append([]byte(`{"stream":true,"a":"`), bytes.Repeat([]byte(`\"`), size/2)...),
		"backslashes":       append([]byte(`{"stream":true,"a":"`), bytes.Repeat([]byte(`\`), size)...),
		"members":           append([]byte(`{"stream":true`), bytes.Repeat([]byte(`,"\u0061":1`), size/11)...),
	} {
		start := time.Now()
		if _, ok := dialect.Splice(body); ok {
			t.Errorf("%s: spliced", name)
		}
		// A hundred times what it takes here: only what is not linear is slower.
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("%s: took %v", name, took)
		}
	}
}

func TestSplice_allocates(t *testing.T) {
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"\u00e9 hello"}],"stream":true,"stream_options":{"a":1}}`)
	if n := testing.AllocsPerRun(100, func() { dialect.Splice(body) }); n != 1 {
		t.Errorf("%v allocations, want one", n)
	}
}

// FuzzSplice: a spliced body is the body with one edit, means the same but for
// what was asked, and is not spliced again (T01, S18).
func FuzzSplice(f *testing.F) {
	for _, seed := range []string{
		`{"stream":true}`, `{"stream":true,"stream_options":null}`, `{"stream":true,"stream_options":{"a":[1]}}`,
		"\xef\xbb\xbf{ \"stream\" : true , \"stream_options\":{\"include_usage\":false } }\r\n",
		`{"stream":true,"a":1e400,"b":"\ud800\"","a":2}`, `{"stream":true,"stream\u005foptions":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		before := bytes.Clone(body)
		got, ok := dialect.Splice(body)
		if !bytes.Equal(body, before) {
			t.Fatalf("%q was changed in place", before)
		}
		if !ok {
			if !bytes.Equal(got, body) {
				t.Fatalf("%q was not spliced, but became %q", body, got)
			}
			return
		}
		if again, ok := dialect.Splice(got); ok {
			t.Fatalf("%q became %q, and that %q", body, got, again)
		}
		plain, spliced := members(t, body), members(t, got)
		if plain == nil {
			return // encoding/json refuses it, as it does an unpaired bracket further down
		}
		if spliced == nil {
			t.Fatalf("%q became %q, which is not JSON", body, got)
		}
		options := map[string]json.RawMessage{}
		if err := json.Unmarshal(spliced["stream_options"], &options); err != nil {
			t.Fatal(err)
		}
		if string(options["include_usage"]) != "true" {
			t.Fatalf("%q became %q", body, got)
		}
		delete(options, "include_usage")
		had := map[string]json.RawMessage{}
		if raw, ok := plain["stream_options"]; ok {
			if err := json.Unmarshal(raw, &had); err != nil {
				t.Fatal(err)
			}
		}
		delete(had, "include_usage")
		delete(plain, "stream_options")
		delete(spliced, "stream_options")
		if len(had)+len(options) > 0 && cmp.Diff(had, options) != "" || cmp.Diff(plain, spliced) != "" {
			t.Fatalf("%q became %q", body, got)
		}
	})
}

func members(t *testing.T, body []byte) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), &m); err != nil {
		return nil
	}
	return m
}
