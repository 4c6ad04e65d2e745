package deferred_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
	events "github.com/weirhq/weir/metering/sqlstore"
	"github.com/weirhq/weir/proxy/objects/deferred"
	"github.com/weirhq/weir/proxy/objects/deferred/sqlstore"
)

// desk is a provider, the database and a clock that tests move.
type desk struct {
	*testing.T
	usage    *events.Store
	store    *sqlstore.Store
	provider *httptest.Server
	answers  map[string]string // by path
	status   map[string]int
	mu       sync.Mutex
	sent     map[string]string // bodies by path
	asked    atomic.Int64
	now      atomic.Int64
	customer string
	// elsewhere are places that are asked before the provider.
	elsewhere []string
}

func onBoth(t *testing.T, do func(d *desk)) {
	t.Parallel()
	for name, url := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "weir.db") },
		"PostgreSQL": func(t *testing.T) string { return meteringtest.Postgres(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			usage, err := events.Open(t.Context(), url(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { usage.Close() })
			d := &desk{T: t, usage: usage, store: sqlstore.New(usage.DB()), answers: map[string]string{}, status: map[string]int{}, sent: map[string]string{}}
			d.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
			c, err := usage.CreateCustomer(t.Context(), metering.Customer{Org: metering.DefaultOrg, ExternalID: "acme", Created: 1})
			if err != nil {
				t.Fatal(err)
			}
			d.customer = c.ID
			d.provider = httptest.NewServer(http.HandlerFunc(d.answer))
			t.Cleanup(d.provider.Close)
			do(d)
		})
	}
}

func (d *desk) answer(w http.ResponseWriter, r *http.Request) {
	d.asked.Add(1)
	sent, _ := io.ReadAll(r.Body)
	d.mu.Lock()
	d.sent[r.URL.RequestURI()] = string(sent)
	body, ok := d.answers[r.URL.RequestURI()]
	status := d.status[r.URL.RequestURI()]
	d.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != "Bearer sk-operator":
		http.Error(w, "no credential", http.StatusUnauthorized)
	case status != 0:
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	case !ok:
		http.NotFound(w, r)
	default:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, body)
	}
}

func (d *desk) says(path, body string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.answers[path] = body
}

func (d *desk) clock() time.Time { return time.UnixMicro(d.now.Load()).UTC() }

func (d *desk) move(by time.Duration) { d.now.Add(by.Microseconds()) }

func (d *desk) worker(change func(*deferred.Options)) *deferred.Worker {
	d.Helper()
	upstreams := deferred.Upstreams{}
	for _, name := range []string{"openai", "anthropic", "gemini"} {
		speaks, _ := dialect.Named(name)
		here := deferred.Access{BaseURL: d.provider.URL, Dialect: speaks, Header: "Authorization", Value: "Bearer sk-operator", Now: d.clock}
		for _, elsewhere := range d.elsewhere {
			other := here
			other.BaseURL = elsewhere
			upstreams[name] = append(upstreams[name], other)
		}
		upstreams[name] = append(upstreams[name], here)
	}
	o := deferred.Options{Store: d.store, Events: d.usage, Provider: upstreams, Now: d.clock}
	if change != nil {
		change(&o)
	}
	w, err := deferred.New(o)
	if err != nil {
		d.Fatal(err)
	}
	return w
}

// defers keeps a deferral made by a call to creation.
func (d *desk) defers(upstream, creation, kind, object string) {
	d.Helper()
	id, err := metering.NewID()
	if err != nil {
		d.Fatal(err)
	}
	path := deferred.Path(creation, kind, object)
	if path == "" {
		d.Fatalf("no path of %s made by %s", object, creation)
	}
	err = d.store.Add(d.Context(), deferred.Deferral{
		Call: metering.Call{
			ID: id, Org: metering.DefaultOrg, Customer: d.customer, Key: "k", At: metering.MicrosOf(d.clock()), Upstream: upstream,
			Provider: upstream, Endpoint: upstream + "." + kind, Model: "asked-for", Tags: []metering.Tag{{Name: "team", Value: "core"}},
		},
		Kind: kind, Object: object, Path: path, State: deferred.StateOpen,
	})
	if err != nil {
		d.Fatal(err)
	}
}

// recorded are the events of the customer.
func (d *desk) recorded() []*metering.Event {
	d.Helper()
	list, _, err := d.usage.Events(d.Context(), metering.EventQuery{Org: metering.DefaultOrg, Customer: d.customer, Limit: 100})
	if err != nil {
		d.Fatal(err)
	}
	return list
}

