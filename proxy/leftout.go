package proxy

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/weirhq/weir/metering/dialect"
)

// leavesOut refuses a call that creates something at Google which is followed, and asks
// for an answer that could lack its name or write it in another form
// (https://docs.cloud.google.com/apis/docs/system-parameters): nobody would know
// what it used.
func (x *exchange) leavesOut() *refusal {
	switch x.route.Creates {
	case dialect.KindOperation, dialect.KindCache, dialect.KindBatch:
	default:
		return nil
	}
	if !strings.HasPrefix(string(x.route.Endpoint), "gemini.") {
		return nil
	}
	for _, f := range x.req.fields {
		if bytes.EqualFold(f.name, []byte("x-goog-fieldmask")) {
			return leftOut()
		}
	}
	for pair := range strings.FieldsFuncSeq(string(x.req.query), func(c rune) bool { return c == '&' || c == ';' }) {
		name, value, _ := strings.Cut(pair, "=")
		name, bad := url.QueryUnescape(name)
		value, worse := url.QueryUnescape(value)
		switch strings.ToLower(strings.TrimPrefix(name, "$")) {
		case "alt":
			if value, _, _ = strings.Cut(value, ";"); value != "json" {
				return leftOut()
			}
		case "fields", "callback":
			return leftOut()
		}
		if bad != nil || worse != nil {
			return leftOut()
		}
	}
	return nil
}

func leftOut() *refusal {
	return badRequest("answer_not_whole", "What this call creates is followed by its name, which the whole answer in JSON has. Leave out fields, callback, an alt other than json, and X-Goog-FieldMask.")
}
