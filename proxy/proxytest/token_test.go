package proxytest_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/weirhq/weir/proxy/proxytest"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	f := func(text string, want int64) {
		t.Helper()
		if got := proxytest.Tokens(text); got != want {
			t.Errorf("Tokens(%q) = %d, want %d", text, got, want)
		}
	}
	f("", 0)
	f("weir", 1)
	f("a weir", 2)            // the space belongs to the word
	f("a  weir", 3)           // only one of them
	f("engineers", 2)         // engine ers
	f("Größe", 1)             // Latin, whatever it costs in bytes
	f("漢字", 2)                // one each
	f("🌊", 1)                 // one, of four bytes
	f(`{"n":21}`, 7)          // { " n " : 21 }
	f("x\n\ny", 4)            // line ends alone
	f(" ", 1)                 // a space with nothing after it
	f(string([]byte{255}), 1) // no text at all still ends
}

// TestTokens_addUp: what is streamed a token at a time counts what its text does.
func TestTokens_addUp(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		n := proxytest.Tokens(text)
		if n > int64(len([]rune(text))) || (n == 0) != (text == "") {
			t.Errorf("%d tokens in %d characters", n, len([]rune(text)))
		}
		if word := rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "word"); proxytest.Tokens(text+" "+word) != n+proxytest.Tokens(" "+word) {
			t.Errorf("a word after %q costs something else than alone", text)
		}
	})
}

// input asks how many tokens a prompt has.
func input(t *testing.T, head, body string) int64 {
	t.Helper()
	sim := newSimulator()
	if w := ask(t, sim, head, body); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return sim.Recorder().Select(nil)[0].Input
}

// drawn is an image of a size, as base64.
func drawn(t *testing.T, width, height int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}

// TestSimulator_images compares with the examples of the vendors' own pages.
func TestSimulator_images(t *testing.T) {
	t.Parallel()
	const chat, message, content = "POST /v1/chat/completions", "POST /v1/messages", "POST /v1beta/models/gemini-2.5-flash:generateContent"
	chats := `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}]}`
	low := strings.Replace(chats, `"url":`, `"detail":"low","url":`, 1)
	messages := `{"model":"claude-sonnet-4-5","max_tokens":9,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"%s"}}]}]}`
	contents := `{"contents":[{"parts":[{"inlineData":{"mimeType":"image/png","data":"%s"}}]}]}`
	responses := `{"model":"gpt-4o","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,%s"}]}]}`
	for _, tt := range []struct {
		name, head, body string
		width, height    int
		want             int64
	}{
		{"OpenAI 1024 by 1024", chat, chats, 1024, 1024, 765},
		{"OpenAI 2048 by 4096", chat, chats, 2048, 4096, 1105},
		{"OpenAI small", chat, chats, 20, 20, 255},
		{"OpenAI low detail", chat, low, 2048, 2048, 85},
		{"OpenAI responses", "POST /v1/responses", responses, 1024, 1024, 765},
		{"Anthropic 200 by 200", message, messages, 200, 200, 53},
		{"Anthropic 1000 by 1000", message, messages, 1000, 1000, 1333},
		{"Anthropic large", message, messages, 3000, 3000, 1600},
		{"Gemini small", content, contents, 384, 384, 258},
		{"Gemini two by one tiles", content, contents, 1536, 768, 516},
	} {
		none := input(t, tt.head, strings.Replace(fmt.Sprintf(tt.body, ""), `"type":"image`, `"type":"other`, 1))
		if strings.Contains(tt.body, "inlineData") {
			none = input(t, tt.head, `{"contents":[{"parts":[{"text":""}]}]}`)
		}
		if strings.Contains(tt.body, "input_image") {
			none = input(t, tt.head, `{"model":"gpt-4o","input":[{"role":"user","content":[]}]}`)
		}
		if got := input(t, tt.head, fmt.Sprintf(tt.body, drawn(t, tt.width, tt.height))) - none; got != tt.want {
			t.Errorf("%s: %d tokens, want %d", tt.name, got, tt.want)
		}
	}
	linked := `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}]}`
	if got, want := input(t, chat, linked), input(t, chat, fmt.Sprintf(chats, drawn(t, 1024, 1024))); got != want {
		t.Errorf("a link counts %d, want %d as of 1024 by 1024", got, want)
	}
}

// TestSimulator_sound: sound counts by its length, and is told apart.
func TestSimulator_sound(t *testing.T) {
	t.Parallel()
	sound := base64.StdEncoding.EncodeToString(make([]byte, 14_400))
	w := ask(t, newSimulator(), "POST /v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav","data":"`+sound+`"}}]}]}`)
	if want := `"prompt_tokens":10,`; !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"audio_tokens":3}`) {
		t.Errorf("no %s and 3 audio tokens in %s", want, w.Body)
	}
	w = ask(t, newSimulator(), "POST /v1beta/models/gemini-2.5-flash:countTokens", `{"contents":[{"parts":[{"inlineData":{"mimeType":"audio/wav","data":"`+sound+`"}}]}]}`)
	if got := strings.Join(strings.Fields(w.Body.String()), ""); !strings.Contains(got, `{"modality":"AUDIO","tokenCount":10}`) || !strings.Contains(got, `"totalTokens":17`) {
		t.Errorf("counted %s", got)
	}
}