func (d *desk) round(w *deferred.Worker) {
	d.Helper()
	if _, err := w.Round(d.Context()); err != nil {
		d.Fatal(err)
	}
}

const done = `{"id":"resp_1","object":"response","status":"completed","model":"gpt-x","completed_at":1772366500,"background":true,"output":[],"usage":{"input_tokens":20,"output_tokens":7,"total_tokens":27}}`

// TestWorker_background covers T53 and T55: a background response is billed once,
// when it has ended, to its creator, by however many workers it is found out.
func TestWorker_background(t *testing.T) {
	onBoth(t, func(d *desk) {
		created := metering.MicrosOf(d.clock())
		d.defers("openai", "/v1/responses?api-version=1", dialect.KindResponse, "resp_1")
		const path = "/v1/responses/resp_1?api-version=1"
		d.says(path, `{"id":"resp_1","status":"in_progress","usage":null}`)
		first := d.worker(nil)
		d.round(first)
		d.round(first) // not due yet
		if n := d.asked.Load(); n != 1 || len(d.recorded()) != 0 {
			d.Fatalf("asked %d times, %d events", n, len(d.recorded()))
		}
		d.says(path, done)
		var workers sync.WaitGroup
		for range 5 {
			w := d.worker(func(o *deferred.Options) { o.Lease = time.Nanosecond }) // so that they fall over each other
			workers.Go(func() {
				for range 20 {
					d.move(time.Minute)
					if _, err := w.Round(d.Context()); err != nil && !errors.Is(err, metering.ErrFenced) {
						d.Error(err)
					}
				}
			})
		}
		workers.Wait()
		list := d.recorded()
		if len(list) != 1 {
			d.Fatalf("%d events", len(list))
		}
		e := list[0]
		if e.Usage.State != metering.UsageExact || e.Usage.Input != 20 || e.Usage.Output != 7 || e.Usage.ObjectID != "resp_1" || e.Usage.Model != "gpt-x" || len(e.Usage.Flags) != 0 {
			d.Errorf("usage is %+v", e.Usage)
		}
		if e.Customer != d.customer || e.Key != "k" || len(e.Tags) != 1 || e.At != 1772366500_000000 || e.PricedAt != created || e.Outcome != metering.OutcomeComplete {
			d.Errorf("event is %+v", e)
		}
		if open, _, err := d.store.Open(d.Context(), 1); err != nil || open != 0 {
			d.Errorf("%d open, %v", open, err)
		}
		_, totals, err := d.usage.Usage(d.Context(), metering.UsageQuery{Org: metering.DefaultOrg, Customer: d.customer})
		if err != nil || totals.InputTokens != 20 || totals.Requests != 1 {
			d.Errorf("totals are %+v, %v", totals, err)
		}
	})
}

