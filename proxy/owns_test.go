package proxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// owners knows the owners of objects, in memory.
type owners struct {
	mu      sync.Mutex
	of      map[string]string // provider, kind and id → customer
	noted   []string
	created []string
	paths   []string // of what was created
	deleted []string
	asked   int
	away    error  // of Ready
	broken  error  // of Created and Owned
	before  func() // is called by Created
}

func name(provider string, o dialect.Object) string { return provider + " " + o.Kind + " " + o.ID }

func (w *owners) Owned(_ context.Context, org, customer, provider string, list []dialect.Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	for _, o := range list {
		if w.broken != nil {
			return w.broken
		}
		if org != "default" || w.of[name(provider, o)] != customer {
			return fmt.Errorf("%s: %w", o.Kind, metering.ErrNotFound)
		}
	}
	return nil
}

func (w *owners) Foreign(_ context.Context, _, customer, provider string, list []dialect.Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	for _, o := range list {
		if w.broken != nil {
			return w.broken
		}
		if owner, known := w.of[name(provider, o)]; known && owner != customer {
			return fmt.Errorf("%s: %w", o.Kind, metering.ErrNotFound)
		}
	}
	return nil
}

func (w *owners) Ready(context.Context) error { return w.away }

func (w *owners) Noted(c *metering.Call, o dialect.Object) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[name(c.Provider, o)] = c.Customer
	w.noted = append(w.noted, name(c.Provider, o))
}

func (w *owners) Created(_ context.Context, c *metering.Call, o dialect.Object, path string) error {
	if w.before != nil {
		w.before()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.of[name(c.Provider, o)] = c.Customer
	w.created = append(w.created, name(c.Provider, o))
	w.paths = append(w.paths, path)
	return w.broken
}

func (w *owners) Deleted(_ context.Context, _, provider string, o dialect.Object) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.of, name(provider, o))
	w.deleted = append(w.deleted, name(provider, o))
	return nil
}

// owning starts a proxy whose customer c1 owns what of says.
func owning(t *testing.T, o *origin, of map[string]string) (*rig, *owners) {
	t.Helper()
	w := &owners{of: of}
	if w.of == nil {
		w.of = map[string]string{}
	}
	return start(t, o, func(p *proxy.Options) {
		p.Objects, p.Upstreams, p.Inspect = w, upstreams(t, o), 4<<10
	}), w
}

// request is a request without a body, or with one.
func request(method, path, body string, fields ...string) string {
	return strings.Replace(post(path, body, fields...), "POST", method, 1)
}

// globex makes a call one of another customer.
const globex = "X-Weir-Customer: globex"

// keptOpen asks on one connection for as long as it stays open.
type keptOpen struct {
	r *rig
	c net.Conn
	b *bufio.Reader
}

func (k *keptOpen) ask(method, request string) (*http.Response, []byte, error) {
	if k.c == nil {
		k.c = k.r.dial()
		k.b = bufio.NewReader(k.c)
	}
	if _, err := io.WriteString(k.c, request); err != nil {
		return nil, nil, err
	}
	resp, body, err := answerTo(k.b, method)
	if err == nil && resp.Close {
		err = k.c.Close()
		k.c = nil
	}
	return resp, body, err
}

