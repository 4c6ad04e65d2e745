package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/proxy/proxytest"
)

// TestObjects is S26, I9, T53 and T69: on two replicas, what a customer has
// created is that customer's alone, whoever is named per call, and what is
// retrieved is not counted again.
func TestObjects(t *testing.T) {
	program(t)
	simulator := httptest.NewServer(proxytest.NewSimulator(proxytest.SimulatorOptions{Keys: []string{"upstream-secret"}}))
	defer simulator.Close()
	env := []string{"DATABASE_URL=" + meteringtest.Postgres(t), "REDIS_URL=" + meteringtest.Redis(t)}
	first := start(t, options{config: oracleConfig(simulator.URL), env: env})
	acme, globex := first.customer("acme"), first.customer("globex")
	backend := first.customer("backend", "--permit", "attribute")
	second := start(t, options{config: oracleConfig(simulator.URL), env: env})

	call := func(p *process, key, method, path, contentType string, body []byte, fields ...string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, p.proxy+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		if contentType != "" {
			req.Header.Set("Content-Type", contentType)
		}
		for i := 0; i < len(fields); i += 2 {
			req.Header.Set(fields[i], fields[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	create := func(p *process, key, path, contentType string, body []byte, fields ...string) string {
		t.Helper()
		status, text := call(p, key, "POST", path, contentType, body, fields...)
		var made struct{ ID string }
		if err := json.Unmarshal([]byte(text), &made); err != nil || status != 200 || made.ID == "" {
			t.Fatalf("POST %s: %d %s", path, status, text)
		}
		return made.ID
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "a.txt")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte("of acme alone")); err != nil {
		t.Fatal(err)
	}
	if err := w.WriteField("purpose", "user_data"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const js = "application/json"
	file := create(first, acme, "/v1/files", w.FormDataContentType(), form.Bytes())
	store := create(first, acme, "/v1/vector_stores", js, []byte(`{"file_ids":["`+file+`"]}`))
	talk := create(first, backend, "/v1/conversations", js, []byte(`{}`), "X-Weir-Customer", "acme")
	answer := create(first, acme, "/v1/responses", js, []byte(`{"model":"gpt-4o","input":"who are you"}`))

	for _, path := range []string{"/v1/files/" + file, "/v1/files/" + file + "/content", "/v1/vector_stores/" + store, "/v1/conversations/" + talk, "/v1/responses/" + answer} {
		for _, p := range []*process{first, second} {
			if status, text := call(p, acme, "GET", path, "", nil); status != 200 {
				t.Errorf("the creator's %s: %d %s", path, status, text)
			}
			for _, method := range []string{"GET", "DELETE"} {
				status, text := call(p, globex, method, path, "", nil)
				_, nobody := call(p, globex, method, path+"x", "", nil)
				if status != 404 || text != nobody || strings.Contains(text, "acme") {
					t.Errorf("another's %s %s: %d %s, nobody's is %s", method, path, status, text, nobody)
				}
			}
			if status, _ := call(p, backend, "GET", path, "", nil, "X-Weir-Customer", "globex"); status != 404 {
				t.Errorf("on behalf of another %s: %d", path, status)
			}
		}
	}
	for _, body := range []string{
		`{"model":"gpt-4o","input":"and then","previous_response_id":"` + answer + `"}`,
		`{"model":"gpt-4o","input":"x","conversation":{"id":"` + talk + `"}}`,
		`{"model":"gpt-4o","input":[{"role":"user","content":[{"type":"input_file","file_id":"` + file + `"}]}]}`,
	} {
		if status, text := call(second, acme, "POST", "/v1/responses", js, []byte(body)); status != 200 {
			t.Errorf("the creator's %s: %d %s", body, status, text)
		}
		if status, text := call(second, globex, "POST", "/v1/responses", js, []byte(body)); status != 404 {
			t.Errorf("another's %s: %d %s", body, status, text)
		}
	}
	if status, text := call(first, acme, "GET", "/v1/files", "", nil); status != 403 || !strings.Contains(text, "listing_not_allowed") {
		t.Errorf("a list: %d %s", status, text)
	}
	if status, text := call(first, acme, "DELETE", "/v1/files/"+file, "", nil); status != 200 {
		t.Errorf("delete: %d %s", status, text)
	}
	if status, _ := call(second, acme, "GET", "/v1/files/"+file, "", nil); status != 404 {
		t.Errorf("what is deleted: %d", status)
	}

	var before, after struct {
		Totals struct {
			Requests int64 `json:"requests"`
			Input    int64 `json:"input_tokens"`
			Output   int64 `json:"output_tokens"`
		} `json:"totals"`
	}
	first.decode(&before, "usage", "--customer", "acme", "--sync")
	for i := range 100 {
		p := []*process{first, second}[i%2]
		if status, text := call(p, acme, "GET", "/v1/responses/"+answer, "", nil); status != 200 {
			t.Fatalf("retrieval %d: %d %s", i, status, text)
		}
	}
	first.decode(&after, "usage", "--customer", "acme", "--sync")
	if before.Totals.Input == 0 || after.Totals.Input != before.Totals.Input || after.Totals.Output != before.Totals.Output {
		t.Errorf("usage was %+v and is %+v after 100 retrievals", before.Totals, after.Totals)
	}
}