// TestWorker_batches covers T54: a batch costs what its served lines used.
func TestWorker_batches(t *testing.T) {
	line := func(n int) string {
		if n%10 == 9 {
			return fmt.Sprintf(`{"id":"r%d","custom_id":"c","response":{"status_code":400,"body":{"error":{"message":"no"}}},"error":null}`, n)
		}
		return fmt.Sprintf(`{"id":"r%d","custom_id":"c","response":{"status_code":200,"body":{"id":"chatcmpl-%d","object":"chat.completion","model":"gpt-x","choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":2,"total_tokens":%d}}},"error":null}`, n, n, n, n+2)
	}
	var lines strings.Builder
	in, out := int64(0), int64(0)
	for n := range 10_000 {
		lines.WriteString(line(n) + "\n")
		if n%10 != 9 {
			in, out = in+int64(n), out+2
		}
	}
	result := `{"custom_id":"a","result":{"type":"succeeded","message":{"id":"msg_1","type":"message","model":"claude","content":[],"stop_reason":"end_turn","usage":{"input_tokens":5,"cache_read_input_tokens":3,"output_tokens":2}}}}` + "\n"
	failed := `{"custom_id":"b","result":{"type":"errored","error":{"type":"invalid_request"}}}` + "\n"
	for name, c := range map[string]struct {
		upstream, creation, object string
		answers                    map[string]string
		state                      metering.UsageState
		in, out                    int64
	}{
		"with usage": {
			"openai", "/v1/batches", "batch_1", map[string]string{
				"/v1/batches/batch_1": `{"id":"batch_1","object":"batch","status":"completed","output_file_id":"file-1","usage":{"input_tokens":9,"output_tokens":4,"total_tokens":13}}`,
			}, metering.UsageExact, 9, 4,
		},
		"by its lines": {
			"openai", "/v1/batches", "batch_1", map[string]string{
				"/v1/batches/batch_1":      `{"id":"batch_1","object":"batch","status":"completed","output_file_id":"file-1"}`,
				"/v1/files/file-1/content": lines.String(),
			}, metering.UsageExact, in, out,
		},
		"expired, with what was served": {
			"openai", "/v1/batches", "batch_1", map[string]string{
				"/v1/batches/batch_1":      `{"id":"batch_1","object":"batch","status":"expired","output_file_id":"file-1","error_file_id":"file-2"}`,
				"/v1/files/file-1/content": line(7) + "\n",
			}, metering.UsageExact, 7, 2,
		},
		"cancelled before anything was served": {
			"openai", "/v1/batches", "batch_1", map[string]string{
				"/v1/batches/batch_1": `{"id":"batch_1","object":"batch","status":"cancelled"}`,
			}, metering.UsageNone, 0, 0,
		},
		"Anthropic": {
			"anthropic", "/v1/messages/batches", "msgbatch_1", map[string]string{
				"/v1/messages/batches/msgbatch_1":         `{"id":"msgbatch_1","type":"message_batch","processing_status":"ended","ended_at":"2026-03-01T13:00:00Z","request_counts":{"succeeded":2,"errored":1},"results_url":"https://elsewhere.example/results"}`,
				"/v1/messages/batches/msgbatch_1/results": result + failed + result,
			}, metering.UsageExact, 16, 4,
		},
		"Google": {
			"gemini", "/v1beta/models/g:batchGenerateContent", "b1", map[string]string{
				"/v1beta/batches/b1": `{"name":"batches/b1","done":true,"metadata":{"state":"BATCH_STATE_SUCCEEDED","endTime":"2026-03-01T13:00:00Z"},"response":{"inlinedResponses":{"inlinedResponses":[{"response":{"candidates":[],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":3,"totalTokenCount":11}}}]}}}`,
			}, metering.UsageExact, 8, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBoth(t, func(d *desk) {
				d.defers(c.upstream, c.creation, dialect.KindBatch, c.object)
				for path, body := range c.answers {
					d.says(path, body)
				}
				w := d.worker(nil)
				d.round(w)
				list := d.recorded()
				if len(list) != 1 {
					d.Fatalf("%d events", len(list))
				}
				e := list[0]
				if e.Usage.State != c.state || e.Usage.Input != c.in || e.Usage.Output != c.out || e.Usage.ServiceTier != "batch" {
					d.Errorf("usage is %+v, want %s %d %d", e.Usage, c.state, c.in, c.out)
				}
			})
		})
	}
}

// failing loses the end of the work once, as a process that dies does.
type failing struct {
	deferred.Store
	fail atomic.Bool
}

func (f *failing) Put(ctx context.Context, d deferred.Deferral) error {
	if f.fail.Load() {
		return errors.New("the process died")
	}
	return f.Store.Put(ctx, d)
}

// TestWorker_dies: between the event and the row, at the answer, and for good.
func TestWorker_dies(t *testing.T) {
	onBoth(t, func(d *desk) {
		d.defers("openai", "/v1/responses", dialect.KindResponse, "resp_1")
		d.says("/v1/responses/resp_1", done)
		f := &failing{Store: d.store}
		f.fail.Store(true)
		w := d.worker(func(o *deferred.Options) { o.Store = f })
		for range 3 {
			if _, err := w.Round(d.Context()); err == nil {
				d.Fatal("the row was kept")
			}
			d.move(10 * time.Minute)
		}
		f.fail.Store(false)
		d.round(w)
		if list := d.recorded(); len(list) != 1 || list[0].Usage.Input != 20 {
			d.Errorf("%d events", len(list))
		}
	})
}

