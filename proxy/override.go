package proxy

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/weirhq/weir/metering/dialect"
)

// overrides refuses a request that asks the upstream to take another method than
// the one it has: a POST that creates what is the customer's would be a listing of
// what is everybody's. Google's servers do so with a header
// (https://cloud.google.com/apis/docs/http) and take headers and the method from
// the query too ($httpHeaders, $httpMethod), as other frameworks do with _method.
func (x *exchange) overrides() *refusal {
	if x.route.Class == dialect.Raw {
		return nil // forwarded as it is, for keys that may do anything
	}
	for i := range x.req.fields {
		if x.req.fields[i].kind == override {
			return overridden()
		}
	}
	if !bytes.ContainsAny(x.req.query, "$_%") {
		return nil
	}
	for pair := range strings.FieldsFuncSeq(string(x.req.query), func(c rune) bool { return c == '&' || c == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			continue // no server reads it either
		}
		switch strings.ToLower(strings.TrimLeft(name, "$")) {
		case "httpheaders", "httpmethod", "_method", "x-http-method-override":
			return overridden()
		}
	}
	return nil
}

func overridden() *refusal {
	return badRequest("method_override", "This server decides by a request's own method what it may do. Send the method itself and leave out X-HTTP-Method-Override and its like.")
}
