package proxy_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http/httputil"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering/dialect"
	"github.com/weirhq/weir/proxy"
)

// requests are bodies whose outline must say what the whole says.
func requests() []string {
	long := strings.Repeat("x", 9000)
	return []string{
		`{}`, ``, `[]`, `"x"`, `{"model":"m"}`, ` {"model" : "m" , "stream" : true}`, "\xef\xbb\xbf{\"model\":\"m\"}", `{"model":"m"`, `{"model":"m`, `{"model"`,
		`{"messages":[{"model":"no","content":"` + long + `"}],"model":"m","max_tokens":7,"n":2}`,
		`{"prompt":"` + long + `\"","model":"a\u0062c","stream_options":{"include_usage":true}}`,
		`{"prompt":"\\","model":"m"}`, `{"prompt":"\\\"","model":"m"}`, `{"a":{"b":[1,{"c":"}"}]},"model":"m"}`, `{"a":"` + long + `\\","model":"m"}`,
		`{"model":"m","model":"m"}`, `{"model":"m","model":"n"}`, `{"model":"m","MODEL":"n"}`, `{"model":"m","m\u006fdel":"n"}`,
		`{"model":"` + long + `"}`, `{"model":null}`, `{"model":12}`, `{"model":{"a":1}}`, `{"` + long + `":"y","model":"m"}`, `{"":"","model":"m"}`,
		`{"generationConfig":{"maxOutputTokens":9,"candidateCount":3},"contents":[` + long + `]}`, `{"max_tokens":1e3,"model":"m"}garbage`, `{"a" "b","model":"m"}`,
		`{"n":[` + long + `],"stream":true,"model":"m"}`, `{,"model":"m"}`, `{"model":"m",}`, `{"s":"` + strings.Repeat(`\\`, 5000) + `","model":"m"}`,
	}
}

// TestOutline holds that a dialect reads the same off an outline as off the
// body, wherever it is cut.
func TestOutline(t *testing.T) {
	t.Parallel()
	for _, body := range requests() {
		for cut := 0; cut <= len(body); cut += max(1, len(body)/150) {
			sameAsWhole(t, []byte(body), cut)
		}
	}
}

func sameAsWhole(t *testing.T, body []byte, cut int) {
	t.Helper()
	d, _ := dialect.Named("openai")
	route := d.Route("POST", chatPath)
	outline, ok := proxy.Outline(body[:cut], body[cut:])
	if !ok {
		return // refused, which is always safe
	}
	want, wantErr := d.Inspect(route, "application/json", body)
	have, err := d.Inspect(route, "application/json", outline)
	want.BodyBytes, have.BodyBytes = 0, 0
	// References of a body that is not held are read as it passes, by a reader that
	// has tests of its own.
	want.References, have.References = nil, nil
	if errors.Is(wantErr, dialect.ErrReferences) || errors.Is(err, dialect.ErrReferences) {
		return
	}
	if !json.Valid(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))) {
		// What is no JSON the upstream will refuse; an outline may see more in it than
		// a reader that stops at the fault, and never less.
		if wantErr == nil && want.Model != "" && (err != nil || have.Model != want.Model) {
			t.Fatalf("%.300q cut at %d: outline %.300q hides model %q: %v", body, cut, outline, want.Model, err)
		}
		return
	}
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%.300q cut at %d: outline %.300q gives %v, the body %v", body, cut, outline, err, wantErr)
	}
	if wantErr != nil {
		return
	}
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatalf("%.300q cut at %d: outline %.300q: %s", body, cut, outline, diff)
	}
}

// TestOutline_mark: a byte order mark is one as a whole, and at the beginning.
func TestOutline_mark(t *testing.T) {
	t.Parallel()
	const object = `{"model":"m"}`
	for before, want := range map[string]string{
		"": object, "\xef\xbb\xbf": object, "\xef\xbb\xbf \n": object, " ": object,
		"\xbf": "", "\xef": "", "\xef\xbb": "", "\xef\xbb ": "", " \xef\xbb\xbf": "", "\xef\xbb\xbf\xef\xbb\xbf": "",
	} {
		if got, ok := proxy.Outline([]byte(before + object)); !ok || string(got) != want {
			t.Errorf("behind %q: %q, %v, want %q", before, got, ok, want)
		}
	}
}

// FuzzOutline looks for a body whose outline hides a model.
func FuzzOutline(f *testing.F) {
	for _, body := range requests() {
		f.Add([]byte(body), 3)
	}
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		if cut < 0 || cut > len(body) {
			cut = len(body) / 2
		}
		sameAsWhole(t, body, cut)
	})
}

// FuzzDechunk compares with net/http where that takes a body: the data is the
// same, wherever it is cut; and what is refused whole is refused in pieces.
func FuzzDechunk(f *testing.F) {
	for _, s := range []string{"5\r\nhello\r\n0\r\n\r\n", "0\r\n\r\nrest", "a;x=y\r\n0123456789\r\n0\r\nX-A: b\r\n\r\n", "5\nhello\n0\n\n", "0x1\r\na\r\n0\r\n\r\n", "FF\r\n"} {
		f.Add([]byte(s), 4)
	}
	f.Fuzz(func(t *testing.T, body []byte, cut int) {
		if cut < 0 || cut > len(body) {
			cut = len(body) / 2
		}
		data, behind, finished, err := proxy.Dechunk(body)
		data2, behind2, finished2, err2 := proxy.Dechunk(body[:cut], body[cut:])
		if (err != nil) != (err2 != nil) || finished != finished2 || !bytes.Equal(data, data2) || !bytes.Equal(behind, behind2) {
			t.Fatalf("%q cut at %d: %q %q %v %v, whole %q %q %v %v", body, cut, data2, behind2, finished2, err2, data, behind, finished, err)
		}
		if !finished || err != nil {
			return
		}
		want, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
		if err != nil || !bytes.Equal(want, data) {
			t.Fatalf("%q: got %q, net/http %q, %v", body, data, want, err)
		}
	})
}