// TestWorker_places: work is looked for at every place of an upstream, and is
// lost only if all of them say so.
func TestWorker_places(t *testing.T) {
	onBoth(t, func(d *desk) {
		const path = "/v1/responses/resp_1"
		other := httptest.NewServer(http.NotFoundHandler())
		defer other.Close()
		closed := httptest.NewServer(http.NotFoundHandler())
		closed.Close()
		d.defers("openai", "/v1/responses", dialect.KindResponse, "resp_1")

		d.elsewhere = []string{other.URL}
		d.says(path, done)
		d.round(d.worker(nil))
		if list := d.recorded(); len(list) != 1 || list[0].Usage.Input != 20 {
			d.Fatalf("recorded %+v", list)
		}

		d.defers("openai", "/v1/responses", dialect.KindResponse, "resp_2") // which nobody has
		d.move(2 * time.Hour)
		d.elsewhere = []string{closed.URL, other.URL}
		if _, err := d.worker(nil).Round(d.Context()); err == nil || errors.Is(err, deferred.ErrGone) || len(d.recorded()) != 1 {
			d.Fatalf("one place could not be asked, and the work is given up: %v", err)
		}
		d.elsewhere = []string{other.URL}
		d.move(2 * time.Hour)
		if _, err := d.worker(nil).Round(d.Context()); !errors.Is(err, deferred.ErrGone) {
			d.Fatal(err)
		}
		var states []string
		for _, e := range d.recorded() {
			states = append(states, string(e.Usage.State))
		}
		slices.Sort(states)
		if !slices.Equal(states, []string{"exact", "unknown"}) {
			d.Errorf("recorded %q", states)
		}
	})
}

// TestWorker_waits: an upstream that fails is asked again, ever more rarely, and
// what nobody will ever tell is recorded as unknown.
func TestWorker_waits(t *testing.T) {
	onBoth(t, func(d *desk) {
		const path = "/v1/responses/resp_1"
		d.defers("openai", "/v1/responses", dialect.KindResponse, "resp_1")
		d.status[path] = http.StatusInternalServerError
		w := d.worker(nil)
		for range 200 {
			if _, err := w.Round(d.Context()); err != nil && !strings.Contains(err.Error(), "answered 500") {
				d.Fatal(err)
			}
			d.move(2 * time.Second)
		}
		if n := d.asked.Load(); n < 12 || n > 25 {
			d.Errorf("asked %d times in 400 seconds", n)
		}
		if _, bad, err := d.store.Open(d.Context(), 3); err != nil || bad != 1 || len(d.recorded()) != 0 {
			d.Fatalf("%d failing, %v", bad, err)
		}
		d.mu.Lock()
		d.status[path] = http.StatusNotFound
		d.mu.Unlock()
		d.move(5 * time.Minute) // a new object may be unknown for a while
		if _, err := w.Round(d.Context()); !errors.Is(err, deferred.ErrGone) || len(d.recorded()) != 0 {
			d.Fatalf("%v, %d events", err, len(d.recorded()))
		}
		d.move(2 * time.Hour)
		if _, err := w.Round(d.Context()); !errors.Is(err, deferred.ErrGone) {
			d.Fatal(err)
		}
		list := d.recorded()
		if len(list) != 1 || list[0].Usage.State != metering.UsageUnknown {
			d.Fatalf("recorded %+v", list)
		}
		if open, _, err := d.store.Open(d.Context(), 1); err != nil || open != 0 {
			d.Errorf("%d open, %v", open, err)
		}
	})
}

// TestWorker_videos: Veo's operations are followed at Gemini's API and at Vertex, and
// what they have made is recorded by the length that was asked for.
func TestWorker_videos(t *testing.T) {
	onBoth(t, func(d *desk) {
		const (
			asked  = "#resolution=1080p&video_seconds=6"
			vertex = "/v1/projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001"
			name   = "projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001/operations/"
		)
		d.defers("gemini", "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"+asked, dialect.KindOperation, "o1")
		d.defers("gemini", vertex+":predictLongRunning"+asked, dialect.KindOperation, "o2")
		d.defers("gemini", "/v1beta/models/veo-3.1-generate-preview:predictLongRunning"+asked, dialect.KindOperation, "o3")
		d.says("/v1beta/models/veo-3.1-generate-preview/operations/o1", `{"name":"models/veo-3.1-generate-preview/operations/o1"}`)
		d.says("/v1beta/models/veo-3.1-generate-preview/operations/o3", `{"name":"o3","done":true,"error":{"code":3,"message":"no"}}`)
		d.says(vertex+":fetchPredictOperation", `{"name":"`+name+`o2","done":true,"response":{"videos":[{"gcsUri":"gs://b/1"},{"gcsUri":"gs://b/2"}]}}`)
		w := d.worker(nil)
		d.round(w)
		if sent := d.sent[vertex+":fetchPredictOperation"]; sent != `{"operationName":"`+name+`o2"}` {
			d.Errorf("asked for %s", sent)
		}
		d.says("/v1beta/models/veo-3.1-generate-preview/operations/o1", `{"name":"o1","done":true,"response":{"generateVideoResponse":{"generatedSamples":[{"video":{"uri":"https://x"}}]}}}`)
		d.move(time.Minute)
		d.round(w)
		have := map[string]string{}
		for _, e := range d.recorded() {
			have[e.Usage.ObjectID] = fmt.Sprint(e.Usage.State, e.Usage.Quantities, e.Usage.Attributes, e.Usage.Region, e.Metered)
		}
		for object, want := range map[string]string{
			"o1": "exact[{video_seconds 6}] [{resolution 1080p}]true",
			"o2": "exact[{video_seconds 12}] [{resolution 1080p}]us-central1true",
			"o3": "none[] []true",
		} {
			if have[object] != want {
				d.Errorf("%s is %s, want %s", object, have[object], want)
			}
		}
		if open, _, err := d.store.Open(d.Context(), 1); err != nil || open != 0 {
			d.Errorf("%d open, %v", open, err)
		}
	})
}

