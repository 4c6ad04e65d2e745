package dialect_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// transcript is an answer written for these tests and the usage it must yield.
type transcript struct {
	name string
	prepared
	end  dialect.End
	want string
}

// transcripts reads testdata/*.txtar. The file "call" says dialect, method, path,
// status and content type, "crlf" if lines end so on the wire, "truncated" if the
// upstream broke off, and headers of the answer as name=value.
func transcripts(tb testing.TB) []transcript {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.txtar"))
	if err != nil || len(files) == 0 {
		tb.Fatalf("no transcripts: %v", err)
	}
	var all []transcript
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			tb.Fatal(err)
		}
		parts := map[string][]byte{}
		for _, part := range txtar.Parse(raw).Files {
			parts[part.Name] = part.Data
		}
		all = append(all, parseTranscript(tb, strings.TrimSuffix(filepath.Base(f), ".txtar"), parts))
	}
	return all
}

func parseTranscript(tb testing.TB, name string, parts map[string][]byte) transcript {
	tb.Helper()
	call := strings.Fields(string(parts["call"]))
	if len(call) < 5 {
		tb.Fatalf("%s: call is %q", name, call)
	}
	d, ok := dialect.Named(call[0])
	status, err := strconv.Atoi(call[3])
	if !ok || err != nil {
		tb.Fatalf("%s: call is %q", name, call)
	}
	t := transcript{name: name, want: string(parts["usage"])}
	t.Status, t.Headers = status, map[string]string{"content-type": call[4]}
	t.dialect, t.route, t.answer = d, d.Route(call[1], call[2]), parts["body"]
	for _, option := range call[5:] {
		switch option {
		case "crlf":
			t.answer = bytes.ReplaceAll(t.answer, []byte("\n"), []byte("\r\n"))
		case "truncated":
			t.end = dialect.Truncated
		default:
			header, value, ok := strings.Cut(option, "=")
			if !ok {
				tb.Fatalf("%s: option %q", name, option)
			}
			t.Headers[header] = value
		}
	}
	if t.request, err = d.Inspect(t.route, "application/json", parts["request"]); err != nil {
		tb.Fatalf("%s: %v", name, err)
	}
	return t
}

// text is what a transcript says of a usage: what is there, a line each.
func text(u metering.Usage) string {
	var b strings.Builder
	line := func(name string, value any) {
		if s := fmt.Sprint(value); s != "" && s != "0" {
			fmt.Fprintf(&b, "%s %s\n", name, s)
		}
	}
	line("state", u.State)
	line("cells", u.Tokens.String())
	line("input", u.Input)
	line("output", u.Output)
	if u.HasTotal {
		line("total", u.Total)
	}
	for _, q := range u.Quantities {
		line("quantity", q.Name+" "+q.Amount.String())
	}
	for _, a := range u.Attributes {
		line("attribute "+a.Name, a.Value)
	}
	for _, m := range u.ByModel {
		line("model "+m.Model, m.Tokens.String())
	}
	for _, f := range u.Flags {
		line("flag", f)
	}
	if e := u.Estimate; e != nil {
		line("estimate", fmt.Sprintf("%s between %d and %d", e.Method, e.Low, e.High))
	}
	if c := u.StatedCost; c != nil {
		said := fmt.Sprintf("%s %s %s", c.Amount, c.Unit, c.Field)
		if c.Within != "" {
			said += " within " + c.Within
		}
		if c.Vendor != "" {
			said += " and the vendor " + c.Vendor
		}
		line("cost", said)
	}
	if e := u.Error; e != nil {
		line("error", fmt.Sprintf("%s %q %q", e.Where, e.Type, e.Code))
	}
	for _, field := range []struct{ name, value string }{
		{"reports", u.Model}, {"tier", u.ServiceTier}, {"region", u.Region}, {"speed", u.Speed}, {"deployment", u.Deployment}, {"id", u.ObjectID},
		{"finish", u.Finish}, {"terminal", u.Terminal}, {"raw", string(u.Raw)},
	} {
		line(field.name, field.value)
	}
	line("objects", u.Objects)
	return b.String()
}

// TestTranscripts replays each answer whole, cut in two at every byte, and byte
// by byte: T02, T03, T23–T28, T30–T36.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	for _, tr := range transcripts(t) {
		t.Run(tr.name, func(t *testing.T) {
			t.Parallel()
			before := bytes.Clone(tr.answer)
			for cut := range len(tr.answer) + 1 {
				s := tr.scanner("")
				s.Scan(tr.answer[:cut])
				s.Scan(tr.answer[cut:])
				if diff := cmp.Diff(tr.want, text(s.Close(tr.end))); diff != "" {
					t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
				}
			}
			s := tr.scanner("")
			for i := range tr.answer {
				s.Scan(tr.answer[i : i+1])
				notNegative(t, s.Snapshot())
			}
			if diff := cmp.Diff(tr.want, text(s.Close(tr.end))); diff != "" {
				t.Errorf("byte by byte (-want +got):\n%s", diff)
			}
			if !bytes.Equal(before, tr.answer) {
				t.Error("the answer was changed in place")
			}
		})
	}
}
