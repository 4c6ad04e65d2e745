package dialect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// named writes objects as text.
func named(objects []dialect.Object) (out []string) {
	for _, o := range objects {
		out = append(out, o.Kind+":"+o.ID)
	}
	return out
}

// streamed finds references in pieces of n bytes.
func streamed(r dialect.Route, contentType string, body []byte, n int) ([]dialect.Object, error) {
	read := dialect.NewReferenceReader(r, contentType)
	if read == nil {
		return nil, nil
	}
	for len(body) > 0 {
		k := min(n, len(body))
		read.Feed(body[:k])
		body = body[k:]
	}
	return read.References()
}

// TestReferences: every place in which a body names a stored object is found, in
// one piece and in pieces, and what a client makes up is not taken for one (S26).
func TestReferences(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ dialect, path, body, want string }{
		{"openai", "/v1/responses", `{"model":"m","input":"file-1"}`, ""},
		{"openai", "/v1/responses", `{"previous_response_id":"resp_1","model":"m"}`, "response:resp_1"},
		{"openai", "/v1/responses", `{"previous_response_id":null,"input":"x"}`, ""},
		{"openai", "/v1/responses", `{"Previous_Response_ID":"resp_1"}`, "response:resp_1"},
		{"openai", "/v1/responses", `{"previous_response\u005fid":"resp\u005f1"}`, "response:resp_1"},
		{"openai", "/v1/responses", `{"previous_response_id":"resp_1","previous_response_id":"resp_2"}`, "response:resp_1 response:resp_2"},
		{"openai", "/v1/responses", `{"conversation":"conv_1"}`, "conversation:conv_1"},
		{"openai", "/v1/responses", `{"conversation":{"x":{"id":"no"},"id":"conv_1"}}`, "conversation:conv_1"},
		{"openai", "/v1/responses", `{"conversation":{"video":{},"id":"conv_1"}}`, "conversation:conv_1"},
		{"openai", "/v1/responses", `{"input":[{"role":"user","content":[{"type":"input_file","file_id":"file-1"},{"type":"input_image","file_id":"file-2"}]}]}`, "file:file-1 file:file-2"},
		{"openai", "/v1/responses", `{"input":[{"type":"item_reference","id":"msg_1"},{"id":"msg_2"},{"id":null},{"id":"mine","role":"user","content":"x"}]}`, "item:msg_1 item:msg_2"},
		{"openai", "/v1/responses", `{"input":[{"id":"rs_1","type":"reasoning","summary":[]},{"id":"rs_2","type":"reasoning","encrypted_content":"gAAAA"}]}`, "item:rs_1"},
		{"openai", "/v1/responses", `{"input":[{"id":"rs_1","type":"reasoning","result":"x","role":"y","encrypted_content":null}]}`, "item:rs_1"},
		{"openai", "/v1/responses", `{"input":[{"id":"ig_1","type":"image_generation_call"},{"type":"image_generation_call","id":"ig_2","result":"iVBO"}]}`, "item:ig_1"},
		{"openai", "/v1/responses", `{"input":[{"type":"function_call","id":"fc_1","arguments":"{\"file_id\":\"x\"}","call_id":"c"}]}`, ""},
		{"openai", "/v1/responses", `{"input":[{"type":"item_reference","input":[{"type":"message","role":"r"}],"id":"msg_1"}]}`, "item:msg_1"},
		{"openai", "/v1/responses", `{"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]},{"type":"code_interpreter","container":{"type":"auto","file_ids":["file-3"]}}]}`, "vector_store:vs_1 vector_store:vs_2 file:file-3"},
		{"openai", "/v1/responses", `{"tools":[{"type":"code_interpreter","container":"cntr_1"}]}`, "container:cntr_1"},
		{"openai", "/v1/responses", `{"tools":[{"type":"function","name":"f","parameters":{"properties":{"file_id":{"type":"string","const":"x"}},"default":{"file_id":"y"}}}]}`, ""},
		{"openai", "/v1/responses", `{"metadata":{"file_id":"x","n":{"file_id":"y"}},"input":[{"role":"user","content":"a"}],"prompt":{"id":"pmpt_1","variables":{"f":{"type":"input_file","file_id":"file-9"}}}}`, "file:file-9"},
		{"openai", "/v1/chat/completions", `{"messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]},{"role":"assistant","audio":{"id":"audio_1"}}],"audio":{"voice":"a","format":"wav"}}`, "file:file-1 item:audio_1"},
		{"openai", "/v1/batches", `{"input_file_id":"file-1","endpoint":"/v1/responses"}`, "file:file-1"},
		{"openai", "/v1/batch/jobs", `{"input_files":["f1","f2"],"model":"m"}`, "file:f1 file:f2"},
		{"openai", "/v1/fine_tuning/jobs", `{"training_file":"file-1","validation_file":"file-2"}`, "file:file-1 file:file-2"},
		{"openai", "/v1/threads/t/runs", `{"assistant_id":"asst_1","additional_messages":[{"attachments":[{"file_id":"file-1"}]}]}`, "assistant:asst_1 file:file-1"},
		{"openai", "/v1/threads", `{"tool_resources":{"file_search":{"vector_store_ids":["vs_1"]}}}`, "vector_store:vs_1"},
		{"openai", "/v1/vector_stores/vs/files", `{"file_id":"file-1","attributes":{"a":"b"}}`, "file:file-1"},
		{"openai", "/v1/videos/edits", `{"video":{"id":"video_1"},"prompt":"x"}`, "video:video_1"},
		{"openai", "/v1/responses/input_tokens", `{"previous_response_id":"resp_1"}`, "response:resp_1"},
		{"anthropic", "/v1/messages", `{"container":"container_1","messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_1"}},{"type":"container_upload","file_id":"file_2"}]}]}`, "container:container_1 file:file_1 file:file_2"},
		{"anthropic", "/v1/messages", `{"container":{"id":"container_1","skills":[{"type":"anthropic","skill_id":"pptx"},{"type":"custom","skill_id":"skill_01"}]}}`, "container:container_1 skill:skill_01"},
		{"anthropic", "/v1/messages", `{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"f","input":{"file_id":"theirs","deep":[{"file_id":"theirs"}]}},{"type":"image","source":{"file_id":"file_1"}}]}]}`, "file:file_1"},
		{"anthropic", "/v1/messages/batches", `{"requests":[{"custom_id":"a","params":{"messages":[{"content":[{"source":{"file_id":"file_1"}}]}]}}]}`, "file:file_1"},
		{"anthropic", "/v1/messages/count_tokens", `{"messages":[{"content":[{"source":{"file_id":"file_1"}}]}]}`, "file:file_1"},
		{"gemini", "/v1beta/models/g:generateContent", `{"contents":[{"parts":[{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc"}},{"file_data":{"file_uri":"files/def"}},{"fileData":{"fileUri":"https://youtu.be/files/x"}}]}],"cachedContent":"cachedContents/c1"}`, "file:abc file:def cached_content:c1"},
		{"gemini", "/v1beta/models/g:generateContent", `{"cached_content":"projects/1/locations/l/cachedContents/77","contents":[{"parts":[{"functionCall":{"args":{"uri":"files/x"}}},{"functionResponse":{"response":{"uri":"files/x"}}}]}]}`, "cached_content:77"},
		{"gemini", "/v1beta/models/g:batchGenerateContent", `{"batch":{"inputConfig":{"fileName":"files/in"}}}`, "file:in"},
		{"gemini", "/v1beta/interactions", `{"previous_interaction_id":"i1","input":[{"type":"image","uri":"https://generativelanguage.googleapis.com/v1beta/files/abc?x=1"}]}`, "interaction:i1 file:abc"},
		{"gemini", "/v1/publishers/google/models/veo:fetchPredictOperation", `{"operationName":"projects/p/models/veo/operations/o1"}`, "operation:o1"},
		{"gemini", "/v1beta/models/g:generateContent", `{"tools":[{"fileSearch":{"fileSearchStoreNames":["fileSearchStores/s1"]}}]}`, "file_search_store:s1"},
	} {
		d, _ := dialect.Named(tt.dialect)
		r := d.Route("POST", tt.path)
		q, err := d.Inspect(r, "application/json", []byte(tt.body))
		if have := strings.Join(named(q.References), " "); err != nil || have != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.body, have, err, tt.want)
		}
		for _, n := range []int{1, 2, 3, 5, 1 << 20} {
			found, err := streamed(r, "application/json", []byte(tt.body), n)
			if have := strings.Join(named(found), " "); err != nil || have != tt.want {
				t.Errorf("%s in pieces of %d: %q, %v, want %q", tt.body, n, have, err, tt.want)
			}
		}
	}
}