// statefulPaths are paths of every shape that the routers tell apart, generated
// from the names of the collections, and among them everything stateful.
func statefulPaths() (out []struct{ dialect, method, path string }) {
	add := func(name, path string) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			out = append(out, struct{ dialect, method, path string }{name, method, path})
		}
	}
	shapes := []string{"/%s", "/%s/", "/%s/one", "/%s/one/", "/%s/one/content", "/%s/one/cancel", "/%s/one/files/two", "/%s/jobs", "/%s/jobs/one", "/%s/jobs/one/events", "/%s/runs", "/%s/one/runs/two/steps"}
	for _, c := range []string{
		"files", "uploads", "batches", "batch", "responses", "chat/completions", "completions", "conversations", "vector_stores", "containers", "assistants", "threads",
		"fine_tuning", "fine-tunes", "videos", "realtime", "realtime/calls", "skills", "models", "organization", "organizations", "evals", "traces", "chatkit", "live", "generation", "runs",
	} {
		for _, shape := range shapes {
			add("openai", "/v1"+fmt.Sprintf(shape, c))
		}
	}
	for _, c := range []string{"messages/batches", "messages", "files", "skills", "agents", "environments", "sessions", "organizations", "experimental"} {
		for _, shape := range shapes {
			add("anthropic", "/v1"+fmt.Sprintf(shape, c))
		}
	}
	for _, c := range []string{
		"files", "cachedContents", "batches", "operations", "interactions", "tunedModels", "corpora", "fileSearchStores", "models/m/operations", "openai/files", "openai/batches",
		"reasoningEngines", "ragCorpora", "datasets", "tuningJobs", "batchPredictionJobs",
	} {
		for _, shape := range append(shapes, "/%s/one:download", "/%s/one%%3Acancel") {
			add("gemini", "/v1beta"+fmt.Sprintf(shape, c))
		}
	}
	return out
}

// TestOwns_matrix covers T68, S26 and I9: on every stateful path that there is,
// another customer's key gets nothing, and the same for what is not there. The
// owner gets through.
func TestOwns_matrix(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		answer := respond("200 OK", "application/json", `{}`)
		if strings.HasPrefix(g.line, "HEAD") {
			answer = strings.TrimSuffix(answer, "{}")
		}
		write(c, answer)
	})
	of := map[string]string{}
	r, w := owning(t, o, of)
	k := &keptOpen{r: r}
	mine, theirs, listings, makes := 0, 0, 0, 0
	for _, p := range statefulPaths() {
		d, _ := dialect.Named(p.dialect)
		route := d.Route(p.method, p.path)
		if route.Class != dialect.Stateful {
			continue
		}
		before, _ := o.seen()
		path := "/" + p.dialect + p.path
		resp, body, err := k.ask(p.method, request(p.method, path, "", globex))
		after, _ := o.seen()
		switch {
		case err != nil:
			t.Fatalf("%s %s: %v", p.method, path, err)
		case route.Listing || len(route.Objects) == 0 && route.Creates == "":
			listings++
			if resp.StatusCode != 403 || len(after) != len(before) {
				t.Errorf("%s %s: %d, %d requests", p.method, path, resp.StatusCode, len(after)-len(before))
			}
			continue
		case len(route.Objects) == 0:
			makes++
			if resp.StatusCode != 200 {
				t.Errorf("%s %s: %d", p.method, path, resp.StatusCode)
			}
			continue
		case resp.StatusCode != 404 || len(after) != len(before):
			t.Errorf("nobody's %s %s: %d, %d requests", p.method, path, resp.StatusCode, len(after)-len(before))
		}
		w.mu.Lock()
		for _, obj := range route.Objects {
			of[name(p.dialect, obj)] = "c1"
		}
		w.mu.Unlock()
		resp, body2, err := k.ask(p.method, request(p.method, path, "", globex))
		if err != nil || resp.StatusCode != 404 || string(body) != string(body2) {
			t.Errorf("another's %s %s: %v %q, nobody's is %q", p.method, path, resp, body2, body)
		}
		theirs++
		resp, _, err = k.ask(p.method, request(p.method, path, ""))
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("the owner's %s %s: %v %v", p.method, path, resp, err)
		}
		mine++
		w.mu.Lock()
		clear(of)
		w.mu.Unlock()
	}
	t.Logf("%d paths of objects, %d that create, %d listings", mine, makes, listings)
	if mine < 500 || theirs != mine || makes < 40 || listings < 100 {
		t.Errorf("the matrix has %d, %d, %d and %d paths: something is not generated", mine, theirs, makes, listings)
	}
}

