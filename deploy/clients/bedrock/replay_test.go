package bedrock_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// The operator's key, which the replay verifies the signature of.
const (
	accessKey = "AKIDOPERATOR"
	secretKey = "operator-secret"
)

// Models that the replay answers for, each in a way of its own.
const (
	modelPlain     = "us.amazon.nova-micro-v1:0"
	modelProfile   = "arn:aws:bedrock:us-east-1:012345678901:inference-profile/us.anthropic.claude-x-v1:0"
	modelThrottled = "amazon.throttled-v1:0"
	modelBroken    = "amazon.broken-v1:0" // an exception in the middle of a stream
	modelEndless   = "amazon.endless-v1:0"
)

// replay stands in for Bedrock: it answers as recordings do, and knows whether
// the caller went away.
type replay struct {
	*httptest.Server
	t    *testing.T
	gone chan struct{} // one per stream whose reader went away

	mu       sync.Mutex
	verified int // signatures
	wrong    []string
}

func newReplay(t *testing.T) *replay {
	r := &replay{t: t, gone: make(chan struct{}, 16)}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// ServeHTTP answers one call.
func (r *replay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return // the client has gone
	}
	r.verify(req, body)
	segments := strings.Split(strings.TrimPrefix(req.URL.EscapedPath(), "/"), "/")
	if len(segments) != 3 || segments[0] != "model" {
		http.Error(w, `{"message":"no such operation"}`, http.StatusNotFound)
		return
	}
	model, err := url.PathUnescape(segments[1])
	switch {
	case err != nil:
		http.Error(w, `{"message":"no such model"}`, http.StatusBadRequest)
	case model == modelThrottled:
		w.Header().Set("X-Amzn-Errortype", "ThrottlingException:http://internal.amazon.com/coral/com.amazon.bedrock/")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"message":"Too many requests, please wait before trying again."}`)
	case segments[2] == "converse":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"metrics":{"latencyMs":7},"output":{"message":{"content":[{"text":"Hello from a recording."}],"role":"assistant"}},`+
			`"stopReason":"end_turn","usage":{"inputTokens":11,"outputTokens":7,"totalTokens":30,"cacheReadInputTokens":12}}`)
	case segments[2] == "converse-stream":
		w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
		r.stream(w, req, model)
	default:
		http.Error(w, `{"message":"no such operation"}`, http.StatusNotFound)
	}
}

// verify recomputes the signature of a call that the operator's key signed.
func (r *replay) verify(req *http.Request, body []byte) {
	got := req.Header.Get("Authorization")
	if !strings.Contains(got, "Credential="+accessKey+"/") {
		return // sent directly
	}
	again := &http.Request{Method: req.Method, Host: req.Host, Header: http.Header{}, URL: &url.URL{Opaque: "//" + req.Host + req.URL.EscapedPath(), RawQuery: req.URL.RawQuery}}
	for name, values := range req.Header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-") {
			again.Header[name] = values
		}
	}
	at, err := time.Parse("20060102T150405Z", req.Header.Get("X-Amz-Date"))
	hash := sha256.Sum256(body)
	if err == nil {
		keys := aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
		err = v4.NewSigner().SignHTTP(context.Background(), keys, again, hex.EncodeToString(hash[:]), "bedrock", "us-east-1", at)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil || again.Header.Get("Authorization") != got {
		r.wrong = append(r.wrong, req.Method+" "+req.URL.EscapedPath())
		return
	}
	r.verified++
}

// stream sends frames, an exception among them or none of the last ones.
func (r *replay) stream(w http.ResponseWriter, req *http.Request, model string) {
	send := func(kind, name, payload string) {
		_, _ = w.Write(message(kind, name, payload))
		w.(http.Flusher).Flush()
	}
	send("event", "messageStart", `{"role":"assistant"}`)
	for _, text := range []string{"Hello ", "from a ", "recording."} {
		send("event", "contentBlockDelta", `{"contentBlockIndex":0,"delta":{"text":"`+text+`"}}`)
	}
	switch model {
	case modelBroken:
		send("exception", "modelStreamErrorException", `{"message":"The model failed."}`)
		return
	case modelEndless:
		<-req.Context().Done()
		r.gone <- struct{}{}
		return
	}
	send("event", "contentBlockStop", `{"contentBlockIndex":0}`)
	send("event", "messageStop", `{"stopReason":"end_turn"}`)
	send("event", "metadata", `{"metrics":{"latencyMs":7},"usage":{"inputTokens":11,"outputTokens":7,"totalTokens":30,"cacheReadInputTokens":12}}`)
}

// message is a frame, by the SDK's own encoder.
func message(kind, name, payload string) []byte {
	var b bytes.Buffer
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(":message-type", eventstream.StringValue(kind))
	m.Headers.Set(":"+kind+"-type", eventstream.StringValue(name))
	m.Headers.Set(":content-type", eventstream.StringValue("application/json"))
	if err := eventstream.NewEncoder().Encode(&b, m); err != nil {
		panic(err)
	}
	return b.Bytes()
}
