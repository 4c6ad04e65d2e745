package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/metering"
)

// Problem is an error answer as RFC 9457 has it, and the error that a [Client]
// returns for one.
type Problem struct {
	Title  string       `json:"title"`            // the same for every problem of a code
	Status int          `json:"status"`           // HTTP status
	Code   string       `json:"code"`             // stable, for programs
	Detail string       `json:"detail,omitempty"` // what to do about this one, for people
	Errors []FieldError `json:"errors,omitempty"` // what is wrong with the input, each with its path
}

// FieldError is one thing that is wrong with the input.
type FieldError struct {
	Path    string `json:"path"` // "events[3].metadata.tokens", "query.limit", "header.Idempotency-Key"; empty: the whole body
	Message string `json:"message"`
}

// Error says what was refused, with every path.
func (p *Problem) Error() string {
	s := p.Title
	if p.Detail != "" {
		s += ": " + p.Detail
	}
	for _, e := range p.Errors {
		if e.Path == "" {
			s += "; " + e.Message
			continue
		}
		s += fmt.Sprintf("; %s: %s", e.Path, e.Message)
	}
	return s
}

// Codes of problems.
const (
	CodeMalformed        = "malformed_body"
	CodeInvalid          = "validation_failed"
	CodeTooLarge         = "body_too_large"
	CodeEncoding         = "unsupported_encoding"
	CodeUnauthenticated  = "unauthenticated"
	CodeScope            = "scope_missing"
	CodeNotFound         = "not_found"
	CodeMethod           = "method_not_allowed"
	CodeConflict         = "conflict"
	CodeKeyReused        = "idempotency_key_reused"
	CodeKeyInProgress    = "idempotency_in_progress"
	CodeSyncTimeout      = "sync_timeout"
	CodeStoreUnavailable = "store_timeout"
	CodeInternal         = "internal"
	CodeState            = "not_possible_now"
	CodeNoCard           = "no_card_on_file"
	CodeSandboxOnly      = "sandbox_only"
	CodeAbsent           = "not_configured"
	CodePrices           = "prices_refused"
)

// titles are what people read; a code without one would be a bug that the table
// test of the problems shows.
func title(code string) string {
	switch code {
	case CodeMalformed:
		return "The body cannot be read"
	case CodeInvalid:
		return "The request is not valid"
	case CodeTooLarge:
		return "The body is too large"
	case CodeEncoding:
		return "The body is compressed"
	case CodeUnauthenticated:
		return "No valid access token"
	case CodeScope:
		return "The access token may not do this"
	case CodeNotFound:
		return "Not found"
	case CodeMethod:
		return "The method is not allowed here"
	case CodeConflict:
		return "Already taken"
	case CodeKeyReused:
		return "The idempotency key belongs to another request"
	case CodeKeyInProgress:
		return "A request with this idempotency key is still running"
	case CodeSyncTimeout:
		return "Usage is not up to date"
	case CodeStoreUnavailable:
		return "The database did not answer in time"
	case CodeState:
		return "Not possible as things are"
	case CodeNoCard:
		return "No card on file"
	case CodeSandboxOnly:
		return "Only a sandbox does this"
	case CodeAbsent:
		return "This server is not set up for it"
	case CodePrices:
		return "The prices do not make a book"
	default:
		return "Something went wrong here"
	}
}

func status(code string) int {
	switch code {
	case CodeMalformed:
		return http.StatusBadRequest
	case CodeInvalid, CodeKeyReused, CodePrices:
		return http.StatusUnprocessableEntity
	case CodeTooLarge:
		return http.StatusRequestEntityTooLarge
	case CodeEncoding:
		return http.StatusUnsupportedMediaType
	case CodeUnauthenticated:
		return http.StatusUnauthorized
	case CodeScope:
		return http.StatusForbidden
	case CodeNotFound, CodeNoCard:
		return http.StatusNotFound
	case CodeMethod:
		return http.StatusMethodNotAllowed
	case CodeConflict, CodeKeyInProgress, CodeState, CodeSandboxOnly:
		return http.StatusConflict
	case CodeAbsent:
		return http.StatusNotImplemented
	case CodeSyncTimeout, CodeStoreUnavailable:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}

func problem(code, detail string) *Problem {
	return &Problem{Title: title(code), Status: status(code), Code: code, Detail: detail}
}

func invalid(errs ...FieldError) *Problem {
	p := problem(CodeInvalid, "")
	p.Errors = errs
	return p
}

func notFound(what, ref string) *Problem {
	return problem(CodeNotFound, fmt.Sprintf("no %s %.100q", what, ref))
}

// problemOf turns an error of a handler into what the client gets. internal
// reports whether the error is ours and has to be logged: its text is not for
// the client.
func problemOf(err error) (p *Problem, internal bool) {
	switch {
	case errors.As(err, &p):
		return p, false
	case errors.Is(err, metering.ErrNotFound):
		return problem(CodeNotFound, ""), false
	case errors.Is(err, metering.ErrConflict):
		return problem(CodeConflict, err.Error()), false
	case errors.Is(err, metering.ErrInvalid):
		return invalid(FieldError{Message: err.Error()}), false
	case errors.Is(err, context.DeadlineExceeded):
		return problem(CodeStoreUnavailable, "try again; `weir doctor` shows the state of the database"), true
	default:
		return problem(CodeInternal, "the log of the server says more"), true
	}
}

func writeProblem(w http.ResponseWriter, p *Problem) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode problem %s: %w", p.Code, err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	return writeBody(w, p.Status, body)
}

func writeBody(w http.ResponseWriter, status int, body []byte) error {
	h := w.Header()
	h.Set("Cache-Control", "no-store") // answers hold customers' figures, and once a secret
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	return nil
}