// TestOwns_references: what a body names must be the customer's too, held or
// streamed through (S26, I9).
func TestOwns_references(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{}`)))
	r, _ := owning(t, o, map[string]string{
		"openai response resp_a": "c1", "openai file file-a": "c1", "openai conversation conv_a": "c1", "openai item msg_a": "c1", "openai vector_store vs_a": "c1",
		"anthropic file file_a": "c1", "anthropic container container_a": "c1", "gemini file abc": "c1", "gemini cached_content cc": "c1",
	})
	long := `"x":"` + strings.Repeat("long ", 2000) + `"`
	for _, tt := range []struct{ path, body string }{
		{"/v1/responses", `{"model":"m","previous_response_id":"resp_a"%s}`},
		{"/v1/responses", `{"model":"m","conversation":{"id":"conv_a"}%s}`},
		{"/v1/responses", `{"model":"m","input":[{"role":"user","content":[{"type":"input_file","file_id":"file-a"}]},{"type":"item_reference","id":"msg_a"}]%s}`},
		{"/v1/responses", `{"model":"m","tools":[{"type":"file_search","vector_store_ids":["vs_a"]}]%s}`},
		{"/v1/responses/input_tokens", `{"model":"m","previous_response_id":"resp_a"%s}`},
		{"/v1/batches", `{"input_file_id":"file-a"%s}`},
		{"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"file-a"}}]}]%s}`},
		{"/anthropic/v1/messages", `{"model":"m","container":"container_a","messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"file_a"}}]}]%s}`},
		{"/gemini/v1beta/models/g:generateContent", `{"cachedContent":"cachedContents/cc","contents":[{"parts":[{"fileData":{"fileUri":"files/abc"}}]}]%s}`},
	} {
		for _, behind := range []string{"", "," + long} {
			body := fmt.Sprintf(tt.body, behind)
			resp, _, err := r.ask("POST", post(tt.path, body))
			if err != nil || resp.StatusCode != 200 {
				t.Errorf("the owner's %s: %v %v", tt.body, resp, err)
			}
			before, _ := o.seen()
			resp, answer, err := r.ask("POST", post(tt.path, body, globex))
			after, _ := o.seen()
			if err != nil || resp.StatusCode != 404 || len(after) != len(before) {
				t.Errorf("another's %s, %d bytes: %v %q %v, %d requests", tt.body, len(body), resp, answer, err, len(after)-len(before))
			}
		}
	}
	if resp, body, err := r.ask("POST", post("/byok/v1/responses", `{"previous_response_id":"resp_z"}`, "X-Weir-Key: "+key, "Authorization: Bearer sk-own")); err != nil || resp.StatusCode != 200 {
		t.Errorf("in the client's own account: %v %q %v", resp, body, err)
	}
	if resp, body, err := r.ask("GET", request("GET", "/byok/v1/files", "", "X-Weir-Key: "+key, "Authorization: Bearer sk-own")); err != nil || resp.StatusCode != 200 {
		t.Errorf("a list of the client's own account: %v %q %v", resp, body, err)
	}
	utf16 := "{\x00\"\x00f\x00i\x00l\x00e\x00_\x00i\x00d\x00\"\x00"
	for _, bad := range []string{utf16, utf16 + strings.Repeat("\x00 ", 4000)} {
		if resp, body, err := r.ask("POST", post("/v1/responses", bad)); err != nil || resp.StatusCode != 400 || code(t, body) != "unclear_references" {
			t.Errorf("UTF-16: %v %q %v", resp, body, err)
		}
	}
}

