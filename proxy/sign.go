package proxy

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Signer proves to a provider whose request it is where that takes more than a
// value that is always the same. It is safe for concurrent use.
type Signer interface {
	// Sign returns the fields to be added to the head of the request. They replace
	// what the client sent of the same kind, see [Upstream].Signer.
	Sign(r *Unsigned) ([]HeaderField, error)

	// HashesBody reports whether a signature is over the hash of the body, which must
	// then be held whole. Otherwise the client says what the body is in
	// X-Amz-Content-Sha256, or nobody does.
	HashesBody() bool
}

// Unsigned is a request as it will be sent, but for the signature.
type Unsigned struct {
	Method   string
	Host     string // value of the Host field
	Path     string // undecoded, what the upstream's base URL has before it included
	Query    string // without the question mark
	Fields   []HeaderField
	BodyHash [sha256.Size]byte // of the body without its framing
	At       time.Time         // when it is signed
}

// HeaderField is one line of a head.
type HeaderField struct{ Name, Value string }

// maxSigned is the largest body that is held to be signed: the most that
// InvokeModel takes
// (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html).
const maxSigned = 25_000_000

// holds is how much of a request body is held to be read, or to be signed.
func (x *exchange) holds() int64 {
	if x.up.Signer != nil && x.up.Signer.HashesBody() {
		return max(x.s.o.Inspect, maxSigned)
	}
	return x.s.o.Inspect
}

// tooLargeToSign refuses a body of which not all is held.
func tooLargeToSign() *refusal {
	return &refusal{
		status: 413, code: "request_too_large", closing: true,
		message: fmt.Sprintf("Requests to this upstream are signed over the whole body, of at most %d MB. Send less, or call an upstream with an API key.", maxSigned/1_000_000),
	}
}

// replaced reports whether a field of the client is a part of a signature, in
// whose place ours goes.
func (x *exchange) replaced(name []byte) bool {
	if x.up == nil || x.up.Signer == nil || len(name) < len("x-amz-") || !bytes.EqualFold(name[:len("x-amz-")], []byte("x-amz-")) {
		return false
	}
	switch string(bytes.ToLower(name[len("x-amz-"):])) {
	case "content-sha256":
		return x.up.Signer.HashesBody()
	case "date", "security-token":
		return true
	default:
		return false
	}
}

// sign adds the signature of the head that begins at start, which is whole but
// for the empty line. What is signed is read off the head itself, so that it
// cannot differ from what is sent.
func (x *exchange) sign(b []byte, start int) ([]byte, error) {
	if x.up.Signer == nil || x.up.ClientAuth {
		return b, nil
	}
	r := readUnsigned(b[start:])
	if r.At = x.s.o.Now(); x.up.Signer.HashesBody() {
		r.BodyHash = sha256.Sum256(x.body.bytes())
	}
	fields, err := x.up.Signer.Sign(r)
	if err != nil {
		return b, err
	}
	for _, f := range fields {
		if !isToken([]byte(f.Name)) || !isValue([]byte(f.Value)) {
			return b, fmt.Errorf("signature has a field that no head can carry: %w", metering.ErrInvalid)
		}
		b = append(append(append(append(b, f.Name...), ": "...), f.Value...), "\r\n"...)
	}
	return b, nil
}

// rebuild writes the head that goes to the upstream, signed now.
func (x *exchange) rebuild() (err error) {
	x.d.head, err = x.build(x.d.head[:0])
	return err
}

// readUnsigned reads a head that build has written.
func readUnsigned(head []byte) *Unsigned {
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	method, line, _ := bytes.Cut(line, []byte(" "))
	target, _, _ := bytes.Cut(line, []byte(" "))
	path, query, _ := bytes.Cut(target, []byte("?"))
	r := &Unsigned{Method: string(method), Path: string(path), Query: string(query)}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(": "))
		if string(name) == "Host" && r.Host == "" {
			r.Host = string(value)
			continue
		}
		r.Fields = append(r.Fields, HeaderField{string(name), string(value)})
	}
	return r
}

// signedChunks refuses a body whose pieces the client has signed itself: they
// follow from a signature that is not the one that is sent.
func (x *exchange) signedChunks() *refusal {
	if x.up.Signer == nil || x.up.ClientAuth || x.up.Signer.HashesBody() {
		return nil
	}
	for _, f := range x.req.fields {
		if bytes.EqualFold(f.name, []byte("x-amz-content-sha256")) && bytes.HasPrefix(f.value, []byte("STREAMING-AWS4-")) {
			return badRequest("signed_chunks", "The pieces of the body are signed by the client, and Weir signs for the store: send it with an unsigned payload, or not in pieces.")
		}
	}
	return nil
}

// accessKey is the key id in a field of Signature Version 4, in whose place a
// client of S3 puts its Weir key. What it signs with does not matter: the key is
// what it has to prove, as with every other client.
func accessKey(value []byte) ([]byte, bool) {
	rest, ok := bytes.CutPrefix(value, []byte("AWS4-HMAC-SHA256 "))
	if !ok {
		return nil, false
	}
	for part := range bytes.SplitSeq(rest, []byte(",")) {
		if scope, ok := bytes.CutPrefix(trim(part), []byte("Credential=")); ok {
			key, _, _ := bytes.Cut(scope, []byte("/"))
			return key, true
		}
	}
	return nil, false
}

// unsignable refuses a call whose request could not be signed. Nothing was sent.
func (x *exchange) unsignable(err error) *refusal {
	x.outcome = metering.OutcomeRefused
	return &refusal{status: 500, code: "signing_failed", message: "The request could not be signed for the upstream.", err: err}
}
