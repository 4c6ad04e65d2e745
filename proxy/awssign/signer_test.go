package awssign_test

import (
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy"
	"github.com/weirhq/weir/proxy/awssign"
)

// example is the key of AWS's own test suite of Signature Version 4.
func example() awssign.Options {
	return awssign.Options{
		Service: "service", Region: "us-east-1",
		AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
	}
}

func request(method, path, query string, fields ...proxy.HeaderField) *proxy.Unsigned {
	return &proxy.Unsigned{
		Method: method, Host: "example.amazonaws.com", Path: path, Query: query, Fields: fields,
		BodyHash: sha256.Sum256(nil), At: time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC),
	}
}

func sign(t *testing.T, o awssign.Options, r *proxy.Unsigned) []proxy.HeaderField {
	t.Helper()
	s, err := awssign.New(o)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := s.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	return fields
}

// TestSign_Vectors: get-vanilla of AWS's test suite, whose signature is known.
func TestSign_Vectors(t *testing.T) {
	t.Parallel()
	want := []proxy.HeaderField{
		{Name: "X-Amz-Date", Value: "20150830T123600Z"},
		{Name: "Authorization", Value: "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, " +
			"Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
	}
	if diff := cmp.Diff(want, sign(t, example(), request("GET", "/", ""))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSign_Covers: everything that says what the request is changes the
// signature, and what others may add on the way does not.
func TestSign_Covers(t *testing.T) {
	t.Parallel()
	signature := func(r *proxy.Unsigned) string {
		fields := sign(t, example(), r)
		return fields[len(fields)-1].Value
	}
	plain := signature(request("POST", "/model/a%3A0/converse", "x=1"))
	for name, other := range map[string]*proxy.Unsigned{
		"method":       request("PUT", "/model/a%3A0/converse", "x=1"),
		"encoding":     request("POST", "/model/a:0/converse", "x=1"),
		"query":        request("POST", "/model/a%3A0/converse", "x=2"),
		"content type": request("POST", "/model/a%3A0/converse", "x=1", proxy.HeaderField{Name: "content-type", Value: "application/json"}),
		"amz field":    request("POST", "/model/a%3A0/converse", "x=1", proxy.HeaderField{Name: "X-Amz-Target", Value: "y"}),
	} {
		if signature(other) == plain {
			t.Errorf("%s is not signed", name)
		}
	}
	later := request("POST", "/model/a%3A0/converse", "x=1")
	later.At = later.At.Add(time.Second)
	body := request("POST", "/model/a%3A0/converse", "x=1")
	body.BodyHash[0]++
	if signature(later) == plain || signature(body) == plain {
		t.Error("time or body is not signed")
	}
	if signature(request("POST", "/model/a%3A0/converse", "x=1", proxy.HeaderField{Name: "User-Agent", Value: "x"}, proxy.HeaderField{Name: "Accept", Value: "*/*"})) != plain {
		t.Error("a field is signed that AWS does not ask for")
	}
}

func TestSign_SessionToken(t *testing.T) {
	t.Parallel()
	o := example()
	o.SessionToken = "token"
	fields := sign(t, o, request("GET", "/", ""))
	if len(fields) != 3 || fields[1] != (proxy.HeaderField{Name: "X-Amz-Security-Token", Value: "token"}) ||
		!strings.Contains(fields[2].Value, "SignedHeaders=host;x-amz-date;x-amz-security-token") {
		t.Errorf("%v", fields)
	}
}

func TestNew_Refuses(t *testing.T) {
	t.Parallel()
	for _, leave := range []func(*awssign.Options){
		func(o *awssign.Options) { o.Service = "" }, func(o *awssign.Options) { o.Region = "" },
		func(o *awssign.Options) { o.AccessKeyID = "" }, func(o *awssign.Options) { o.SecretAccessKey = "" },
	} {
		o := example()
		leave(&o)
		if _, err := awssign.New(o); !errors.Is(err, metering.ErrInvalid) || strings.Contains(err.Error(), "wJalr") {
			t.Errorf("got %v", err)
		}
	}
}
