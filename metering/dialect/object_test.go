package dialect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/weirhq/weir/metering/dialect"
)

// owned is what a path says about stored objects.
type owned struct {
	Objects                               []dialect.Object
	Creates                               string
	Deletes, Listing, Uncounted, Stateful bool
}

// TestRoute_objects: what a path names, creates and deletes, and which paths
// reach what is everybody's (S26).
func TestRoute_objects(t *testing.T) {
	t.Parallel()
	one := func(kind, id string) []dialect.Object { return []dialect.Object{{Kind: kind, ID: id}} }
	with := func(kind, id string) owned { return owned{Objects: one(kind, id), Stateful: true} }
	makes := func(kind string) owned { return owned{Creates: kind, Stateful: true} }
	deletes := func(kind, id string) owned { return owned{Objects: one(kind, id), Deletes: true, Stateful: true} }
	listing := owned{Listing: true, Stateful: true}
	costs := func(o owned) owned { o.Uncounted = true; return o }
	for _, tt := range []struct {
		dialect, method, path string
		want                  owned
	}{
		{"openai", "POST", "/v1/files", makes("file")},
		{"openai", "POST", "/v1/files/", makes("file")},
		{"openai", "GET", "/v1/files", listing},
		{"openai", "PUT", "/v1/files", listing},
		{"openai", "GET", "/v1/files/file-1", with("file", "file-1")},
		{"openai", "HEAD", "/openai/v1/files/file-1", with("file", "file-1")},
		{"openai", "GET", "/v1/files/file-1/content", with("file", "file-1")},
		{"openai", "DELETE", "/v1/files/file-1", deletes("file", "file-1")},
		{"openai", "DELETE", "/v1/files/file-1/", deletes("file", "file-1")},
		{"openai", "GET", "/v1/files/file-1/responses", with("file", "file-1")},
		{"openai", "POST", "/v1/uploads", makes("upload")},
		{"openai", "POST", "/v1/uploads/u/parts", with("upload", "u")},
		{"openai", "POST", "/v1/uploads/u/complete", owned{Objects: one("upload", "u"), Creates: "file", Stateful: true}},
		{"openai", "POST", "/v1/batches", makes("batch")},
		{"openai", "POST", "/v1/batches/b/cancel", with("batch", "b")},
		{"openai", "POST", "/v1/batch/jobs", makes("batch")},
		{"openai", "GET", "/v1/batch/jobs/b", with("batch", "b")},
		{"openai", "GET", "/v1/batch/jobs", listing},
		{"openai", "GET", "/v1/responses/resp_1", with("response", "resp_1")},
		{"openai", "GET", "/v1/responses/resp_1/input_items", with("response", "resp_1")},
		{"openai", "POST", "/v1/responses/resp_1/cancel", with("response", "resp_1")},
		{"openai", "DELETE", "/v1/responses/resp_1", deletes("response", "resp_1")},
		{"openai", "GET", "/v1/responses", listing},
		{"openai", "POST", "/v1/responses", owned{Creates: "response"}},
		{"openai", "POST", "/v1/responses/compact", owned{}},
		{"openai", "POST", "/v1/chat/completions", owned{Creates: "completion"}},
		{"openai", "GET", "/v1/chat/completions", listing},
		{"openai", "GET", "/v1/chat/completions/c/messages", with("completion", "c")},
		{"openai", "POST", "/v1/chat/completions/c", with("completion", "c")},
		{"openai", "POST", "/openai/deployments/files/chat/completions", owned{Creates: "completion"}},
		{"openai", "POST", "/openai/deployments/d/files", makes("file")},
		{"openai", "POST", "/v1/conversations", makes("conversation")},
		{"openai", "GET", "/v1/conversations/c/items/i", with("conversation", "c")},
		{"openai", "POST", "/v1/vector_stores", makes("vector_store")},
		{"openai", "GET", "/v1/vector_stores/vs/files", with("vector_store", "vs")},
		{"openai", "DELETE", "/v1/vector_stores/vs", deletes("vector_store", "vs")},
		{"openai", "DELETE", "/v1/vector_stores/vs/files/f", owned{Objects: []dialect.Object{{Kind: "vector_store", ID: "vs"}, {Kind: "file", ID: "f"}}, Stateful: true}},
		{"openai", "POST", "/v1/vector_stores/vs/search", with("vector_store", "vs")},
		{"openai", "GET", "/v1/containers/c/files/f/content", with("container", "c")},
		{"openai", "POST", "/v1/assistants", makes("assistant")},
		{"openai", "POST", "/v1/threads", makes("thread")},
		{"openai", "POST", "/v1/threads/runs", costs(makes("thread"))},
		{"openai", "POST", "/v1/threads/t/messages", with("thread", "t")},
		{"openai", "POST", "/v1/threads/t/runs", costs(with("thread", "t"))},
		{"openai", "POST", "/v1/fine_tuning/jobs", costs(makes("fine_tuning_job"))},
		{"openai", "GET", "/v1/fine_tuning/jobs/j/events", with("fine_tuning_job", "j")},
		{"openai", "GET", "/v1/fine_tuning/checkpoints/x/permissions", listing},
		{"openai", "POST", "/v1/videos", owned{Creates: "video"}},
		{"openai", "POST", "/v1/videos/generations", owned{Creates: "video"}},
		{"openai", "POST", "/v1/videos/edits", costs(makes("video"))},
		{"openai", "POST", "/v1/audio/voices", makes("voice")},
		{"openai", "GET", "/v1/predictions/p", with("prediction", "p")},
		{"openai", "POST", "/v1/models/o/n/predictions", owned{Creates: "prediction"}},
		{"openai", "GET", "/v1/videos/v/content", with("video", "v")},
		{"openai", "POST", "/v1/videos/v/remix", costs(owned{Objects: one("video", "v"), Creates: "video", Stateful: true})},
		{"openai", "POST", "/v1/realtime/calls", costs(makes("call"))},
		{"openai", "POST", "/v1/realtime/calls/rtc_1/hangup", with("call", "rtc_1")},
		{"openai", "POST", "/v1/realtime/client_secrets", costs(makes("client_secret"))},
		{"openai", "DELETE", "/v1/models/ft:x", deletes("model", "ft:x")},
		{"openai", "GET", "/v1/organization/costs", listing},
		{"openai", "POST", "/v1/evals", listing},
		{"openai", "GET", "/api/v1/generation", listing},
		{"openai", "GET", "/v1/models", owned{}},
		{"openai", "OPTIONS", "/v1/files/x", owned{}},
		{"anthropic", "POST", "/v1/messages", owned{}},
		{"anthropic", "POST", "/v1/messages/batches", makes("batch")},
		{"anthropic", "GET", "/v1/messages/batches", listing},
		{"anthropic", "GET", "/v1/messages/batches/b/results", with("batch", "b")},
		{"anthropic", "DELETE", "/v1/messages/batches/b", deletes("batch", "b")},
		{"anthropic", "POST", "/v1/files", makes("file")},
		{"anthropic", "GET", "/v1/files/f/content", with("file", "f")},
		{"anthropic", "GET", "/v1/skills/s/versions/v", with("skill", "s")},
		{"anthropic", "POST", "/v1/sessions", costs(makes("session"))},
		{"anthropic", "POST", "/v1/sessions/s/events", costs(with("session", "s"))},
		{"anthropic", "GET", "/v1/organizations/usage_report/messages", listing},
		{"gemini", "POST", "/upload/v1beta/files", makes("file")},
		{"gemini", "GET", "/v1beta/files", listing},
		{"gemini", "GET", "/v1beta/files/f:download", with("file", "f")},
		{"gemini", "GET", "/v1beta/files/f%3Adownload", with("file", "f")},
		{"gemini", "DELETE", "/v1beta/files/f", deletes("file", "f")},
		{"gemini", "POST", "/v1beta/cachedContents", makes("cached_content")},
		{"gemini", "PATCH", "/v1beta/cachedContents/c", with("cached_content", "c")},
		{"gemini", "GET", "/v1/projects/p/locations/l/cachedContents/9", with("cached_content", "9")},
		{"gemini", "POST", "/v1beta/models/g:batchGenerateContent", makes("batch")},
		{"gemini", "POST", "/v1beta/batches/b:cancel", with("batch", "b")},
		{"gemini", "GET", "/v1beta/models/veo/operations/o", with("operation", "o")},
		{"gemini", "POST", "/v1beta/models/veo:predictLongRunning", costs(makes("operation"))},
		{"gemini", "POST", "/v1beta/models/veo-3.1-generate-preview:predictLongRunning", makes("operation")},
		{"gemini", "POST", "/v1/projects/p/locations/l/publishers/google/models/veo:fetchPredictOperation", owned{Stateful: true}},
		{"gemini", "POST", "/v1beta/tunedModels/t:generateContent", owned{Objects: one("tuned_model", "t")}},
		{"gemini", "POST", "/v1beta/interactions", owned{Creates: "interaction"}},
		{"gemini", "GET", "/v1beta/interactions/i", with("interaction", "i")},
		{"gemini", "POST", "/v1beta/models/g:generateContent", owned{}},
		{"gemini", "POST", "/v1beta/openai/chat/completions", owned{Creates: "completion"}},
		{"gemini", "GET", "/v1beta/openai/files/f", with("file", "f")},
	} {
		d, ok := dialect.Named(tt.dialect)
		if !ok {
			t.Fatal(tt.dialect)
		}
		r := d.Route(tt.method, tt.path)
		have := owned{r.Objects, r.Creates, r.Deletes, r.Listing, r.Uncounted, r.Class == dialect.Stateful}
		if diff := cmp.Diff(tt.want, have, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s %s (-want +have):\n%s", tt.method, tt.path, diff)
		}
	}
}