// TestWorker_videosBelow: an operation of Vertex is asked for by its whole name, however
// much of that stands in the upstream's address.
func TestWorker_videosBelow(t *testing.T) {
	onBoth(t, func(d *desk) {
		const (
			whole = "/v1/projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001"
			done  = `{"name":"o1","done":true,"response":{"videos":[{"gcsUri":"gs://b/1"}]}}`
		)
		d.says(whole+":fetchPredictOperation", done)
		for _, base := range []string{"", "/v1", "/v1/projects/p", "/v1/projects/p/locations/us-central1"} {
			id := "o" + strings.ReplaceAll(base, "/", "-")
			d.defers("gemini", strings.TrimPrefix(whole, base)+":predictLongRunning#resolution=720p&video_seconds=8", dialect.KindOperation, id)
			d.round(d.worker(func(o *deferred.Options) {
				speaks, _ := dialect.Named("gemini")
				o.Provider = deferred.Upstreams{"gemini": {{BaseURL: d.provider.URL + base, Dialect: speaks, Header: "Authorization", Value: "Bearer sk-operator", Now: d.clock}}}
			}))
			if sent, want := d.sent[whole+":fetchPredictOperation"], `{"operationName":"`+whole[len("/v1/"):]+`/operations/`+id+`"}`; sent != want {
				d.Errorf("below %q: asked for %s, want %s", base, sent, want)
			}
		}
		for _, e := range d.recorded() {
			if have := fmt.Sprint(e.Usage.State, e.Usage.Quantities, e.Usage.Region); have != "exact[{video_seconds 8}]us-central1" {
				d.Errorf("%s is %s", e.Usage.ObjectID, have)
			}
		}
	})
}

// TestWorker_videosQuery: what stands behind a question mark, which a client chooses and
// which can leave out what an answer has, does not keep an operation from being found.
func TestWorker_videosQuery(t *testing.T) {
	onBoth(t, func(d *desk) {
		const model = "/v1/projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001"
		d.defers("gemini", model+":predictLongRunning?fields=name#resolution=720p&video_seconds=8", dialect.KindOperation, "o1")
		d.says(model+":fetchPredictOperation", `{"name":"o1","done":true,"response":{"videos":[{"gcsUri":"gs://b/1"}]}}`)
		d.round(d.worker(nil))
		if sent, want := d.sent[model+":fetchPredictOperation"], `{"operationName":"`+model[len("/v1/"):]+`/operations/o1"}`; sent != want {
			d.Errorf("asked for %s, want %s", sent, want)
		}
		if list := d.recorded(); len(list) != 1 || fmt.Sprint(list[0].Usage.Quantities, list[0].Usage.Region) != "[{video_seconds 8}]us-central1" {
			d.Errorf("recorded %d events", len(list))
		}
	})
}

