package dialect_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// usage reads an answer through a custom dialect, whole and byte by byte, and
// writes down what came of it.
func customUsage(t *testing.T, spec dialect.CustomSpec, request string, resp dialect.Response, body string, end dialect.End) string {
	t.Helper()
	d, err := dialect.Custom(spec)
	if err != nil {
		t.Fatal(err)
	}
	r := d.Route("POST", "/search")
	q, err := d.Inspect(r, "application/json", []byte(request))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status == 0 {
		resp.Status = 200
	}
	var texts [2]string
	for i, piece := range []int{1 << 20, 1} {
		s := d.Scanner(r, q, resp)
		for rest := body; rest != ""; rest = rest[min(piece, len(rest)):] {
			s.Scan([]byte(rest[:min(piece, len(rest))]))
		}
		u := s.Close(end)
		texts[i] = string(u.State)
		for _, quantity := range u.Quantities {
			texts[i] += fmt.Sprintf(" %s=%s", quantity.Name, quantity.Amount)
		}
		if u.Tokens != (metering.Tokens{}) {
			texts[i] += " " + u.Tokens.String()
		}
		if u.Model != "" || q.Model != "" {
			texts[i] += " model=" + u.Model + "/" + q.Model
		}
		if u.Estimate != nil {
			texts[i] += " estimated"
		}
	}
	if texts[0] != texts[1] {
		t.Errorf("whole: %s; byte by byte: %s", texts[0], texts[1])
	}
	return texts[0]
}

func TestCustom(t *testing.T) {
	t.Parallel()
	response := func(name, path string) dialect.CustomQuantity {
		return dialect.CustomQuantity{Name: name, From: dialect.FromResponse, Path: path}
	}
	headers := func(pairs map[string]string) dialect.Response {
		return dialect.Response{Header: func(name string) string { return pairs[name] }}
	}
	for name, c := range map[string]struct {
		spec    dialect.CustomSpec
		request string
		resp    dialect.Response
		body    string
		end     dialect.End
		want    string
	}{
		"members within members": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "usage.billed.credits")}},
			body: `{"text":"\"usage\":{\"billed\":{\"credits\":9}}","usage":{"billed":{"credits":2.5}}}`, want: "exact credits=2.5",
		},
		"the last of two": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "credits")}},
			body: `{"credits":1,"credits":2}`, want: "exact credits=2",
		},
		"all elements": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("pages", "files.*.pages"), response("files", "files.#"), response("first", "files.0.pages")}},
			body: `{"files":[{"pages":3},{"name":"none"},{"pages":"4"}]}`, want: "exact files=3 first=3 pages=7",
		},
		"tokens": {
			spec: dialect.CustomSpec{Model: "engine.name", Quantities: []dialect.CustomQuantity{response("input_tokens", "in"), response("cached_input_tokens", "hit"), response("output_tokens", "out")}},
			body: `{"in":10,"hit":4,"out":7,"model":"e-2"}`, request: `{"engine":{"name":"e"}}`, want: "exact input=6 cache_read=4 output=7 model=e-2/e",
		},
		"a header": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "units", From: dialect.FromHeader, Header: "x-units"}}},
			resp: headers(map[string]string{"x-units": " 12 "}), body: "not JSON", want: "exact units=12",
		},
		"the request": {
			spec:    dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "seconds", From: dialect.FromRequest, Path: "video.seconds"}}},
			request: `{"video":{"seconds":8}}`, body: `{}`, want: "exact seconds=8",
		},
		"the last event": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "n", From: dialect.FromEvent, Path: "n"}}},
			body: "data: {\"n\":1}\n\ndata: {\"n\":3}\n\n", want: "exact n=3",
		},
		"events of a name, added up": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "n", From: dialect.FromEvent, Event: "cost", Path: "n", Sum: true}}},
			body: "event: cost\ndata: {\"n\":1}\n\nevent: text\ndata: {\"n\":100}\n\nevent: cost\ndata: {\"n\":3}\n\n", want: "exact n=4",
		},
		"a stream that breaks off": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "n", From: dialect.FromEvent, Path: "n"}}},
			body: "data: {\"n\":1}\n\n", end: dialect.Truncated, want: "unknown n=1",
		},
		"absent": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "usage.credits")}},
			body: `{"usage":{}}`, want: "unknown",
		},
		"absent and optional": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{{Name: "credits", From: dialect.FromResponse, Path: "usage.credits", Optional: true}}},
			body: `{"usage":{}}`, want: "exact",
		},
		"no number": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "credits")}},
			body: `{"credits":-5}`, want: "unknown",
		},
		"no JSON": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "credits")}},
			body: `<html>`, want: "unknown",
		},
		"an error": {
			spec: dialect.CustomSpec{Quantities: []dialect.CustomQuantity{response("credits", "credits")}},
			resp: dialect.Response{Status: 500}, body: `{"error":"no"}`, want: "none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := customUsage(t, c.spec, c.request, c.resp, c.body, c.end); got != c.want {
				t.Errorf("usage is %q, want %q", got, c.want)
			}
		})
	}
}

func TestCustom_invalid(t *testing.T) {
	t.Parallel()
	for name, q := range map[string]dialect.CustomQuantity{
		"want a letter":          {Name: "1", From: dialect.FromResponse, Path: "a"},
		"want header alone":      {Name: "a", From: dialect.FromHeader, Header: "h", Path: "x"},
		"want path alone":        {Name: "a", From: dialect.FromResponse},
		"from \"body\"":          {Name: "a", From: "body", Path: "x"},
		"has more than 32 steps": {Name: "a", From: dialect.FromResponse, Path: strings.Repeat("a.", 40)},
		"and perhaps event":      {Name: "a", From: dialect.FromEvent, Header: "h"},
	} {
		_, err := dialect.Custom(dialect.CustomSpec{Quantities: []dialect.CustomQuantity{q}})
		if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%+v: error is %v, want one with %q", q, err, name)
		}
	}
	if _, err := dialect.Custom(dialect.CustomSpec{}); !errors.Is(err, metering.ErrInvalid) {
		t.Errorf("no quantities: error is %v", err)
	}
}

func TestCustom_routes(t *testing.T) {
	t.Parallel()
	d, err := dialect.Custom(dialect.CustomSpec{
		Quantities: []dialect.CustomQuantity{{Name: "n", From: dialect.FromResponse, Path: "n"}},
		Routes:     []dialect.CustomRoute{{Method: "POST", Path: "/v2/*/run"}, {Path: "/jobs/**"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for call, want := range map[string]dialect.Class{
		"POST /v2/a/run": dialect.Metered, "GET /v2/a/run": dialect.Raw, "POST /v2/a/b/run": dialect.Raw, "POST /v2/a": dialect.Raw,
		"GET /jobs/1/2": dialect.Metered, "POST /jobs": dialect.Metered, "OPTIONS /jobs/1": dialect.Free, "POST /other": dialect.Raw,
	} {
		method, path, _ := strings.Cut(call, " ")
		if got := d.Route(method, path).Class; got != want {
			t.Errorf("%s is of class %d, want %d", call, got, want)
		}
	}
}
