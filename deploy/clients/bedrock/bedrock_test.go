// Package bedrock_test runs the AWS SDK for Go against a replay of Bedrock twice,
// directly and through Weir, and compares what it hands back.
package bedrock_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime"
	"github.com/aws/aws-sdk-go-v2/service/bedrockruntime/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/auth/bearer"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/deploy/clients/box"
)

// weir is the built program.
var weir string

func TestMain(m *testing.M) { os.Exit(box.Main(m, &weir)) }

// rig is a replay and a Weir in front of it that signs for it.
type rig struct {
	replay *replay
	box    *box.Box
	key    string
}

func start(t *testing.T) *rig {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: needs the built program; run without -short")
	}
	r := &rig{replay: newReplay(t), box: &box.Box{Program: weir, Dir: t.TempDir()}}
	config := filepath.Join(r.box.Dir, "weir.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\nconsole: {listen: 127.0.0.1:0}\nupstreams:\n  bedrock:\n    base_url: %s\n"+
		"    sign: {service: bedrock, region: us-east-1, access_key_id: %s, secret_access_key: %s}\n", r.replay.URL, accessKey, secretKey)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.box.Proxy = box.Serve(t, box.Server{
		Dir: r.box.Dir, Ready: regexp.MustCompile(`(?m)^weir ready proxy=(\S+) `),
		Args: []string{weir, "serve", "--config", config, "--data", filepath.Join(r.box.Dir, "weir-data")},
	})
	r.box.Weir(t, "customer", "add", "--external-id", "acme", "--name", "Acme")
	r.key = r.box.NewKey(t, "acme")
	return r
}

// options are those of a client at base.
func options(base string) bedrockruntime.Options {
	return bedrockruntime.Options{
		Region: "us-east-1", BaseEndpoint: &base, RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIDUNUSED", SecretAccessKey: "unused"}, nil
		}),
	}
}

// direct is a client of the replay itself.
func (r *rig) direct() *bedrockruntime.Client { return bedrockruntime.New(options(r.replay.URL)) }

// through is a client of Weir: the SDK signs with some key or other, and the
// Weir key is in a header of its own.
func (r *rig) through(key string) *bedrockruntime.Client {
	o := options(r.box.Proxy + "/bedrock")
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return smithyhttp.SetHeaderValue("X-Weir-Key", key)(stack)
	})
	return bedrockruntime.New(o)
}

func input(model string) *bedrockruntime.ConverseInput {
	return &bedrockruntime.ConverseInput{ModelId: &model, Messages: messages()}
}

func messages() []types.Message {
	return []types.Message{{Role: types.ConversationRoleUser, Content: []types.ContentBlock{&types.ContentBlockMemberText{Value: "Say hello."}}}}
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// converse is what a caller sees of an answer or an error.
func converse(ctx context.Context, c *bedrockruntime.Client, model string) string {
	out, err := c.Converse(ctx, input(model))
	if err != nil {
		return describe(err)
	}
	text := out.Output.(*types.ConverseOutputMemberMessage).Value.Content[0].(*types.ContentBlockMemberText).Value
	u := out.Usage
	return fmt.Sprintf("%q, %s, %d in, %d out, %d of %d cached", text, out.StopReason, *u.InputTokens, *u.OutputTokens, *u.CacheReadInputTokens, *u.TotalTokens)
}

// describe is what the SDK makes of an error, without the request's own id.
func describe(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return "no API error: " + err.Error()
	}
	status := 0
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		status = resp.HTTPStatusCode()
	}
	return fmt.Sprintf("%d %T %s: %s", status, api, api.ErrorCode(), api.ErrorMessage())
}

// converseStream is what a caller sees of a stream.
func converseStream(ctx context.Context, c *bedrockruntime.Client, model string) string {
	out, err := c.ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: &model, Messages: messages()})
	if err != nil {
		return describe(err)
	}
	s := out.GetStream()
	var b strings.Builder
	for event := range s.Events() {
		switch e := event.(type) {
		case *types.ConverseStreamOutputMemberContentBlockDelta:
			b.WriteString(e.Value.Delta.(*types.ContentBlockDeltaMemberText).Value)
		case *types.ConverseStreamOutputMemberMetadata:
			fmt.Fprintf(&b, " %d in, %d out", *e.Value.Usage.InputTokens, *e.Value.Usage.OutputTokens)
		default:
			fmt.Fprintf(&b, "[%T]", e)
		}
	}
	if err := errors.Join(s.Err(), s.Close()); err != nil {
		b.WriteString(" " + describe(err))
	}
	return b.String()
}