// TestOwns_forms: the fields of a form and the lines of a batch name objects as
// well, and a form that is not whole names none that can be told.
func TestOwns_forms(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"id":"file-new"}`)))
	r, w := owning(t, o, map[string]string{"openai response resp_a": "c1"})
	send := func(pad int, fields ...string) int {
		line := `{"custom_id":"1","url":"/v1/responses","body":{"previous_response_id":"resp_a","x":"` + strings.Repeat("y", pad) + `"}}` + "\n"
		body := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.jsonl\"\r\n\r\n" + line + "\r\n--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--b--\r\n"
		text := strings.Replace(post("/v1/files", body, fields...), "application/json", "multipart/form-data; boundary=b", 1)
		resp, _, err := r.ask("POST", text)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	for _, pad := range []int{0, 20_000} {
		if mine, theirs := send(pad), send(pad, globex); mine != 200 || theirs != 404 {
			t.Errorf("padded by %d: %d for the owner, %d for another", pad, mine, theirs)
		}
	}
	if w.of["openai file file-new"] != "c1" {
		t.Errorf("owners are %v", w.of)
	}
	resp, body, err := r.ask("POST", strings.Replace(post("/v1/files", "--b\r\nno end"), "application/json", "multipart/form-data; boundary=b", 1))
	if err != nil || resp.StatusCode != 400 || code(t, body) != "unclear_references" {
		t.Errorf("half a form: %v %q %v", resp, body, err)
	}
}

// TestOwns_created: what an answer makes is recorded before its last byte leaves,
// behind the fact; answers that are stored are only noted, as early as their id
// is there.
func TestOwns_created(t *testing.T) {
	t.Parallel()
	more := make(chan struct{})
	o := newOrigin(t, func(_ *origin, c net.Conn, g got) {
		switch {
		case strings.HasPrefix(g.line, "DELETE"):
			write(c, respond("200 OK", "application/json", `{"deleted":true}`))
		case strings.Contains(g.line, "/responses") && strings.Contains(string(g.body), `"stream":true`):
			write(c, eventsHead, chunk("event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_s\"}}\n\n"))
			<-more
			write(c, chunk("event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_s\",\"status\":\"completed\",\"output\":[{\"id\":\"msg_s\"}],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n"), "0\r\n\r\n")
		case strings.Contains(g.line, "/responses"):
			write(c, respond("200 OK", "application/json", `{"id":"resp_b","object":"response","status":"queued","background":true}`))
		case strings.Contains(string(g.body), "bad"):
			write(c, respond("400 Bad Request", "application/json", `{"error":{"message":"no"}}`))
		default:
			write(c, respond("200 OK", "application/json", `{"id":"file-1","object":"file"}`))
		}
	})
	r, w := owning(t, o, nil)
	facts := -1
	w.before = func() { _, facts = r.journal.counts() }
	if resp, _, err := r.ask("POST", post("/v1/files", `{}`)); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	if diff := cmp.Diff([]string{"openai file file-1"}, w.created); diff != "" || facts != 1 {
		t.Errorf("%d facts before it; created (-want +have):\n%s", facts, diff)
	}
	if e := r.journal.fact(t, 1); e.Usage.ObjectID != "file-1" || e.Metered || e.Usage.State != metering.UsageNone {
		t.Errorf("the fact is %+v", e)
	}
	if _, _, err := r.ask("POST", post("/v1/files", `{"bad":1}`)); err != nil || len(w.created) != 1 {
		t.Errorf("a refused creation: %v, %v", w.created, err)
	}
	if resp, _, err := r.ask("DELETE", request("DELETE", "/v1/files/file-1", "")); err != nil || resp.StatusCode != 200 || !cmp.Equal(w.deleted, []string{"openai file file-1"}) {
		t.Errorf("deleted %v: %v %v", w.deleted, resp, err)
	}
	if resp, _, err := r.ask("GET", request("GET", "/v1/files/file-1", "")); err != nil || resp.StatusCode != 404 {
		t.Errorf("what is deleted: %v %v", resp, err)
	}

	c := r.dial()
	write(c, post("/v1/responses", `{"model":"m","stream":true}`))
	eventually(t, "the id is noted", 5e9, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.of["openai response resp_s"] == "c1"
	})
	close(more)
	r.journal.fact(t, 4)
	if want := []string{"openai response resp_s", "openai item msg_s"}; !cmp.Equal(w.noted, want) || len(w.created) != 1 {
		t.Errorf("noted %v, created %v", w.noted, w.created)
	}
	if _, _, err := r.ask("POST", post("/v1/responses", `{"model":"m","background":true}`)); err != nil || w.created[len(w.created)-1] != "openai response resp_b" {
		t.Errorf("created %v, %v", w.created, err)
	}
}

// TestOwns_away: where owners cannot be recorded or told, nothing is created or
// touched; what fails afterwards is counted, and the client has its answer.
func TestOwns_away(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"id":"file-1"}`)))
	r, w := owning(t, o, nil)
	w.away = errors.New("the database is away")
	for _, tt := range []struct{ path, body string }{{"/v1/files", "{}"}, {"/v1/responses", `{"model":"m","background":true}`}} {
		if resp, body, err := r.ask("POST", post(tt.path, tt.body)); err != nil || resp.StatusCode != 503 || code(t, body) != "not_recordable" {
			t.Errorf("%s: %v %q %v", tt.path, resp, body, err)
		}
	}
	if resp, _, err := r.ask("POST", post("/v1/responses", `{"model":"m"}`)); err != nil || resp.StatusCode != 200 {
		t.Errorf("a plain response needs no record: %v %v", resp, err)
	}
	w.away, w.broken = nil, errors.New("the database is away")
	if resp, body, err := r.ask("GET", request("GET", "/v1/files/f", "")); err != nil || resp.StatusCode != 503 || code(t, body) != "objects_unavailable" {
		t.Errorf("owner not told: %v %q %v", resp, body, err)
	}
	if resp, _, err := r.ask("POST", post("/v1/files", "{}")); err != nil || resp.StatusCode != 200 || r.s.Stats().Unowned != 1 {
		t.Errorf("not recorded: %v %v, %d counted", resp, err, r.s.Stats().Unowned)
	}
	if requests, _ := o.seen(); len(requests) != 2 {
		t.Errorf("the upstream got %d requests", len(requests))
	}
}

