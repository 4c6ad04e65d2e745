// Package examples_test builds the example applications, runs them against the
// sandbox and holds that each customer is charged with its own tokens. It also
// runs what the guide in docs/ shows.
package examples_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
)

// weir is the built program.
var weir string

func TestMain(m *testing.M) { os.Exit(box.Main(m, &weir)) }

// program skips a test that needs the built program when the run is short.
func program(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program; run without -short")
	}
}

// application is an example: how it is started, and where it takes calls.
type application struct {
	dir              string
	args             []string // from which it serves on a free port
	ready            *regexp.Regexp
	generate, stream string // paths
}

// start runs the application until the test ends. Where it calls is said by two
// variables and nothing else.
func (a application) start(t *testing.T, baseURL, key string) running {
	t.Helper()
	url := box.Serve(t, box.Server{
		Dir: a.dir, Args: a.args, Ready: a.ready,
		Env: []string{"OPENAI_BASE_URL=" + baseURL, "OPENAI_API_KEY=" + key, "NEXT_TELEMETRY_DISABLED=1", "PYTHONDONTWRITEBYTECODE=1"},
	})
	return running{url + a.generate, url + a.stream}
}

// running is an application that takes calls at two URLs.
type running struct{ generate, stream string }

// generated is what it answers to a call that is not streamed.
type generated struct {
	Text  string
	Usage struct{ InputTokens, OutputTokens int64 }
}

func (a application) test(t *testing.T) {
	t.Helper()
	b := box.Run(t, weir)
	for _, customer := range []string{"acme", "globex", "shop"} {
		b.Weir(t, "customer", "add", "--external-id", customer, "--name", customer)
	}
	direct := a.start(t, b.Simulator+"/v1", b.SimulatorKey)
	through := a.start(t, b.Proxy+"/v1", b.NewKey(t, "shop", "--permit", "attribute"))

	const short, long = "What does a weir do?", "Tell me about weirs in 90 words."
	one := a.same(t, direct, through, "acme", short)
	two := a.same(t, direct, through, "globex", long)

	// acme generated its own question once, and streamed the other one's; globex
	// only generated. Streamed or not, the provider counts the same.
	pieces, text := streamed(t, through, "acme", long)
	if text != two.Text {
		t.Errorf("streamed through Weir:\n%s\nnot streamed:\n%s", text, two.Text)
	}
	if _, want := streamed(t, direct, "acme", long); text != want {
		t.Errorf("streamed through Weir:\n%s\ndirectly:\n%s", text, want)
	}
	if pieces < 10 {
		t.Errorf("the stream of 90 words arrived in %d pieces", pieces)
	}
	if status, body := ask(t, through.generate, "", short); status != http.StatusUnauthorized {
		t.Errorf("without a session: %d %s", status, body)
	}

	want := map[string]box.Usage{"shop": {}, "globex": sum(two), "acme": sum(one, two)}
	for customer, want := range want {
		if got := b.Usage(t, customer); got != want {
			t.Errorf("usage of %s: %+v\nwant %+v", customer, got, want)
		}
	}
}

// same asks directly and through Weir, and wants the same answer.
func (application) same(t *testing.T, direct, through running, customer, prompt string) generated {
	t.Helper()
	var answers [2]generated
	for i, at := range []running{direct, through} {
		status, body := ask(t, at.generate, customer, prompt)
		if err := json.Unmarshal(body, &answers[i]); status != http.StatusOK || err != nil {
			t.Fatalf("%s: %d, %v in %s", at.generate, status, err, body)
		}
	}
	if answers[0] != answers[1] {
		t.Errorf("through Weir %+v\ndirectly %+v", answers[1], answers[0])
	}
	if u := answers[1].Usage; answers[1].Text == "" || u.InputTokens == 0 || u.OutputTokens == 0 {
		t.Fatalf("an answer without text or usage: %+v", answers[1])
	}
	return answers[1]
}

// sum is the usage that these answers make.
func sum(answers ...generated) box.Usage {
	var u box.Usage
	for _, g := range answers {
		u.Requests++
		u.InputTokens += g.Usage.InputTokens
		u.OutputTokens += g.Usage.OutputTokens
	}
	u.Total = u.InputTokens + u.OutputTokens
	return u
}

// post sends a prompt as a customer's session does; "" has none.
func post(t *testing.T, url, customer, prompt string) *http.Response {
	t.Helper()
	body, err := json.Marshal(map[string]string{"prompt": prompt})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	if customer != "" {
		request.Header.Set("Authorization", "Bearer session-of-"+customer)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() }) // has been read to its end
	return response
}

func ask(t *testing.T, url, customer, prompt string) (int, []byte) {
	t.Helper()
	response := post(t, url, customer, prompt)
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", url, err)
	}
	return response.StatusCode, body
}

// streamed reads a streamed answer and returns in how many pieces it came.
func streamed(t *testing.T, at running, customer, prompt string) (pieces int, text string) {
	t.Helper()
	response := post(t, at.stream, customer, prompt)
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", at.stream, response.Status)
	}
	var all strings.Builder
	for piece := make([]byte, 4096); ; pieces++ {
		n, err := response.Body.Read(piece)
		all.Write(piece[:n])
		if errors.Is(err, io.EOF) {
			return pieces, all.String()
		}
		if err != nil {
			t.Fatal(fmt.Errorf("%s after %q: %w", at.stream, all.String(), err))
		}
	}
}
