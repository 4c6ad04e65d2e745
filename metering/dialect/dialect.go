// Package dialect reads usage off the wire. A dialect is a wire protocol, one
// file each; a vendor is configuration of one. Everything here is pure: bytes
// in, facts out, and what is read never depends on how the bytes were cut. No
// byte is altered here but by [Splice] and [Unsplicer], which undo each other.
package dialect

import (
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/estimate"
)

// Class decides what may happen to a path: the operator's credential is shared
// by all customers, so an unknown path is not simply forwarded.
type Class uint8

// Classes of a route.
const (
	Raw      Class = iota // unknown: forwarded untouched for keys that may
	Metered               // known, and its usage is counted
	Free                  // known, and costs nothing
	Stateful              // touches objects that have an owner
)

// Endpoint is our name of a known operation: "openai.chat", "openai.responses",
// "openai.completions", "openai.embeddings", "openai.models",
// "anthropic.messages", "anthropic.count_tokens", "gemini.generate_content",
// "gemini.stream_generate_content", "gemini.count_tokens", …; "raw" if unknown.
type Endpoint string

// Route is what method and path say.
type Route struct {
	Endpoint Endpoint
	Class    Class
	Model    string // where the path names it (Gemini, deployments)
	Stream   bool   // where the path decides it
	// Location is the region that the path names (Vertex), "global" included; "" if
	// it names none.
	Location string
	// Opaque: the body says nothing that is decided on, and is not read.
	Opaque bool
	// Attributes are facts of the call for meters to filter by, sorted by name.
	Attributes []metering.Tag

	// Objects are the stored objects that the path names, outermost first.
	Objects []Object
	// Creates is the kind of object that a successful answer creates, "" if none.
	Creates string
	// Deletes: after a successful answer the first of Objects is gone.
	Deletes bool
	// Listing: a stateful path that reaches what is everybody's: a list of all
	// objects of the account, its administration, its logs. What lies below an
	// object, such as the files of a vector store, is no listing.
	Listing bool
	// Uncounted: a stateful path that makes the provider charge for something that
	// nobody counts.
	Uncounted bool
}

// IncludeUsage is what a streamed chat completion says about its usage frame.
type IncludeUsage uint8

// What stream_options.include_usage was.
const (
	IncludeAbsent IncludeUsage = iota
	IncludeFalse
	IncludeTrue
)

// Request is what the dialect learned of a request body without touching it.
type Request struct {
	Model        string
	Stream       bool
	OutputCap    int64 // most output tokens asked for; 0: none stated
	Choices      int64 // answers asked for (n); 0 if not stated
	IncludeUsage IncludeUsage
	// Spliceable: a streamed completion that will report no usage unless it is
	// asked to, on an endpoint that can be asked.
	Spliceable bool
	BodyBytes  int64
	// Asked are amounts that the request states and the answer may not: what was
	// asked for is then what is counted. Sorted by nothing; at most one of a name.
	Asked []metering.Quantity
	// Variant is what was asked for, as it was written.
	Variant

	// References are the stored objects that the body names, without repetition.
	// What a prompt template is called is not one: those are the operator's.
	References []Object
	// Stored: the answer can be asked for again by its id.
	Stored bool
	// Background: the answer will be made after this call has ended.
	Background bool
}

// Response is what is known of an answer when its head has come.
type Response struct {
	Status          int
	ContentType     string
	ContentEncoding string
	// Header returns the first value of a header, "" if absent; nil is allowed. It
	// may be called only until the scanner has been made.
	Header func(name string) string
	// Location is the region that the upstream's address names, see [Location]; ""
	// if it names none.
	Location string
	// Text is where what the answer shows is kept until its usage is known; nil:
	// estimates go by bytes alone. It belongs to the scanner until that is closed.
	Text *estimate.Text
}

// End is how the bytes of an answer ended.
type End uint8

// Ends.
const (
	Ended     End = iota // the framing said that it was complete
	Truncated            // the upstream broke off
	Abandoned            // we stopped reading, because the client had gone
)

// Fault is an error of ours, to be rendered in the words of the API called.
type Fault struct {
	Status  int    // HTTP status
	Code    string // stable: "invalid_api_key", "credit_exhausted", …
	Message string // says what to do; never quotes input or upstream bytes
}

// Dialect is one wire protocol. Implementations are stateless and safe for
// concurrent use.
type Dialect interface {
	// Name is the name used in configuration: "openai", "anthropic", "gemini".
	Name() string

	// Route classifies a canonical path (no query, upstream segment removed).
	Route(method, path string) Route

	// Inspect reads a request body. An error wraps metering.ErrInvalid and says
	// what is wrong: two different models, for one. A body that is not valid JSON
	// is not an error: the upstream will say so.
	Inspect(r Route, contentType string, body []byte) (Request, error)

	// Scanner reads one answer.
	Scanner(r Route, q Request, resp Response) Scanner

	// ErrorBody renders a fault as the API's own error object and its content type.
	ErrorBody(f Fault) (body []byte, contentType string)
}

// Scanner reads the usage of one answer while its bytes pass. It never retains
// or changes p, its memory is bounded whatever comes, and its result does not
// depend on how the bytes are cut; of a compressed answer that is corrupt, how
// much is read before the damage may. It is used by one goroutine at a time.
type Scanner interface {
	// Scan sees the next bytes of the body, as they came (compressed or not).
	Scan(p []byte)

	// Terminal reports whether the bytes seen contain the event after which a
	// client needs no more ("[DONE]", message_stop, response.completed, …): the
	// fact must be written before those bytes are released. Once true it stays.
	Terminal() bool

	// Snapshot returns what is known so far, for a checkpoint.
	Snapshot() metering.Usage

	// Close returns the result and releases what the scanner holds. It is called
	// exactly once.
	Close(end End) metering.Usage
}
