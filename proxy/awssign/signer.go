// Package awssign signs requests for AWS with Signature Version 4
// (https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html),
// by the signer of AWS's own SDK.
package awssign

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
)

// Options are what is signed for, and with what. All but SessionToken are
// required.
type Options struct {
	Service         string // "bedrock"
	Region          string // "us-east-1"
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string // of temporary keys
}

// Signer signs for one service in one region with one key. It is safe for
// concurrent use.
type Signer struct {
	o    Options
	keys aws.Credentials
	v4   *v4.Signer
}

var _ proxy.Signer = (*Signer)(nil)

// New returns a Signer. An error wraps metering.ErrInvalid and shows no secret.
func New(o Options) (*Signer, error) {
	for name, value := range map[string]string{
		"service": o.Service, "region": o.Region, "access key id": o.AccessKeyID, "secret access key": o.SecretAccessKey,
	} {
		if value == "" {
			return nil, fmt.Errorf("sign for AWS: no %s: %w", name, metering.ErrInvalid)
		}
	}
	return &Signer{
		o:    o,
		keys: aws.Credentials{AccessKeyID: o.AccessKeyID, SecretAccessKey: o.SecretAccessKey, SessionToken: o.SessionToken},
		v4: v4.NewSigner(func(so *v4.SignerOptions) {
			so.DisableURIPathEscaping = o.Service == serviceS3 // paths of S3 are signed as they are sent
		}),
	}, nil
}

// serviceS3 is the one service that takes a payload that is not signed, and whose
// paths are not encoded twice
// (https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html).
const serviceS3 = "s3"

// HashesBody implements [proxy.Signer]: objects may be larger than what can be
// held, and S3 does not ask for their hash.
func (s *Signer) HashesBody() bool { return s.o.Service != serviceS3 }

// unsigned is what stands for the hash of a body that nobody has told.
const unsigned = "UNSIGNED-PAYLOAD"

// payload is what is signed of the body: its hash, or for S3 what the client says
// in X-Amz-Content-Sha256, which stays in the request.
func (s *Signer) payload(req *http.Request, r *proxy.Unsigned) (text string, told bool) {
	if s.HashesBody() {
		return hex.EncodeToString(r.BodyHash[:]), true
	}
	if text = req.Header.Get("X-Amz-Content-Sha256"); text != "" {
		return text, true
	}
	return unsigned, false
}

// Sign implements [proxy.Signer]. Host, content type and what is named x-amz-…
// are signed: what AWS requires, and nothing that somebody on the way may add or
// change with good reason.
func (s *Signer) Sign(r *proxy.Unsigned) ([]proxy.HeaderField, error) {
	req := &http.Request{
		Method: r.Method,
		Host:   r.Host,
		Header: http.Header{},
		// Opaque keeps the path as it is sent: AWS signs it once more encoded. Without
		// a scheme the host keeps a port that is the scheme's own, as it is sent too.
		URL: &url.URL{Opaque: "//" + r.Host + r.Path, RawQuery: r.Query},
	}
	for _, f := range r.Fields {
		if name := strings.ToLower(f.Name); name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			req.Header.Add(f.Name, f.Value)
		}
	}
	payload, told := s.payload(req, r)
	if !told {
		req.Header.Set("X-Amz-Content-Sha256", payload)
	}
	if err := s.v4.SignHTTP(context.Background(), s.keys, req, payload, s.o.Service, s.o.Region, r.At); err != nil {
		return nil, fmt.Errorf("sign for AWS: %w", err)
	}
	fields := make([]proxy.HeaderField, 0, 3)
	if !told {
		fields = append(fields, proxy.HeaderField{Name: "X-Amz-Content-Sha256", Value: payload})
	}
	for _, name := range [...]string{"X-Amz-Date", "X-Amz-Security-Token", "Authorization"} {
		if value := req.Header.Get(name); value != "" {
			fields = append(fields, proxy.HeaderField{Name: name, Value: value})
		}
	}
	return fields, nil
}
