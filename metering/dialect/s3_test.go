package dialect_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

func TestS3_operations(t *testing.T) {
	t.Parallel()
	d, ok := dialect.Named("s3")
	if !ok {
		t.Fatal("no dialect s3")
	}
	for call, want := range map[string]string{
		"GET /":                               "s3.list_buckets",
		"GET /photos?list-type=2&prefix=a":    "s3.list_objects bucket=photos",
		"PUT /photos":                         "s3.create_bucket bucket=photos",
		"GET /photos/a/b%20c.jpg":             "s3.get_object bucket=photos key=a/b c.jpg",
		"HEAD /photos/a":                      "s3.head_object bucket=photos key=a",
		"PUT /photos/a":                       "s3.put_object bucket=photos key=a",
		"PUT /photos/a?partNumber=1&uploadId": "s3.upload_part bucket=photos key=a",
		"POST /photos/a?uploads":              "s3.create_multipart_upload bucket=photos key=a",
		"POST /photos/a?uploadId=x":           "s3.complete_multipart_upload bucket=photos key=a",
		"DELETE /photos/a?uploadId=x":         "s3.abort_multipart_upload bucket=photos key=a",
		"POST /photos?delete":                 "s3.delete_objects bucket=photos",
		"GET /photos/a?tagging":               "s3.get_tagging bucket=photos key=a",
		"PATCH /photos/a":                     "s3.other bucket=photos key=a",
	} {
		method, target, _ := strings.Cut(call, " ")
		path, query, _ := strings.Cut(target, "?")
		r := d.(dialect.Queried).RouteQuery(method, path, query)
		got := string(r.Endpoint)
		for _, a := range r.Attributes {
			if a.Name != "operation" {
				got += " " + a.Name + "=" + a.Value
			}
		}
		if got != want || r.Class != dialect.Metered || !r.Opaque {
			t.Errorf("%s is %q of class %d, want %q", call, got, r.Class, want)
		}
	}
	u := d.Scanner(d.Route("GET", "/b/k"), dialect.Request{}, dialect.Response{Status: 200, ContentType: "image/png"}).Close(dialect.Ended)
	var names []string
	for _, a := range u.Attributes {
		names = append(names, a.Name+"="+a.Value)
	}
	if got := strings.Join(names, " "); got != "bucket=b contentType=image/png key=k operation=get_object" || u.State != "exact" {
		t.Errorf("attributes are %q, state %s", got, u.State)
	}
}

// TestS3_paths: a key may have any bytes, and none that leads elsewhere (S09).
func TestS3_paths(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("s3")
	for path, want := range map[string]bool{
		"/b/a%20b": true, "/b/a%2Fb": true, "/b//a": true, "/b/%E4%B8%AD": true, "/b/a+b": true, "/": true,
		"/b/../c": false, "/b/%2e%2e/c": false, "/b/x%2F..%2Fc": false, "/b/x%5C..%5Cc": false, "/b/.": false, "/b/a\\b": false,
		"/b/%zz": false, "b": false, "": false, "/b/a b": false, "/b/\x00": false,
	} {
		if got := d.(dialect.Pathed).CanonicalPath([]byte(path)); got != want {
			t.Errorf("%q is canonical: %v, want %v", path, got, want)
		}
	}
}

func TestS3_errors(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("s3")
	body, kind := d.ErrorBody(dialect.Fault{Status: 403, Code: "route_not_allowed", Message: "Not <you>."})
	want := "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code><Message>Not &lt;you&gt;.</Message></Error>"
	if string(body) != want || kind != "application/xml" {
		t.Errorf("error is %s of type %s, want %s", body, kind, want)
	}
}
