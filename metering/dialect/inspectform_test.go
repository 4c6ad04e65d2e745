package dialect_test

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

const formType = "multipart/form-data; boundary=weir"

// part is one part of a form.
type part struct{ head, value string }

// formOf writes a form by hand, so that it may be odd.
func formOf(parts ...part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString("--weir\r\n" + p.head + "\r\n\r\n" + p.value + "\r\n")
	}
	return b.String() + "--weir--\r\n"
}

func field(name, value string) part {
	return part{`Content-Disposition: form-data; name="` + name + `"`, value}
}

func file(name, content string) part {
	return part{`Content-Disposition: form-data; name="` + name + `"; filename="a.wav"` + "\r\nContent-Type: audio/wav", content}
}

// forms are bodies and what must be learned of them.
func forms() []struct {
	name, body string
	path       string
	want       dialect.Request
	refused    bool
} {
	audio := strings.Repeat("\x00\r\n--wei\r\n--we\rr-\n", 40)
	const speech, images, videos = "/v1/audio/transcriptions", "/v1/images/edits", "/v1/videos"
	type row = struct {
		name, body string
		path       string
		want       dialect.Request
		refused    bool
	}
	return []row{
		{"model before its file", formOf(field("model", "whisper-1"), file("file", audio)), speech, dialect.Request{Model: "whisper-1"}, false},
		{"model behind its file", formOf(file("file", audio), field("stream", "true"), field("model", "m")), speech, dialect.Request{Model: "m", Stream: true}, false},
		{"model twice, the same", formOf(field("model", "m"), file("file", audio), field("model", "m")), speech, dialect.Request{Model: "m"}, false},
		{"two models", formOf(field("model", "m"), file("file", audio), field("model", "n")), speech, dialect.Request{}, true},
		{"two models in two cases", formOf(field("model", "m"), field("Model", "n")), speech, dialect.Request{}, true},
		{"a second model that is a file", formOf(field("model", "m"), file("model", "n")), speech, dialect.Request{}, true},
		{"two dispositions", formOf(part{"Content-Disposition: form-data; name=\"a\"\r\nContent-Disposition: form-data; name=\"model\"", "n"}), speech, dialect.Request{}, true},
		{"a name twice", formOf(part{`Content-Disposition: form-data; name="a"; name="model"`, "n"}), speech, dialect.Request{}, true},
		{"a long model", formOf(field("model", strings.Repeat("m", 600))), speech, dialect.Request{}, true},
		{"a model with a line end", formOf(field("model", "a\nb")), speech, dialect.Request{}, true},
		{"a model in the name of a file", formOf(part{`Content-Disposition: form-data; name="file"; filename="name=\"model\""`, "n"}), speech, dialect.Request{}, false},
		{"no fields", "--weir--\r\n", speech, dialect.Request{}, false},
		{"an empty field", formOf(field("model", ""), field("n", "2")), images, dialect.Request{Choices: 2}, false},
		{
			"a picture", formOf(field("n", "3"), file("image[]", "x"), file("image[]", audio), field("size", "1024x1536"), field("quality", "high"), field("model", "gpt-image-1"), field("prompt", audio)),
			images, dialect.Request{Model: "gpt-image-1", Choices: 3, Variant: dialect.Variant{Size: "1024x1536", Quality: "high"}}, false,
		},
		{
			"a video", formOf(field("seconds", "8"), field("model", "sora-2"), field("size", "720x1280"), file("input_reference", audio)), videos,
			dialect.Request{Model: "sora-2", Variant: dialect.Variant{Size: "720x1280"}, Asked: []metering.Quantity{{Name: "video_seconds", Amount: metering.NumberOf(8)}}}, false,
		},
	}
}

