package proxy_test

import (
	"strings"
	"testing"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/awssign"
)

// s3At is a store at o whose calls are signed.
func s3At(t testing.TB, o *origin) proxy.Upstream {
	t.Helper()
	u := upstreamAt(t, "s3", o)
	s, err := awssign.New(awssign.Options{Service: "s3", Region: "us-east-1", AccessKeyID: accessKey, SecretAccessKey: secretKey})
	if err != nil {
		t.Fatal(err)
	}
	u.Name, u.EventName, u.Credentials, u.KeyHeader, u.Signer = "store", "objects", nil, "", s
	return u
}

// TestS3: an S3 client puts its Weir key where its access key id goes; what the
// store gets is signed with the operator's, over what the client said of the body.
func TestS3(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, answering(respond("200 OK", "application/octet-stream", "12345")))
	r := start(t, o, func(options *proxy.Options) {
		options.Upstreams = []proxy.Upstream{s3At(t, o)}
		options.Inspect = 16
	})
	client := func(id string) string {
		return "Authorization: AWS4-HMAC-SHA256 Credential=" + id + "/20260301/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
	}
	body := strings.Repeat("x", 5000)
	for i, tt := range []struct {
		path, sha, payload string
		chunked            bool
	}{
		{"/store/photos/a%20b/c.jpg", "", "UNSIGNED-PAYLOAD", false},
		{"/store/photos/a//b?partNumber=1&uploadId=x", "UNSIGNED-PAYLOAD", "UNSIGNED-PAYLOAD", false},
		{"/store/photos/%E4%B8%AD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", true},
	} {
		fields := []string{client(key), "X-Amz-Date: 20260301T000000Z"}
		if tt.sha != "" {
			fields = append(fields, "X-Amz-Content-Sha256: "+tt.sha)
		}
		request := strings.Replace(post(tt.path, body, fields...), "POST", "PUT", 1)
		resp, answer, err := r.ask("PUT", request)
		if err != nil || resp.StatusCode != 200 || string(answer) != "12345" {
			t.Fatalf("%s: %v %q %v", tt.path, resp, answer, err)
		}
		seen, _ := o.seen()
		g := seen[len(seen)-1]
		verifyFor(t, g, "", "s3", tt.payload, v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }))
		if !strings.HasPrefix(g.line, "PUT "+strings.TrimPrefix(tt.path, "/store")+" ") || string(g.body) != body {
			t.Errorf("the store got %q with %d bytes", g.line, len(g.body))
		}
		if strings.Contains(string(g.raw), "weir_") || len(g.all("X-Amz-Content-Sha256")) != 1 || len(g.all("X-Amz-Date")) != 1 {
			t.Errorf("the store got %q", g.fields)
		}
		e := r.journal.fact(t, i+1)
		if e.Name != "objects" || e.BodyBytes != int64(len(body)) || e.BytesOut != 5 || e.Property("bucket").Text != "photos" {
			t.Errorf("event is %+v", e)
		}
	}
	for name, fields := range map[string][]string{
		"401": {client("AKIAUNKNOWN")},
		"400": {client(key), "X-Amz-Content-Sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
	} {
		resp, answer, err := r.ask("PUT", strings.Replace(post("/store/photos/x", "", append(fields, "X-Weir-Tags: via=weir_")...), "POST", "PUT", 1))
		if err != nil || resp.Status[:3] != name || !strings.Contains(string(answer), "<Error><Code>") {
			t.Errorf("want %s: %v %q %v", name, resp, answer, err)
		}
	}
}