// TestReferences_bounds: more references than are looked up, or one that cannot
// be an id, are refused.
func TestReferences_bounds(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	r := d.Route("POST", "/v1/responses")
	many := func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf(`"vs_%d"`, i)
		}
		return `{"tools":[{"vector_store_ids":[` + strings.Join(ids, ",") + `]}]}`
	}
	for _, tt := range []struct {
		name, body string
		want       int
	}{
		{"512", many(512), 512},
		{"513", many(513), -1},
		{"one a thousand times", `{"a":[` + strings.Repeat(`{"file_id":"f"},`, 1000) + `{}]}`, 1},
		{"an id of a kilobyte", `{"file_id":"` + strings.Repeat("x", 1000) + `"}`, -1},
		{"two kinds of one item", `{"input":[{"type":"message","type":"item_reference","id":"x"}]}`, -1},
		{"values within values", strings.Repeat(`{"container":`, 40) + `{"id":"c"}` + strings.Repeat("}", 40), -1},
		{"depth", `{"x":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `,"file_id":"f"}`, 1},
	} {
		q, err := d.Inspect(r, "application/json", []byte(tt.body))
		found, err2 := streamed(r, "application/json", []byte(tt.body), 1000)
		if tt.want < 0 {
			if !errors.Is(err, dialect.ErrReferences) || !errors.Is(err2, dialect.ErrReferences) || !errors.Is(err, metering.ErrInvalid) {
				t.Errorf("%s: %v, %v", tt.name, err, err2)
			}
			continue
		}
		if err != nil || err2 != nil || len(q.References) != tt.want || len(found) != tt.want {
			t.Errorf("%s: %d and %d references, %v, %v", tt.name, len(q.References), len(found), err, err2)
		}
	}
}

// form is a multipart body.
func form(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--b\r\n" + p + "\r\n")
	}
	return b.String() + "--b--\r\n"
}

// TestReferences_form: fields of forms are members, and the lines of a file that
// is to run as a batch are bodies.
func TestReferences_form(t *testing.T) {
	t.Parallel()
	field := func(name, value string) string {
		return `Content-Disposition: form-data; name="` + name + `"` + "\r\n\r\n" + value
	}
	file := func(content string) string {
		return "Content-Type: application/jsonl\r\n" + `Content-Disposition: form-data; name="file"; filename="a;b.jsonl"` + "\r\n\r\n" + content
	}
	lines := `{"custom_id":"1","body":{"previous_response_id":"resp_1"}}` + "\n{\"broken\n" +
		`{"custom_id":"2","body":{"input":[{"type":"item_reference","id":"msg_1"}],"messages":[{"content":"x"}]}}` + "\n"
	for _, tt := range []struct {
		name, body, want string
		bad              bool
	}{
		{"a field", form(field("file_id", "file-1"), field("x", "y")), "file:file-1", false},
		{"a list", form(field("file_ids[]", "file-1"), field("file_ids[]", "file-2")), "file:file-1 file:file-2", false},
		{"an object", form(field("video[id]", "video_1"), field("video", "text")), "video:video_1", false},
		{"JSON in a field", form(field("session", `{"container":{"id":"c"},"x":[{"file_id":"file-1"}]}`)), "container:c file:file-1", false},
		{"a file of the client's", form(field("purpose", "user_data"), file(lines)), "", false},
		{"a batch", form(field("purpose", "batch"), file(lines)), "response:resp_1 item:msg_1", false},
		{"a batch whose purpose comes last", form(file(lines), field("purpose", "batch")), "response:resp_1 item:msg_1", false},
		{"an empty field", form(field("purpose", ""), field("file_id", "f")), "file:f", false},
		{"two names", form(`Content-Disposition: form-data; name="x"; name="file_id"` + "\r\n\r\nf"), "", true},
		{"an encoded name", form(`Content-Disposition: form-data; name*=utf-8''file%5fid` + "\r\n\r\nf"), "", true},
		{"no end", "--b\r\n" + field("file_id", "f"), "", true},
		{"line feeds alone", strings.ReplaceAll(form(field("file_id", "f")), "\r", ""), "", true},
	} {
		d, _ := dialect.Named("openai")
		r := d.Route("POST", "/v1/files")
		for _, n := range []int{1, 2, 7, 1 << 20} {
			found, err := streamed(r, "multipart/form-data; boundary=b", []byte(tt.body), n)
			if tt.bad != errors.Is(err, dialect.ErrReferences) || !cmp.Equal(strings.Fields(tt.want), named(found), cmpopts.EquateEmpty()) {
				t.Errorf("%s in pieces of %d: %q, %v, want %q", tt.name, n, named(found), err, tt.want)
			}
		}
	}
}

// FuzzReferences: whatever a body is, the same is found however it is cut.
func FuzzReferences(f *testing.F) {
	for _, s := range []string{
		`{"input":[{"id":"a","type":"item_reference"}],"container":{"id":"c"}}`, `{"file_ids":["a",{"b":"c"}],"x":"\\"}`,
		`{"metadata":{"a":[}],"file_id":"x"}`, "\xef\xbb\xbf{\"\\u0066ile_id\":\"\\ud800\"}", form("Content-Disposition: form-data; name=x\r\n\r\n{}"),
	} {
		f.Add([]byte(s), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		for _, call := range fuzzCalls() {
			for _, kind := range []string{"application/json", "multipart/form-data; boundary=b"} {
				whole, err := streamed(call.route, kind, body, len(body)+1)
				cut, err2 := streamed(call.route, kind, body, 1+int(size))
				if (err == nil) != (err2 == nil) || err == nil && !cmp.Equal(whole, cut, cmpopts.EquateEmpty()) {
					t.Fatalf("%q by %d: %v %v, whole %v %v", body, size, cut, err2, whole, err)
				}
			}
		}
	})
}

// BenchmarkInspect_messages is a conversation of 400 messages without a reference
// in it.
func BenchmarkInspect_messages(b *testing.B) {
	d, _ := dialect.Named("openai")
	route := d.Route("POST", "/v1/chat/completions")
	body := []byte(`{"model":"gpt-5","messages":[` + strings.Repeat(`{"role":"user","content":[{"type":"text","text":"how much flows over the weir by the hour?"}]},`, 400) + `{}]}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Inspect(route, "application/json", body); err != nil {
			b.Fatal(err)
		}
	}
}