// TestMade: what answers bring into being, streamed and not, and however they are
// cut.
func TestMade(t *testing.T) {
	t.Parallel()
	object := func(pairs ...string) (out []dialect.Object) {
		for i := 0; i < len(pairs); i += 2 {
			out = append(out, dialect.Object{Kind: pairs[i], ID: pairs[i+1]})
		}
		return out
	}
	for _, tt := range []struct {
		name, dialect, method, path, body, answer string
		status                                    int
		want                                      []dialect.Object
	}{
		{"file", "openai", "POST", "/v1/files", "", `{"object":"file","id":"file-1"}`, 200, object("file", "file-1")},
		{"refused", "openai", "POST", "/v1/files", "", `{"error":{"message":"x"},"id":"file-1"}`, 400, nil},
		{"read, not made", "openai", "GET", "/v1/files/f", "", `{"id":"f","metadata":{"id":"g"}}`, 200, nil},
		{"content that looks like a batch", "openai", "GET", "/v1/files/f/content", "", `{"output_file_id":"file-of-another"}`, 200, nil},
		{"batch at its end", "openai", "GET", "/v1/batches/b", "", `{"id":"b","output_file_id":"o","error_file_id":null,"metadata":{"error_file_id":"x"}}`, 200, object("file", "o")},
		{"upload", "openai", "POST", "/v1/uploads/u/complete", "", `{"id":"u","file":{"id":"file-2"}}`, 200, object("file", "file-2")},
		{"run that makes a thread", "openai", "POST", "/v1/threads/runs", "", `{"id":"run_1","thread_id":"thread_1"}`, 200, object("thread", "thread_1")},
		{"tuning", "openai", "GET", "/v1/fine_tuning/jobs/j", "", `{"id":"j","result_files":["file-r"]}`, 200, object("file", "file-r")},
		{"xAI's video", "openai", "POST", "/v1/videos/generations", "", `{"request_id":"v-1"}`, 200, object("video", "v-1")},
		{
			"response", "openai", "POST", "/v1/responses", `{"model":"m"}`,
			`{"id":"resp_1","object":"response","status":"completed","output":[{"id":"rs_1","type":"reasoning"},{"type":"code_interpreter_call","id":"ci_1","container_id":"cntr_1"}]}`, 200,
			object("response", "resp_1", "item", "rs_1", "item", "ci_1", "container", "cntr_1"),
		},
		{
			"response in a stream", "openai", "POST", "/v1/responses", `{"stream":true}`,
			"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_1\",\"output\":[]}}\n\n" +
				"data: {\"type\":\"response.output_item.done\",\"item\":{\"id\":\"msg_1\",\"type\":\"message\"}}\n\n" +
				"data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_1\",\"output\":[{\"id\":\"msg_1\"}]}}\n\n", 200,
			object("response", "resp_1", "item", "msg_1"),
		},
		{"response that is not stored", "openai", "POST", "/v1/responses", `{"store":false}`, `{"id":"resp_1","output":[{"id":"rs_1"}]}`, 200, nil},
		{"completion", "openai", "POST", "/v1/chat/completions", `{"model":"m"}`, `{"id":"chatcmpl-1","choices":[]}`, 200, nil},
		{"stored completion", "openai", "POST", "/v1/chat/completions", `{"store":true}`, `{"id":"chatcmpl-1","choices":[]}`, 200, object("completion", "chatcmpl-1")},
		{"sound", "openai", "POST", "/v1/chat/completions", `{}`, `{"id":"c","choices":[{"message":{"audio":{"id":"audio_1"}}}]}`, 200, object("item", "audio_1")},
		{
			"Anthropic's container and file", "anthropic", "POST", "/v1/messages", `{}`,
			`{"id":"msg_1","type":"message","container":{"id":"container_1"},"content":[{"type":"bash_code_execution_tool_result","content":{"content":[{"file_id":"file_9"}]}},` +
				`{"type":"mcp_tool_result","content":{"content":[{"file_id":"file_of_another"}]}}]}`, 200,
			object("container", "container_1", "file", "file_9"),
		},
		{
			"Anthropic's container in a stream", "anthropic", "POST", "/v1/messages", `{"stream":true}`,
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"code_execution_tool_result\",\"content\":{\"content\":[{\"file_id\":\"file_9\"}]}}}\n\n" +
				"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"container\":{\"id\":\"container_1\"}},\"usage\":{\"output_tokens\":1}}\n\n", 200,
			object("file", "file_9", "container", "container_1"),
		},
		{"Google's file", "gemini", "POST", "/upload/v1beta/files", "", `{"file":{"name":"files/abc"}}`, 200, object("file", "abc")},
		{"Google's batch", "gemini", "POST", "/v1beta/models/g:batchGenerateContent", "", `{"name":"batches/b1","metadata":{}}`, 200, object("batch", "b1")},
		{"Google's operation", "gemini", "POST", "/v1beta/models/veo:predictLongRunning", "", `{"name":"models/veo/operations/o1"}`, 200, object("operation", "o1")},
		{
			"Google's video", "gemini", "GET", "/v1beta/models/veo/operations/o1", "",
			`{"done":true,"response":{"generateVideoResponse":{"generatedSamples":[{"video":{"uri":"https://generativelanguage.googleapis.com/v1beta/files/z1:download?alt=media"}}]}}}`, 200,
			object("file", "z1"),
		},
		{"Google's batch at its end", "gemini", "GET", "/v1beta/batches/b1", "", `{"name":"batches/b1","response":{"responsesFile":"files/batch-b1"}}`, 200, object("file", "batch-b1")},
		{"Google's cache", "gemini", "POST", "/v1beta/cachedContents", "", `{"name":"cachedContents/c1"}`, 200, object("cached_content", "c1")},
	} {
		d, _ := dialect.Named(tt.dialect)
		r := d.Route(tt.method, tt.path)
		q, err := d.Inspect(r, "application/json", []byte(tt.body))
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range []int{1, 7, len(tt.answer)} {
			s := d.Scanner(r, q, dialect.Response{Status: tt.status})
			m, ok := s.(dialect.Maker)
			if !ok {
				t.Fatalf("%s: no Maker", tt.name)
			}
			var seen []dialect.Object
			for rest := []byte(tt.answer); len(rest) > 0; {
				n := min(size, len(rest))
				s.Scan(rest[:n])
				rest = rest[n:]
				made := m.Made()
				if len(made) < len(seen) || !cmp.Equal(seen, made[:len(seen)], cmpopts.EquateEmpty()) {
					t.Fatalf("%s: %v became %v", tt.name, seen, made)
				}
				seen = append(seen[:0], made...)
			}
			if diff := cmp.Diff(tt.want, seen, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s in pieces of %d (-want +have):\n%s", tt.name, size, diff)
			}
			u := s.Close(dialect.Ended)
			if r.Creates != "" && r.Class == dialect.Stateful && len(tt.want) > 0 && strings.TrimPrefix(u.ObjectID, "batches/") != tt.want[0].ID {
				t.Errorf("%s: the fact has %q", tt.name, u.ObjectID)
			}
		}
	}
}