// TestWorker_videosNone: an operation that has made no video is free where it says why:
// it failed, or what it made was held back. One that says neither is unknown.
func TestWorker_videosNone(t *testing.T) {
	onBoth(t, func(d *desk) {
		const model = "/v1beta/models/veo-3.1-generate-preview"
		want := map[string]string{}
		for id, c := range map[string][2]string{
			"failed":   {`"error":{"code":13,"message":"no"}`, "none[]"},
			"held":     {`"response":{"generateVideoResponse":{"raiMediaFilteredCount":1,"raiMediaFilteredReasons":["x"]}}`, "none[]"},
			"held-too": {`"response":{"raiMediaFilteredCount":"2"}`, "none[]"},
			"some":     {`"response":{"generateVideoResponse":{"raiMediaFilteredCount":1,"generatedSamples":[{"video":{"uri":"u"}}]}}`, "exact[{video_seconds 8}]"},
			"other":    {`"response":{"generatedFilms":[{"uri":"u"}]}`, "unknown[]"},
			"empty":    {`"metadata":{}`, "unknown[]"},
		} {
			d.defers("gemini", model+":predictLongRunning#resolution=720p&video_seconds=8", dialect.KindOperation, id)
			d.says(model+"/operations/"+id, `{"name":"x","done":true,`+c[0]+`}`)
			want[id] = c[1]
		}
		d.round(d.worker(nil))
		list := d.recorded()
		for _, e := range list {
			if have := fmt.Sprint(e.Usage.State, e.Usage.Quantities); have != want[e.Usage.ObjectID] {
				d.Errorf("%s is %s, want %s", e.Usage.ObjectID, have, want[e.Usage.ObjectID])
			}
		}
		if len(list) != len(want) {
			d.Errorf("%d events", len(list))
		}
	})
}

// TestWorker_videosInside: Vertex sends the videos themselves where no bucket is named
// for them, which is more than is kept of an answer.
func TestWorker_videosInside(t *testing.T) {
	onBoth(t, func(d *desk) {
		const model = "/v1/projects/p/locations/us-central1/publishers/google/models/veo-3.1-generate-001"
		d.defers("gemini", model+":predictLongRunning#resolution=720p&video_seconds=8", dialect.KindOperation, "o1")
		video := `{"mimeType":"video/mp4","bytesBase64Encoded":"` + strings.Repeat("AAAA", 9<<18) + `\u003d"}`
		d.says(model+":fetchPredictOperation", `{"name":"o1","done":true,"response":{"videos":[`+strings.Repeat(video+",", 3)+video+`]}}`)
		d.round(d.worker(nil))
		list := d.recorded()
		if len(list) != 1 {
			d.Fatalf("recorded %d events", len(list))
		}
		if have, want := fmt.Sprint(list[0].Usage.State, list[0].Usage.Quantities), "exact[{video_seconds 32}]"; have != want {
			d.Errorf("%s, want %s", have, want)
		}
	})
}

// TestWorker_cached: cached content is followed for as long as it is there, and what is
// recorded is its size times the seconds until it expired or was deleted.
func TestWorker_cached(t *testing.T) {
	onBoth(t, func(d *desk) {
		const base = "/v1beta/cachedContents"
		begun := d.clock()
		content := func(id string, life time.Duration) {
			d.says(base+"/"+id, fmt.Sprintf(`{"name":"cachedContents/%s","model":"models/gemini-2.5-pro","createTime":%q,"expireTime":%q,"usageMetadata":{"totalTokenCount":1000}}`,
				id, begun.Format(time.RFC3339Nano), begun.Add(life).Format(time.RFC3339Nano)))
		}
		gone := func(id, message string) {
			d.mu.Lock()
			d.status[base+"/"+id] = http.StatusForbidden
			d.mu.Unlock()
			d.says(base+"/"+id, `{"error":{"code":403,"message":"`+message+`"}}`)
		}
		const notFound = "CachedContent not found (or permission denied)"
		for _, id := range []string{"expires", "extended", "deleted", "refused", "unseen"} {
			d.defers("gemini", base, dialect.KindCache, id)
			content(id, time.Hour)
		}
		gone("unseen", notFound)
		w := d.worker(nil)
		d.move(2 * time.Second)
		if _, err := w.Round(d.Context()); !errors.Is(err, deferred.ErrGone) {
			d.Fatal(err)
		}
		content("extended", 2*time.Hour)
		d.move(30 * time.Minute)
		gone("deleted", notFound)
		gone("refused", "the key was revoked")
		registrar := deferred.Registrar{Store: d.store, Now: d.clock}
		for _, id := range []string{"deleted", "refused", "nobody's"} {
			if err := registrar.Deleted(d.Context(), metering.DefaultOrg, "gemini", dialect.Object{Kind: dialect.KindCache, ID: id}); err != nil {
				d.Fatal(err)
			}
		}
		if _, err := w.Round(d.Context()); err == nil {
			d.Error("a refusal was taken for an end")
		}
		for range 30 {
			d.move(5 * time.Minute)
			if d.clock().Sub(begun) > time.Hour {
				gone("expires", notFound)
			}
			if _, err := w.Round(d.Context()); err != nil && !errors.Is(err, deferred.ErrGone) && !strings.Contains(err.Error(), "403") {
				d.Fatal(err)
			}
		}
		have := map[string]string{}
		for _, e := range d.recorded() {
			have[e.Usage.ObjectID] = fmt.Sprint(e.Usage.State, " ", e.Usage.Quantities, " ", e.Usage.Model, " ", time.Duration(e.At-metering.MicrosOf(begun))*time.Microsecond)
		}
		for id, want := range map[string]string{
			"expires":  "exact [{cached_content_token_seconds 3600000}] gemini-2.5-pro 1h0m0s",
			"extended": "exact [{cached_content_token_seconds 7200000}] gemini-2.5-pro 2h0m0s",
			"deleted":  "exact [{cached_content_token_seconds 1802000}] gemini-2.5-pro 30m2s",
			"refused":  "",
		} {
			if have[id] != want {
				d.Errorf("%s is %q, want %q", id, have[id], want)
			}
		}
		if !strings.HasPrefix(have["unseen"], "unknown") || len(have) != 4 {
			d.Errorf("recorded %v", have)
		}
	})
}