// TestOwns_uncounted: what nobody can count needs the permission for such calls.
func TestOwns_uncounted(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"id":"x"}`)))
	r, _ := owning(t, o, nil)
	for _, path := range []string{"/v1/fine_tuning/jobs", "/v1/realtime/client_secrets", "/v1/threads/runs"} {
		if resp, body, err := r.ask("POST", post(path, "{}", "Authorization: Bearer "+plainKey)); err != nil || resp.StatusCode != 403 || code(t, body) != "route_not_allowed" {
			t.Errorf("%s: %v %q %v", path, resp, body, err)
		}
		if resp, _, err := r.ask("POST", post(path, "{}")); err != nil || resp.StatusCode != 200 {
			t.Errorf("%s with the permission: %v %v", path, resp, err)
		}
	}
}

// TestOwns_retrieved covers T53: usage that an answer repeats is not counted again.
func TestOwns_retrieved(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json",
		`{"id":"resp_1","object":"response","status":"completed","model":"gpt-x","output":[],"usage":{"input_tokens":10,"output_tokens":5,"total_tokens":15}}`)))
	r, w := owning(t, o, nil)
	if _, _, err := r.ask("POST", post("/v1/responses", `{"model":"gpt-x","input":"x"}`)); err != nil {
		t.Fatal(err)
	}
	if e := r.journal.fact(t, 1); e.Usage.Tokens.Input()+e.Usage.Tokens.Output() != 15 || e.Usage.ObjectID != "resp_1" {
		t.Fatalf("the creation is %+v", e.Usage)
	}
	for n := 2; n < 22; n++ {
		resp, _, err := r.ask("GET", request("GET", "/v1/responses/resp_1", ""))
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
		e := r.journal.fact(t, n)
		if u := e.Usage; u.Tokens != (metering.Tokens{}) || u.Input != 0 || u.Output != 0 || u.State != metering.UsageNone || !u.Flagged(metering.FlagEarlierRequest) || len(u.Raw) == 0 || e.Metered {
			t.Errorf("retrieval %d counts %+v", n, u)
		}
	}
	if len(w.noted) != 1 {
		t.Errorf("noted %v", w.noted)
	}
}

// TestOwns_polled: whoever follows a batch is told when its owner asks for it, as
// if it had just been created, and of nobody else's question.
func TestOwns_polled(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"id":"batch_1","object":"batch","status":"in_progress"}`)))
	r, w := owning(t, o, nil)
	if resp, _, err := r.ask("POST", post("/v1/batches?v=1", `{}`)); err != nil || resp.StatusCode != 200 {
		t.Fatal(resp, err)
	}
	for _, path := range []string{"/v1/batches/batch_1?v=1", "/v1/batches/batch_2"} {
		if _, _, err := r.ask("GET", request("GET", path, "")); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"/v1/batches?v=1", "/v1/batches?v=1"}; !cmp.Equal(w.paths, want) || w.created[1] != "openai batch batch_1" {
		t.Errorf("created %v by %v", w.created, w.paths)
	}
}