// TestInspect_form: T11. The model of a form is found wherever it stands, and two
// of them are refused as in JSON.
func TestInspect_form(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	for _, tt := range forms() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			route := d.Route("POST", tt.path)
			got, err := d.Inspect(route, formType, []byte(tt.body))
			if tt.refused {
				if !errors.Is(err, metering.ErrInvalid) {
					t.Errorf("got %+v, %v, want it refused", got, err)
				}
				return
			}
			want := tt.want
			want.BodyBytes = int64(len(tt.body))
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

// sameForm holds that a form fed in pieces reads as it does whole, where it is ok
// at all.
func sameForm(t *testing.T, body string, pieces ...string) bool {
	t.Helper()
	fields := dialect.NewMultipartFields(formType)
	for _, p := range pieces {
		fields.Feed([]byte(p))
	}
	form, ok := fields.Form()
	if !ok {
		return false
	}
	d, _ := dialect.Named("openai")
	route := d.Route("POST", "/v1/images/edits")
	want, wantErr := d.Inspect(route, formType, []byte(body))
	have, err := d.Inspect(route, formType, form)
	want.BodyBytes, have.BodyBytes = 0, 0
	if (err != nil) != (wantErr != nil) {
		t.Fatalf("%.300q: %v off the form %.300q, %v off the body", body, err, form, wantErr)
	}
	if diff := cmp.Diff(want, have); diff != "" && wantErr == nil {
		t.Fatalf("%.300q, the form %.300q (-body +form):\n%s", body, form, diff)
	}
	return true
}

// TestMultipartFields: wherever a form is cut, its fields are found, and what of
// it is kept is small.
func TestMultipartFields(t *testing.T) {
	t.Parallel()
	for _, tt := range forms() {
		want := !strings.Contains(tt.name, "dispositions") && tt.name != "a name twice"
		for cut := range len(tt.body) + 1 {
			if got := sameForm(t, tt.body, tt.body[:cut], tt.body[cut:]); got != want {
				t.Fatalf("%s cut at %d: ok is %v, want %v", tt.name, cut, got, want)
			}
		}
		if got := sameForm(t, tt.body, strings.SplitAfter(tt.body, "")...); got != want {
			t.Fatalf("%s byte by byte: ok is %v, want %v", tt.name, got, want)
		}
	}
}

// TestMultipartFields_strict: what readers may understand differently is no form.
func TestMultipartFields_strict(t *testing.T) {
	t.Parallel()
	good := formOf(field("model", "m"))
	for name, body := range map[string]string{
		"preamble": "x\r\n" + good, "cut short": good[:len(good)-5], "empty": "",
		"LF alone":               strings.ReplaceAll(good, "\r\n", "\n"),
		"LF in a head":           formOf(part{"X: y\nContent-Disposition: form-data; name=\"model\"", "m"}),
		"text behind a boundary": strings.Replace(good, "--weir\r\n", "--weir x\r\n", 1),
		"blank behind":           strings.Replace(good, "--weir\r\n", "--weir \r\n", 1),
		"LF behind the last":     "--weir--\n--weir \nContent-Disposition: form-data; name=\"model\"\n\nm\n--weir--\n",
		"CR behind the last":     good[:len(good)-1],
		"text behind the last":   strings.TrimSuffix(good, "\r\n") + "x",
		"a long head":            formOf(part{"X: " + strings.Repeat("y", 5000), "z"}),
		"many parts":             formOf(make([]part, 1100)...),
		"much":                   formOf(field("a", strings.Repeat("y", 4000)), field("b", strings.Repeat("y", 4000))),
	} {
		for _, size := range []int{1, 7, len(body) + 1} {
			fields := dialect.NewMultipartFields(formType)
			for rest := body; rest != ""; {
				n := min(size, len(rest))
				fields.Feed([]byte(rest[:n]))
				rest = rest[n:]
			}
			if form, ok := fields.Form(); ok != (name == "much") {
				t.Errorf("%s in pieces of %d: %v, %.100q", name, size, ok, form)
			}
		}
	}
	if dialect.NewMultipartFields("application/json") != nil || dialect.NewMultipartFields("multipart/form-data") != nil {
		t.Error("a type of no form has a reader of forms")
	}
}

// TestMultipartFields_bounded: however large the form, little of it is kept: T10.
func TestMultipartFields_bounded(t *testing.T) {
	fields := dialect.NewMultipartFields(formType)
	fields.Feed([]byte("--weir\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n"))
	piece := bytes.Repeat([]byte("\r\n--wei."), 4<<10)
	if n := testing.AllocsPerRun(100, func() { fields.Feed(piece) }); n != 0 {
		t.Errorf("%v allocations for a piece of a file", n)
	}
	for range 40 {
		fields.Feed([]byte("\r\n--weir\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n" + strings.Repeat("y", 1<<20)))
	}
	fields.Feed([]byte("\r\n--weir--"))
	if form, ok := fields.Form(); ok {
		t.Errorf("%d bytes of forty long fields are kept", len(form))
	}
}

// FuzzMultipartFields looks for a form that hides a model when it is streamed.
func FuzzMultipartFields(f *testing.F) {
	for _, tt := range forms() {
		f.Add(tt.body, 9)
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	if err := w.SetBoundary("weir"); err != nil {
		f.Fatal(err)
	}
	p, err := w.CreatePart(textproto.MIMEHeader{"Content-Disposition": {`form-data; name*=UTF-8''model`}})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := p.Write([]byte("m")); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String(), 3)
	f.Fuzz(func(t *testing.T, body string, cut int) {
		if cut < 0 || cut > len(body) {
			cut = 0
		}
		whole := sameForm(t, body, body)
		if cuts := sameForm(t, body, body[:cut], body[cut:]); cuts != whole {
			t.Fatalf("%q cut at %d: ok is %v, whole %v", body, cut, cuts, whole)
		}
	})
}