// TestWorker_cachedSkew: content that its provider still has is followed on, whatever our
// own clock says: it can be extended.
func TestWorker_cachedSkew(t *testing.T) {
	onBoth(t, func(d *desk) {
		const path = "/v1beta/cachedContents/c1"
		begun := d.clock()
		lasts := func(life time.Duration) {
			d.says(path, fmt.Sprintf(`{"name":"cachedContents/c1","model":"models/gemini-2.5-pro","createTime":%q,"expireTime":%q,"usageMetadata":{"totalTokenCount":1000}}`,
				begun.Format(time.RFC3339Nano), begun.Add(life).Format(time.RFC3339Nano)))
		}
		d.defers("gemini", "/v1beta/cachedContents", dialect.KindCache, "c1")
		lasts(time.Hour)
		w := d.worker(nil)
		d.move(time.Hour + 30*time.Second) // half a minute ahead of the provider
		d.round(w)
		lasts(3 * time.Hour)
		for range 40 {
			d.move(5 * time.Minute)
			d.round(w)
		}
		list := d.recorded()
		if len(list) != 1 || fmt.Sprint(list[0].Usage.Quantities) != "[{cached_content_token_seconds 10800000}]" || list[0].At != metering.MicrosOf(begun.Add(3*time.Hour)) {
			d.Errorf("recorded %d events, %v", len(list), list[0].Usage.Quantities)
		}
	})
}

// TestWorker_cachedLong: content may be kept for longer than anything else is followed. A
// provider that fails once in all that time does not make it lost.
func TestWorker_cachedLong(t *testing.T) {
	onBoth(t, func(d *desk) {
		const (
			path = "/v1beta/cachedContents/c1"
			days = 50
		)
		begun := d.clock()
		expires := begun.Add(days * 24 * time.Hour)
		d.defers("gemini", "/v1beta/cachedContents", dialect.KindCache, "c1")
		d.says(path, fmt.Sprintf(`{"name":"cachedContents/c1","model":"models/gemini-2.5-pro","createTime":%q,"expireTime":%q,"usageMetadata":{"totalTokenCount":1000}}`,
			begun.Format(time.RFC3339Nano), expires.Format(time.RFC3339Nano)))
		fails := func(status int) {
			d.mu.Lock()
			d.status[path] = status
			d.mu.Unlock()
		}
		w := d.worker(nil)
		d.round(w)
		d.move(40 * 24 * time.Hour)
		fails(http.StatusServiceUnavailable)
		if _, err := w.Round(d.Context()); err == nil {
			d.Error("a failure was none")
		}
		d.move(5 * 24 * time.Hour)
		fails(0)
		d.round(w)
		d.move(6 * 24 * time.Hour)
		for range 2 * days {
			d.round(w)
		}
		list := d.recorded()
		var sum int64
		for _, e := range list {
			for _, q := range e.Usage.Quantities {
				sum += q.Amount.Units
			}
			if e.Usage.State != metering.UsageExact && len(e.Usage.Quantities) > 0 {
				d.Errorf("%s at %d", e.Usage.State, e.At)
			}
		}
		if want := int64(1000 * days * 24 * 3600); sum != want {
			d.Errorf("%d events of %d token-seconds, want %d", len(list), sum, want)
		}
	})
}