// TestOwns_cached: whoever follows cached content is told when its owner looks at it or
// changes how long it is kept: the change counts from then on.
func TestOwns_cached(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"name":"cachedContents/c1","expireTime":"2027-01-01T00:00:00Z"}`)))
	r, w := owning(t, o, nil)
	const path, key = "/v1beta/cachedContents", "Authorization: Bearer " + plainKey
	for _, ask := range []string{
		post("/gemini"+path, `{}`, key),
		request("PATCH", "/gemini"+path+"/c1?updateMask=ttl", `{"ttl":"3600s"}`, key),
		request("GET", "/gemini"+path+"/c1", "", key),
	} {
		if resp, _, err := r.ask("POST", ask); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	if want := []string{path, path + "?updateMask=ttl", path}; !cmp.Equal(w.paths, want) || w.created[1] != "gemini cached_content c1" {
		t.Errorf("created %v by %v", w.created, w.paths)
	}
}

// TestOwns_leftOut: what makes Google leave the name of what a call creates out of its
// answer, or write it in another form, is refused: nobody could follow it.
func TestOwns_leftOut(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"name":"models/veo-3.1-generate-preview/operations/o1"}`)))
	r, _ := owning(t, o, nil)
	const veo, key = "/v1beta/models/veo-3.1-generate-preview:predictLongRunning", "Authorization: Bearer " + plainKey
	for query, want := range map[string]int{
		"": 200, "?alt=json": 200, "?$alt=json;enum-encoding=int": 200, "?%24alt=json%3Benum-encoding%3Dint&prettyPrint=false": 200,
		"?fields=done": 400, "?$fields=done": 400, "?%66ields=done": 400, "?a=b&%24fields=done": 400, "?alt=proto": 400, "?$alt=proto": 400, "?alt=json&alt=proto": 400, "?callback=f": 400, "?$callback=f": 400, "?a;fields=done": 400,
	} {
		for _, path := range []string{veo, "/v1beta/cachedContents"} {
			if resp, _, err := r.ask("POST", post("/gemini"+path+query, `{}`, key)); err != nil || resp.StatusCode != want {
				t.Errorf("%s%s: %v %v, want %d", path, query, resp.StatusCode, err, want)
			}
		}
		if resp, _, err := r.ask("POST", post("/gemini"+veo, `{}`, key, "X-Goog-Fieldmask: done")); err != nil || resp.StatusCode != 400 {
			t.Errorf("a mask: %v", resp.StatusCode)
		}
		if resp, _, err := r.ask("POST", post("/gemini/v1beta/models/gemini-2.5-pro:generateContent"+query, `{}`, key)); err != nil || resp.StatusCode != 200 {
			t.Errorf("generateContent%s: %v", query, resp.StatusCode)
		}
	}
}

// TestOwns_videos: whoever follows Veo's operations is told what was asked for, with
// what the model does unasked.
func TestOwns_videos(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/json", `{"name":"models/veo-3.1-generate-preview/operations/o1"}`)))
	r, w := owning(t, o, nil)
	const path = "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"
	for _, body := range []string{`{"instances":[{"prompt":"a weir"}],"parameters":{"durationSeconds":4,"resolution":"1080p"}}`, `{"instances":[]}`} {
		if resp, _, err := r.ask("POST", post("/gemini"+path, body, "Authorization: Bearer "+plainKey)); err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, err)
		}
	}
	want := []string{path + "#resolution=1080p&video_seconds=4", path + "#resolution=720p&video_seconds=8"}
	if !cmp.Equal(w.paths, want) || w.created[0] != "gemini operation o1" {
		t.Errorf("created %v by %v", w.created, w.paths)
	}
}
