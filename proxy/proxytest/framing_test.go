package proxytest_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir/proxy/proxytest"
)

var update = flag.Bool("update", false, "write the answers of testdata/*.txtar")

// instant is when the requests of the tests come.
func instant() time.Time { return time.Unix(1_767_225_600, 0).UTC() }

// newSimulator is one at a fixed time.
func newSimulator() *proxytest.Simulator {
	return proxytest.NewSimulator(proxytest.SimulatorOptions{Now: instant})
}

// ask makes a request, "METHOD PATH" and fields in lines, and returns the answer.
func ask(t testing.TB, h http.Handler, head, body string) *httptest.ResponseRecorder {
	t.Helper()
	line, fields, _ := strings.Cut(head, "\n")
	method, path, ok := strings.Cut(line, " ")
	if !ok {
		t.Fatalf("not a method and a path: %q", line)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for field := range strings.Lines(fields) {
		name, v, _ := strings.Cut(strings.TrimSpace(field), ": ")
		r.Header.Set(name, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// printed is an answer as the golden files have it: the status, the fields that
// clients act on, the body as it is.
func printed(w *httptest.ResponseRecorder) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%d\n", w.Code)
	for _, name := range slices.Sorted(maps.Keys(w.Header())) {
		switch name {
		case "Content-Type", "Retry-After", "X-Should-Retry", "Vary", "Openai-Version", "X-Ratelimit-Limit-Tokens", "Anthropic-Ratelimit-Tokens-Reset":
			fmt.Fprintf(&b, "%s: %s\n", name, w.Header().Get(name))
		}
	}
	b.WriteByte('\n')
	body := w.Body.String()
	for _, name := range []string{"X-Request-Id", "Request-Id"} {
		if id := w.Header().Get(name); id != "" {
			body = strings.ReplaceAll(body, id, "(request id)")
		}
	}
	b.WriteString(body)
	if !strings.HasSuffix(body, "\n") {
		b.WriteString("\n") // txtar has whole lines
	}
	return b.Bytes()
}

// TestFraming compares whole answers with testdata: what a member is called,
// where it stands, how a line ends. `go test -run Framing -update` writes them;
// what it wrote is to be compared with recorded answers of the vendor by eye.
func TestFraming(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sim := newSimulator()
			head := ""
			for i := 0; i < len(a.Files); i++ { // pairs of request and answer, in order
				f := &a.Files[i]
				if f.Name != "request" {
					t.Fatalf("%q where a request is expected", f.Name)
				}
				var body string
				head, body, _ = strings.Cut(string(f.Data), "\n\n")
				got := printed(ask(t, sim, strings.TrimSpace(head), body))
				if *update {
					a.Files = slices.Insert(dropAnswer(a.Files, i+1), i+1, txtar.File{Name: "answer", Data: got})
				}
				if i++; i >= len(a.Files) || a.Files[i].Name != "answer" {
					t.Fatal("no answer: run with -update and compare with the vendor's by eye")
				}
				if diff := cmp.Diff(string(a.Files[i].Data), string(got)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", head, diff)
				}
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func dropAnswer(files []txtar.File, at int) []txtar.File {
	if at < len(files) && files[at].Name == "answer" {
		return slices.Delete(files, at, at+1)
	}
	return files
}