// TestWorker_cachedDaily: content that is kept for years is charged as the days go by, each
// once, though the process dies between the record and the row, and two workers look.
func TestWorker_cachedDaily(t *testing.T) {
	onBoth(t, func(d *desk) {
		const path, day = "/v1beta/cachedContents/c1", 24 * time.Hour
		begun := d.clock()
		d.defers("gemini", "/v1beta/cachedContents", dialect.KindCache, "c1")
		d.says(path, fmt.Sprintf(`{"name":"cachedContents/c1","model":"models/gemini-2.5-pro","createTime":%q,"expireTime":%q,"usageMetadata":{"totalTokenCount":1000}}`,
			begun.Format(time.RFC3339Nano), begun.AddDate(10, 0, 0).Format(time.RFC3339Nano)))
		f := &failing{Store: d.store}
		w, dies := d.worker(nil), d.worker(func(o *deferred.Options) { o.Store = f })
		for range 3 * 24 * 4 {
			d.move(15 * time.Minute)
			f.fail.Store(true)
			if _, err := dies.Round(d.Context()); err == nil {
				d.Fatal("the row was kept")
			}
			f.fail.Store(false)
			d.move(6 * time.Minute) // beyond its lease
			d.round(w)
			d.round(w)
		}
		past := d.clock().Sub(begun)
		if list := d.recorded(); len(list) != int(past/day) || list[0].Usage.Quantities[0].Amount != metering.NumberOf(1000*86400) || list[0].At != metering.MicrosOf(begun.Add(past/day*day)) {
			d.Fatalf("%d events after %s", len(list), past)
		}
		d.move((past/day+1)*day - past + 10*time.Minute)
		f.fail.Store(true)
		if _, err := dies.Round(d.Context()); err == nil { // the day is recorded, and the row does not say so
			d.Fatal("the row was kept")
		}
		d.mu.Lock()
		d.status[path] = http.StatusNotFound
		d.mu.Unlock()
		d.move(6 * time.Minute)
		d.round(w)
		d.round(w)
		past = d.clock().Sub(begun)
		list := d.recorded()
		var sum int64
		for _, e := range list {
			sum += e.Usage.Quantities[0].Amount.Units
		}
		if want := 1000 * int64(past/time.Second); sum != want || len(list) != int(past/day)+1 {
			d.Errorf("%d events of %d token-seconds, want %d", len(list), sum, want)
		}
		if open, _, err := d.store.Open(d.Context(), 1); err != nil || open != 0 {
			d.Errorf("%d open, %v", open, err)
		}
	})
}

func TestPath(t *testing.T) {
	t.Parallel()
	for _, c := range [][4]string{
		{"/v1/batches", "batch", "batch_1", "/v1/batches/batch_1"},
		{"/openai/v1/responses/?api-version=2", "response", "resp_1", "/openai/v1/responses/resp_1?api-version=2"},
		{"/v1beta/models/g:batchGenerateContent?key=x", "batch", "b-1", "/v1beta/batches/b-1"},
		{"/v1beta/batches", "batch", "b-1", "/v1beta/batches/b-1"},
		{"/v1/batches", "batch", "../secrets", ""},
		{"/v1/files", "file", "file_1", ""},
		{"/v1beta/models/veo-3:predictLongRunning?key=x#video_seconds=8", "operation", "o1", "/v1beta/models/veo-3/operations/o1#video_seconds=8"},
		{"/v1beta/cachedContents?fields=name", "cached_content", "9", "/v1beta/cachedContents/9"},
		{"/v1/projects/p/locations/l/publishers/google/models/veo-3%3ApredictLongRunning#video_seconds=8", "operation", "o1", "/v1/projects/p/locations/l/publishers/google/models/veo-3:fetchPredictOperation#video_seconds=8"},
		{"/v1beta/models/veo-3:predictLongRunning", "operation", "o1", ""},
		{"/v1/projects/p/locations/l/cachedContents", "cached_content", "9", "/v1/projects/p/locations/l/cachedContents/9"},
		{"/v1beta/operations#video_seconds=8", "operation", "o1", ""},
	} {
		if got := deferred.Path(c[0], c[1], c[2]); got != c[3] {
			t.Errorf("%s of %s is at %q, want %q", c[2], c[0], got, c[3])
		}
	}
}
