package estimate_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tiktoken-go/tokenizer/codec"

	"github.com/weirhq/weir/metering/estimate"
)

const prose = "A weir measures the flow of a stream without holding it up; its crest is 1.25 metres wide. func main() { fmt.Println(\"naïve café — 水流\") }\n"

// TestCount: windows come to what the whole text comes to.
func TestCount(t *testing.T) {
	t.Parallel()
	tok := estimate.New()
	for e, whole := range map[estimate.Encoding]*codec.Codec{estimate.O200k: codec.NewO200kBase(), estimate.Cl100k: codec.NewCl100kBase()} {
		for _, text := range []string{"", "water", prose, strings.Repeat(prose, 40), strings.Repeat("one two  three\n\n", 300)} {
			want, err := whole.Count(text)
			if err != nil {
				t.Fatal(err)
			}
			if n, ok := tok.Count(e, []string{text}, false); !ok || n != int64(want) {
				t.Errorf("%s, %d bytes: %d tokens, want %d", e, len(text), n, want)
			}
		}
	}
	if n, ok := tok.Count(estimate.O200k, []string{"water", "water"}, false); !ok || n != 2 {
		t.Errorf("two texts are %d tokens", n)
	}
}

// TestCount_Hostile: texts that are made to take long do not. 64 KiB of the
// first takes the encoder 14 s at once.
func TestCount_Hostile(t *testing.T) {
	t.Parallel()
	tok := estimate.New()
	tok.Load(estimate.O200k)
	const size = 128 << 10
	for name, unit := range map[string]string{
		"blanks and line ends": " \n", "blanks": " ", "one letter": "a", "half a character": "\xff", "symbols": "!?", "Chinese": "水", "marks": "e\u0301",
	} {
		text := strings.Repeat(unit, size/len(unit))
		began := time.Now()
		n, ok := tok.Count(estimate.O200k, []string{text}, false)
		if took := time.Since(began); !ok || took > 20*time.Second {
			t.Errorf("%s took %v", name, took)
		}
		if n <= 0 || n > int64(len(text)) {
			t.Errorf("%s: %d tokens of %d bytes", name, n, len(text))
		}
	}
}

// TestCount_Limits: what a client waits for is little or not done.
func TestCount_Limits(t *testing.T) {
	t.Parallel()
	tok := estimate.New()
	if _, ok := tok.Count(estimate.O200k, []string{"water"}, true); ok {
		t.Error("counted without a vocabulary while a client waited")
	}
	tok.Wait() // it is being loaded now
	if n, ok := tok.Count(estimate.O200k, []string{"water"}, true); !ok || n != 1 {
		t.Errorf("loaded: %d tokens, %v", n, ok)
	}
	large := strings.Repeat("water ", estimate.Brief/6+1)
	if _, ok := tok.Count(estimate.O200k, []string{large}, true); ok {
		t.Error("counted too much while a client waited")
	}
	if _, ok := tok.Count(estimate.O200k, []string{large}, false); !ok {
		t.Error("not counted when nobody waited")
	}
	if _, ok := tok.Count(estimate.O200k, []string{strings.Repeat("a", estimate.Patient+1)}, false); ok {
		t.Error("counted without any limit")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	var text estimate.Text
	text.AppendJSON(0, []byte(`"He"`))
	text.AppendJSON(3, []byte(`"Bon"`))
	text.AppendJSON(0, []byte(`"llo \"you\"\n"`))
	text.Append(3, []byte("jour"))
	text.AppendString(1_000_000, "far")
	for _, nothing := range []string{`null`, `""`, `12`, `{"a":"b"}`, ``} {
		text.AppendJSON(0, []byte(nothing))
	}
	if d := cmp.Diff([]string{"Hello \"you\"\n", "Bonjour", "far"}, text.Texts()); d != "" {
		t.Error(d)
	}
	if text.Len() != len("Hello \"you\"\nBonjourfar") {
		t.Errorf("%d bytes are kept", text.Len())
	}
	for range estimate.MaxText / 8 {
		text.AppendString(0, "12345678x")
	}
	if text.Len() > estimate.MaxText {
		t.Errorf("%d bytes are kept", text.Len())
	}
	if text.Reset(); text.Len() != 0 || len(text.Texts()) != 0 {
		t.Error("something is left")
	}
}

// TestText_Allocates: a text that is used again grows no more.
func TestText_Allocates(t *testing.T) {
	var text estimate.Text
	piece := []byte(`" flows \u00fcber\n"`)
	if n := testing.AllocsPerRun(100, func() {
		text.Reset()
		for i := range 200 {
			text.AppendJSON(i%4, piece)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzUnquote: what encoding/json reads as a string is read the same.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`"a"`, `"\n\t\"\\\/"`, `"\u4e2d\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\u00e"`, `"\`, `"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) < 2 || raw[len(raw)-1] != '"' {
			return // a string with blanks around it is no raw string
		}
		got := estimate.Unquote(nil, raw)
		var want string
		if json.Valid(raw) && raw[0] == '"' && json.Unmarshal(raw, &want) == nil && string(slices.Concat([]byte(`"`), got, []byte(`"`))) != `"`+want+`"` && !strings.ContainsRune(want, '\ufffd') {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	})
}

func TestSchemeOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ provider, model, method string }{
		{"openai", "gpt-4o-mini-2024-07-18", "tiktoken/o200k_base"},
		{"openai", "gpt-4-0613", "tiktoken/cl100k_base"},
		{"azure", "gpt-35-turbo", "tiktoken/cl100k_base"},
		{"azure", "my-deployment", "tiktoken/o200k_base"},
		{"openrouter", "openai/gpt-5", "tiktoken/o200k_base"},
		{"openrouter", "anthropic/claude-sonnet-4.5", "tiktoken/o200k_base*1.30"},
		{"bedrock", "anthropic.claude-3-haiku-20240307-v1:0", "tiktoken/o200k_base*1.30"},
		{"anthropic", "", "tiktoken/o200k_base*1.30"},
		{"gemini", "gemini-2.5-flash", "tiktoken/o200k_base*1.10"},
		{"mistral", "mistral-large-latest", "tiktoken/o200k_base*1.15"},
		{"groq", "llama-3.3-70b-versatile", "tiktoken/o200k_base*1.05"},
		{"", "", "tiktoken/o200k_base*1.05"},
	} {
		s := estimate.SchemeOf(tt.provider, tt.model)
		if s.Method() != tt.method {
			t.Errorf("%s of %s: %s, want %s", tt.model, tt.provider, s.Method(), tt.method)
		}
		if n := s.Of(1000); s.Low(1000) > n || s.High(1000) < n {
			t.Errorf("%s: %d is not within %d and %d", tt.model, n, s.Low(1000), s.High(1000))
		}
	}
}