// TestSame: answers, streams, errors of the provider and exceptions inside a
// stream are the same with and without Weir, and all is counted.
func TestSame(t *testing.T) {
	r := start(t)
	ctx := within(t)
	for name, do := range map[string]func(*bedrockruntime.Client) string{
		"answer":                func(c *bedrockruntime.Client) string { return converse(ctx, c, modelPlain) },
		"profile":               func(c *bedrockruntime.Client) string { return converse(ctx, c, modelProfile) },
		"error":                 func(c *bedrockruntime.Client) string { return converse(ctx, c, modelThrottled) },
		"stream":                func(c *bedrockruntime.Client) string { return converseStream(ctx, c, modelPlain) },
		"stream of a profile":   func(c *bedrockruntime.Client) string { return converseStream(ctx, c, modelProfile) },
		"error before a stream": func(c *bedrockruntime.Client) string { return converseStream(ctx, c, modelThrottled) },
		"exception":             func(c *bedrockruntime.Client) string { return converseStream(ctx, c, modelBroken) },
	} {
		want, got := do(r.direct()), do(r.through(r.key))
		if strings.Contains(want, "no API error") {
			t.Fatalf("%s: directly: %s", name, want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-direct +through Weir):\n%s", name, diff)
		}
		t.Logf("%s: %s", name, got)
	}
	r.replay.mu.Lock()
	if len(r.replay.wrong) > 0 || r.replay.verified != 7 {
		t.Errorf("%d signatures verify, these do not: %q", r.replay.verified, r.replay.wrong)
	}
	r.replay.mu.Unlock()
	// Four calls report 23 in and 7 out; the broken stream is estimated.
	u := r.box.Usage(t, "acme")
	if u.Requests != 7 || u.Estimated != 1 || u.InputTokens < 4*23 || u.OutputTokens < 4*7 {
		t.Errorf("usage %+v", u)
	}
}

// TestRefusal: Weir's own refusals are errors that the SDK knows.
func TestRefusal(t *testing.T) {
	r := start(t)
	_, err := r.through("weir_live_unknown").Converse(within(t), input(modelPlain))
	var denied *types.AccessDeniedException
	if !errors.As(err, &denied) || !strings.Contains(denied.ErrorMessage(), "unknown, expired or revoked") {
		t.Errorf("got %v", err)
	}
}

// TestAbort: a caller who stops reading a stream ends it at the provider, and
// what was generated until then is counted.
func TestAbort(t *testing.T) {
	r := start(t)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	model := modelEndless
	out, err := r.through(r.key).ConverseStream(ctx, &bedrockruntime.ConverseStreamInput{ModelId: &model, Messages: messages()})
	if err != nil {
		t.Fatal(err)
	}
	s := out.GetStream()
	for seen := 0; seen < 4; seen++ { // messageStart and three pieces of text
		if _, ok := <-s.Events(); !ok {
			t.Fatalf("the stream ended: %v", s.Err())
		}
	}
	cancel()
	if err := s.Close(); err != nil {
		t.Logf("close: %v", err)
	}
	select {
	case <-r.replay.gone:
	case <-time.After(20 * time.Second):
		t.Fatal("the provider still generates")
	}
	if u := r.box.Usage(t, "acme"); u.Requests != 1 || u.Estimated != 1 || u.OutputTokens == 0 {
		t.Errorf("usage %+v", u)
	}
}

// TestBearer: the Weir key as Bedrock's API key, which the SDK sends over TLS
// alone.
func TestBearer(t *testing.T) {
	r := start(t)
	at, err := url.Parse(r.box.Proxy)
	if err != nil {
		t.Fatal(err)
	}
	front := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.Out.URL.Scheme, p.Out.URL.Host = at.Scheme, at.Host },
		FlushInterval: -1,
	})
	t.Cleanup(front.Close)
	o := options(front.URL + "/bedrock")
	o.Credentials, o.HTTPClient = nil, front.Client()
	o.BearerAuthTokenProvider = bearer.StaticTokenProvider{Token: bearer.Token{Value: r.key}}
	o.AuthSchemePreference = []string{"httpBearerAuth"}
	want := converse(within(t), r.direct(), modelProfile)
	if diff := cmp.Diff(want, converse(within(t), bedrockruntime.New(o), modelProfile)); diff != "" {
		t.Errorf("(-direct +through Weir):\n%s", diff)
	}
}
