package dialect

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"strings"
)

// s3 is the REST protocol of Amazon S3 and of the stores compatible with it, with
// the bucket in the path
// (https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html).
type s3 struct{}

var (
	_ Dialect = s3{}
	_ Queried = s3{}
	_ Pathed  = s3{}
)

// Name implements [Dialect].
func (s3) Name() string { return "s3" }

// Route implements [Dialect].
func (d s3) Route(method, path string) Route { return d.RouteQuery(method, path, "") }

// RouteQuery implements [Queried]: most operations differ in the query alone.
func (s3) RouteQuery(method, path, query string) Route {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	r := Route{Class: Metered, Opaque: true}
	r.Endpoint = Endpoint("s3." + s3Operation(method, bucket, key, s3Parameters(query)))
	if method == "OPTIONS" {
		r.Class = Free
	}
	r.Attributes = attributes("bucket", unescaped(bucket), "key", unescaped(key), "operation", strings.TrimPrefix(string(r.Endpoint), "s3."))
	return r
}

func unescaped(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		return plain
	}
	return s
}

// s3Parameters are the names of the query, which is not to be trusted to be well
// formed; bounded, because only a few mean anything.
func s3Parameters(query string) map[string]bool {
	const most = 64
	names := make(map[string]bool)
	for pair := range strings.SplitSeq(query, "&") {
		if len(names) >= most {
			break
		}
		name, _, _ := strings.Cut(pair, "=")
		names[name] = true
	}
	return names
}

// s3Subresources are queries that name what an operation is about. A store has
// more of them; those are "other".
func s3Subresources() []string {
	return []string{
		"acl", "cors", "lifecycle", "location", "logging", "notification", "object-lock", "ownershipControls", "policy",
		"policyStatus", "publicAccessBlock", "replication", "requestPayment", "tagging", "versioning", "versions", "website",
		"encryption", "inventory", "metrics", "analytics", "accelerate", "retention", "legal-hold", "torrent", "attributes",
		"restore", "select", "intelligent-tiering",
	}
}

// s3Operation names an operation as Amazon's API reference does, in our spelling.
func s3Operation(method, bucket, key string, q map[string]bool) string {
	for _, name := range s3Subresources() {
		if q[name] {
			return strings.ToLower(method) + "_" + strings.ReplaceAll(strings.ToLower(name), "-", "_")
		}
	}
	level := "object"
	switch {
	case bucket == "":
		level = "service"
	case key == "":
		level = "bucket"
	}
	switch level + " " + method {
	case "service GET":
		return "list_buckets"
	case "bucket GET":
		if q["uploads"] {
			return "list_multipart_uploads"
		}
		return "list_objects"
	case "bucket HEAD":
		return "head_bucket"
	case "bucket PUT":
		return "create_bucket"
	case "bucket DELETE":
		return "delete_bucket"
	case "bucket POST":
		if q["delete"] {
			return "delete_objects"
		}
		return "post_object"
	case "object GET":
		if q["uploadId"] {
			return "list_parts"
		}
		return "get_object"
	case "object HEAD":
		return "head_object"
	case "object PUT":
		if q["uploadId"] {
			return "upload_part"
		}
		return "put_object"
	case "object POST":
		return s3Multipart(q)
	case "object DELETE":
		if q["uploadId"] {
			return "abort_multipart_upload"
		}
		return "delete_object"
	default:
		return "other"
	}
}

func s3Multipart(q map[string]bool) string {
	switch {
	case q["uploads"]:
		return "create_multipart_upload"
	case q["uploadId"]:
		return "complete_multipart_upload"
	default:
		return "other"
	}
}

// CanonicalPath implements [Pathed]: a key may hold any bytes, so that encoded
// ones are the rule and an empty segment is a key of its own. What stays refused
// are dot segments, plain or encoded, which clients and servers resolve, and
// bytes that end a request line.
func (s3) CanonicalPath(path []byte) bool {
	if len(path) == 0 || path[0] != '/' {
		return false
	}
	for segment := range bytes.SplitSeq(path[1:], []byte("/")) {
		plain, err := url.PathUnescape(string(segment))
		if err != nil || plain == "." || plain == ".." {
			return false
		}
		for _, part := range strings.FieldsFunc(plain, func(c rune) bool { return c == '/' || c == '\\' }) {
			if part == "." || part == ".." {
				return false
			}
		}
	}
	for _, c := range path {
		if c <= ' ' || c >= 0x7f || c == '\\' || c == '#' || c == '?' {
			return false
		}
	}
	return true
}

// Inspect implements [Dialect].
func (s3) Inspect(_ Route, _ string, body []byte) (Request, error) {
	return Request{BodyBytes: int64(len(body))}, nil
}

// Scanner implements [Dialect].
func (s3) Scanner(r Route, _ Request, resp Response) Scanner {
	attributes := append(r.Attributes[:len(r.Attributes):len(r.Attributes)], attributes("contentType", resp.ContentType)...)
	sortTags(attributes)
	return &unread{attributes: attributes}
}

// ErrorBody implements [Dialect]
// (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html).
func (s3) ErrorBody(f Fault) ([]byte, string) {
	type Error struct {
		Code    string
		Message string
	}
	body, err := xml.Marshal(Error{Code: s3Code(f), Message: f.Message})
	if err != nil {
		body = nil // a struct of strings always can be
	}
	return append([]byte(xml.Header), body...), "application/xml"
}

// s3Code is the code that SDKs know for a status; ours is kept where they have none.
func s3Code(f Fault) string {
	switch f.Status {
	case 401, 403:
		return "AccessDenied"
	case 404:
		return "NoSuchKey"
	case 429, 503:
		return "SlowDown"
	case 500, 502, 504:
		return "InternalError"
	default:
		return f.Code
	}
}
