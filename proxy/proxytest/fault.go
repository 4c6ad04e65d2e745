package proxytest

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// amid is what happens in the middle of an answer.
type amid int

const (
	nowhere amid = iota
	hangAmid
	cutAmid
	resetAmid
	errorAmid
)

// amidAfter is how many events of a stream come before it breaks off.
const amidAfter = 5

// fault is what is wrong with a model.
type fault struct {
	whole   bool // there is no answer at all
	status  int  // of the error; 0: none
	html    bool // of a page instead of JSON
	amid    amid
	pace    time.Duration // at least
	noUsage bool
	once    bool // only the first of two equal requests
}

// faults are the models that fail, by what follows "sim-".
func faults() map[string]fault {
	return map[string]fault{
		"html":     {whole: true, status: http.StatusBadGateway, html: true},
		"stall":    {whole: true},
		"slow":     {pace: time.Second},
		"hang":     {amid: hangAmid},
		"cut":      {amid: cutAmid},
		"reset":    {amid: resetAmid},
		"error":    {amid: errorAmid},
		"no-usage": {noUsage: true},
	}
}

// faultOf is the fault of a model; the zero fault is none. A fine-tuned model,
// "ft:gpt-4o-mini:sim-429", has that of its last part: some clients refuse to ask
// for a model of which they do not know the base.
func faultOf(model string) fault {
	if tuned, ok := strings.CutPrefix(model, "ft:"); ok {
		model = tuned[strings.LastIndexByte(tuned, ':')+1:]
	}
	name, ok := strings.CutPrefix(model, "sim-")
	if !ok {
		name, ok = strings.CutPrefix(model, "fail-")
	}
	if !ok {
		return fault{}
	}
	name, first := strings.CutSuffix(name, "-once")
	if status, err := strconv.Atoi(name); err == nil && status >= 400 && status <= 599 {
		return fault{whole: true, status: status, once: first}
	}
	if first {
		return fault{}
	}
	return faults()[name]
}

// misbehave does what a model does that never answers.
func (x *exchange) misbehave() {
	switch {
	case x.fault.html:
		x.raw(x.fault.status, "text/html", []byte("<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n"))
	case x.fault.status == http.StatusTooManyRequests:
		x.w.Header().Set("Retry-After", "1")
		x.fail(x.fault.status, "rate_limit_exceeded", "Rate limit reached, as this model always does")
	case x.fault.status != 0:
		x.fail(x.fault.status, "", "this model always fails so")
	default:
		<-x.r.Context().Done()
		panic(http.ErrAbortHandler)
	}
}

// breakOff ends an answer in its middle.
func (x *exchange) breakOff() {
	if x.fault.amid == hangAmid {
		<-x.r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	conn, _, err := http.NewResponseController(x.w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok && x.fault.amid == resetAmid {
		_ = tcp.SetLinger(0) // closing resets then; if it could not be set, it ends instead
	}
	_ = conn.Close() // nothing is left to say
	panic(http.ErrAbortHandler)
}

// refuseKey answers a request without an accepted key.
func (x *exchange) refuseKey() {
	switch x.api {
	case anthropic:
		x.fail(http.StatusUnauthorized, "", "invalid x-api-key")
	case gemini:
		x.send(http.StatusBadRequest, object{{"error", object{
			{"code", http.StatusBadRequest}, {"message", "API key not valid. Please pass a valid API key."}, {"status", "INVALID_ARGUMENT"},
			{"details", []any{object{{"@type", "type.googleapis.com/google.rpc.ErrorInfo"}, {"reason", "API_KEY_INVALID"}, {"domain", "googleapis.com"}}}},
		}}})
	default:
		x.fail(http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys.")
	}
}

// failModel answers a request for a model that is on no list.
func (x *exchange) failModel() {
	switch x.api {
	case anthropic:
		x.fail(http.StatusNotFound, "", "model: "+x.model)
	case gemini:
		x.fail(http.StatusNotFound, "", "models/"+x.model+" is not found for API version v1beta, or is not supported for "+x.method+". Call ListModels to see the list of available models and their supported methods.")
	default:
		x.fail(http.StatusNotFound, "model_not_found", "The model `"+x.model+"` does not exist or you do not have access to it.")
	}
}

// noSuchPath answers a request for no endpoint.
func noSuchPath(x *exchange) {
	x.fail(http.StatusNotFound, "", "Invalid URL ("+x.r.Method+" "+x.r.URL.Path+")")
}

// fail answers with an error of the API. An empty code is none.
func (x *exchange) fail(status int, code, message string) {
	if x.api == anthropic {
		retry := status == http.StatusTooManyRequests || status >= 500
		x.w.Header().Set("X-Should-Retry", strconv.FormatBool(retry))
	}
	x.send(status, x.problem(status, code, message))
}

// problem is the object of an error. Its shapes are those of recorded answers.
func (x *exchange) problem(status int, code, message string) object {
	switch x.api {
	case anthropic:
		kind := map[int]string{
			400: "invalid_request_error", 401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error",
			413: "request_too_large", 429: "rate_limit_error", 504: "timeout_error", 529: "overloaded_error",
		}[status]
		if kind == "" {
			kind = "api_error"
		}
		return object{{"type", "error"}, {"error", object{{"type", kind}, {"message", message}}}, {"request_id", x.record.Request}}
	case gemini:
		name := map[int]string{
			400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
		}[status]
		if name == "" {
			name = "INTERNAL"
		}
		return object{{"error", object{{"code", status}, {"message", message}, {"status", name}}}}
	default:
		kind := "invalid_request_error"
		switch {
		case status == http.StatusTooManyRequests:
			kind = "requests"
		case status >= 500:
			kind = "server_error"
		}
		var named any
		if code != "" {
			named = code
		}
		return object{{"error", object{{"message", message}, {"type", kind}, {"param", nil}, {"code", named}}}}
	}
}
