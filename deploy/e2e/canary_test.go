package e2e_test

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"

	"github.com/weirhq/weir/metering/meteringtest"
)

// TestCanary looks for a prompt, an answer and the secrets of a call in
// everything that is kept: disk, log, database, Redis. T71, S29, I12.
func TestCanary(t *testing.T) {
	program(t)
	const prompt, said = "canary-prompt-5f1c", "canary-answer-77ad"
	database, counters := meteringtest.Postgres(t), meteringtest.Redis(t)
	o := newEcho(t, said)
	p := start(t, options{
		config: strings.Replace(oracleConfig(o), "upstream-secret", "canary-credential-31aa", 1) + "log: {level: debug}\n",
		env:    []string{"DATABASE_URL=" + database, "REDIS_URL=" + counters},
	})
	key := p.customer("acme")
	for _, body := range []string{
		`{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + prompt + `"}]}`,
		`{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"` + prompt + `"}]}`,
		`{"model":"no-such-model","messages":[{"role":"user","content":"` + prompt + `"}]}`,
		`{"model":"gpt-4o-mini","messages":"` + prompt, // broken
	} {
		req, err := http.NewRequest(http.MethodPost, p.proxy+"/v1/chat/completions", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if u := p.usage("acme"); u.Totals.Requests != 4 {
		t.Fatalf("%d calls recorded, want 4: the search would show nothing", u.Totals.Requests)
	}
	token, err := os.ReadFile(filepath.Join(p.data, "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	canaries := []string{prompt, said, "canary-credential-31aa", key}
	find := func(where string, content []byte) {
		for _, c := range canaries {
			if bytes.Contains(content, []byte(c)) {
				t.Errorf("%s holds %q", where, c)
			}
		}
	}
	find("the log", []byte(p.tail(1<<24)))
	if strings.Contains(p.tail(1<<24), strings.TrimSpace(string(token))) {
		t.Error("the log holds the access token")
	}
	searched := 0
	err = filepath.WalkDir(p.data, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		searched += len(content)
		find(name, content)
		return err
	})
	if err != nil || searched == 0 {
		t.Fatalf("search the data directory: %v, %d bytes", err, searched)
	}
	find("PostgreSQL", dump(t, database))
	find("Redis", keysAndValues(t, counters))
}

// dump returns every row of every table as text.
func dump(t *testing.T, url string) []byte {
	t.Helper()
	db, err := sql.Open("pgx", url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tables, err := db.Query(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for tables.Next() {
		var name string
		if err := tables.Scan(&name); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := tables.Err(); err != nil || len(names) < 5 {
		t.Fatalf("tables: %v %v", names, err)
	}
	var out bytes.Buffer
	for _, name := range names {
		rows, err := db.Query(`SELECT t::text FROM "` + name + `" t`)
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				t.Fatal(err)
			}
			out.WriteString(text + "\n")
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func keysAndValues(t *testing.T, url string) []byte {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer c.Close()
	var out bytes.Buffer
	keys, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(keys) == 0 {
		t.Fatalf("keys of Redis: %v %v", keys, err)
	}
	for _, k := range keys {
		value, err := c.Dump(t.Context(), k).Result()
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(k + " " + value + "\n")
	}
	return out.Bytes()
}

// newEcho is an upstream whose answers and errors hold a text.
func newEcho(t *testing.T, text string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client is gone
		}
		switch {
		case bytes.Contains(body, []byte("no-such-model")):
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprintf(w, `{"error":{"message":%q,"type":"invalid_request_error","code":"model_not_found"}}`, string(body))
		case bytes.Contains(body, []byte(`"stream":true`)):
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[{\"index\":0,\"delta\":{\"content\":%q}}]}\n\n", text)
			fmt.Fprint(w, "data: {\"id\":\"c\",\"model\":\"gpt-4o-mini\",\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\ndata: [DONE]\n\n")
		default:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"c","model":"gpt-4o-mini","choices":[{"index":0,"message":{"role":"assistant","content":%q}}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`, text)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}
