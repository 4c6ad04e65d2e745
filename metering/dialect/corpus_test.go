package dialect_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/metering/meteringtest"
)

// exchange is one recorded request and answer with the usage it must yield.
type exchange struct {
	ID              string            `json:"id"`
	Provider        string            `json:"provider"`
	Endpoint        string            `json:"endpoint"`
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	RequestHeaders  map[string]string `json:"request_headers"`
	RequestBody     string            `json:"request_body"`
	RequestEncoding string            `json:"request_body_encoding"`
	Status          int               `json:"status"`
	Headers         map[string]string `json:"response_headers"`
	Body            string            `json:"response_body"`
	BodyEncoding    string            `json:"response_body_encoding"`
	Gzip            string            `json:"response_wire_gzip_base64"`
	Expect          expect            `json:"expect"`
}

// metered are the endpoints whose usage is counted, with the dialect that they
// are called through.
var metered = endpoints(openAIEndpoints, anthropicEndpoints, geminiEndpoints,
	cohereEndpoints, bedrockEndpoints)

func endpoints(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, set := range sets {
		maps.Copy(all, set)
	}
	return all
}

// exchanges loads what is in scope. Without the corpus the test is skipped,
// and in CI it fails.
func exchanges(t *testing.T) []exchange {
	t.Helper()
	var all []exchange
	for _, f := range meteringtest.CorpusFiles(t) {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var e exchange
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if metered[e.Endpoint] != "" {
			all = append(all, e)
		}
	}
	return all
}

func decoded(t *testing.T, text, encoding string) []byte {
	t.Helper()
	if encoding != "base64" {
		return []byte(text)
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// header returns the value of a recorded header whatever its case.
func header(h map[string]string, name string) string {
	for k, v := range h {
		if http.CanonicalHeaderKey(k) == http.CanonicalHeaderKey(name) {
			return v
		}
	}
	return ""
}

// prepared is an exchange with what its answer is read by.
type prepared struct {
	exchange
	dialect dialect.Dialect
	route   dialect.Route
	request dialect.Request
	answer  []byte
}

func prepare(t *testing.T, e exchange) prepared {
	t.Helper()
	d, ok := dialect.Named(metered[e.Endpoint])
	if !ok {
		t.Fatalf("no dialect for %s", e.Endpoint)
	}
	path, query, _ := strings.Cut(e.Path, "?")
	route := d.Route(e.Method, path)
	if q, ok := d.(dialect.Queried); ok {
		route = q.RouteQuery(e.Method, path, query)
	}
	body := decoded(t, e.RequestBody, e.RequestEncoding)
	req, err := d.Inspect(route, header(e.RequestHeaders, "content-type"), body)
	if err != nil {
		t.Errorf("%s: inspect: %v", e.ID, err)
	}
	return prepared{e, d, route, req, decoded(t, e.Body, e.BodyEncoding)}
}

// scanner returns a scanner of the answer in the given coding.
func (p *prepared) scanner(coding string) dialect.Scanner {
	return p.dialect.Scanner(p.route, p.request, dialect.Response{
		Status:          p.Status,
		ContentType:     header(p.Headers, "content-type"),
		ContentEncoding: coding,
		Header:          func(name string) string { return header(p.Headers, name) },
	})
}

// read scans the answer in pieces of the given size.
func (p *prepared) read(piece int) metering.Usage {
	return scan(p.scanner(""), p.answer, piece)
}

// scan lets s see body in pieces of the given size.
func scan(s dialect.Scanner, body []byte, piece int) metering.Usage {
	for len(body) > 0 {
		n := min(piece, len(body))
		s.Scan(body[:n])
		body = body[n:]
	}
	return s.Close(dialect.Ended)
}

// TestCorpus holds the dialects to recorded exchanges of every provider:
// T23–T26, T30, B05.
func TestCorpus(t *testing.T) {
	t.Parallel()
	type row struct{ all, exact, flagged, wrong int }
	table := map[string]*row{}
	for _, e := range exchanges(t) {
		p := prepare(t, e)
		u := p.read(len(p.answer))
		if p.route.Class == dialect.Raw {
			t.Errorf("%s: %s %s is not known", e.ID, e.Method, e.Path)
		}
		name := e.Provider + " " + e.Endpoint
		if table[name] == nil {
			table[name] = &row{}
		}
		r := table[name]
		r.all++
		if u.State == metering.UsageExact {
			r.exact++
		}
		if len(u.Flags) > 0 {
			r.flagged++
		}
		if diff := differences(e, u); len(diff) > 0 {
			r.wrong++
			t.Errorf("%s: %s", e.ID, strings.Join(diff, "; "))
		}
	}
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	sort.Strings(names)
	var sum row
	for _, name := range names {
		r := table[name]
		t.Logf("%-44s %4d exchanges %4d exact %4d flagged %4d wrong", name, r.all, r.exact, r.flagged, r.wrong)
		sum = row{sum.all + r.all, sum.exact + r.exact, sum.flagged + r.flagged, sum.wrong + r.wrong}
	}
	t.Logf("%-44s %4d exchanges %4d exact %4d flagged %4d wrong", "all", sum.all, sum.exact, sum.flagged, sum.wrong)
}
