package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// claimTTL is after how long a claim without an answer is taken to be that of a
// process that died: twice what a request may take.
func claimTTL(r Route) time.Duration { return 2 * r.timeout() }

// maxClaims bounds how often a request that dies half-way can be made again.
const maxClaims = 20

// voided marks a claim whose work came to nothing.
const voided = "/void"

// once answers the request, or repeats the answer of the first request with its
// Idempotency-Key. Requests of other replicas count: whoever first writes the
// claim of a key does the work.
//
// Remembered answers are encrypted, because one may hold a new key: the cipher
// key derives from the access token and the idempotency key, and the database
// has neither, only hashes of them.
func (s *Server) once(ctx context.Context, c *call) (int, []byte, error) {
	key := c.Header.Get("Idempotency-Key")
	if key == "" || c.Method != http.MethodPost {
		return s.work(c)
	}
	if len(key) > 255 || unprintable(key) != "" || unstorable(key) {
		return 0, nil, invalid(FieldError{"header.Idempotency-Key", "must be 1 to 255 printable characters"})
	}
	o, err := newOneTime(c, key)
	if err != nil {
		return 0, nil, err
	}
	if _, busy := s.running.LoadOrStore(o.name, nil); busy {
		return 0, nil, inProgress()
	}
	defer s.running.Delete(o.name)

	if status, body, done, err := s.recall(ctx, o); done || err != nil {
		return status, body, err
	}
	claim, err := s.claim(ctx, o, c)
	if err != nil {
		return 0, nil, err
	}
	status, body, err := s.work(c)
	// What was done is done: it is remembered though the client has left.
	keep, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err != nil {
		p, internal := problemOf(err)
		if internal {
			// The request may be made again. Where even this cannot be noted, the
			// claim expires.
			return 0, nil, errors.Join(err, s.opts.Store.SaveAnswer(keep, c.org, claim+voided, o.request, http.StatusProcessing, nil))
		}
		if body, err = json.Marshal(p); err != nil {
			return 0, nil, fmt.Errorf("encode problem: %w", err)
		}
		status = p.Status
	}
	if err := s.opts.Store.SaveAnswer(keep, c.org, o.name, o.request, status, o.seal(body)); err != nil {
		return 0, nil, fmt.Errorf("remember the answer of %s: %w", c.route.Name, err)
	}
	return status, body, nil
}

func inProgress() error {
	return problem(CodeKeyInProgress, "wait for its answer, then send this one again to have it repeated")
}

// work runs the handler.
func (s *Server) work(c *call) (int, []byte, error) {
	a, err := c.route.handle(s, c)
	if err != nil {
		return 0, nil, err
	}
	body, err := a.encode()
	return a.status, body, err
}

// recall returns the remembered answer, if there is one.
func (s *Server) recall(ctx context.Context, o *oneTime) (status int, body []byte, done bool, err error) {
	request, status, sealed, ok, err := s.opts.Store.Answer(ctx, o.org, o.name)
	switch {
	case err != nil:
		return 0, nil, false, fmt.Errorf("look for an answer: %w", err)
	case !ok:
		return 0, nil, false, nil
	case request != o.request:
		return 0, nil, false, problem(CodeKeyReused, "use a new Idempotency-Key for another request")
	}
	body, err = o.open(sealed)
	return status, body, true, err
}

// claim makes this request the one that does the work and returns the name of
// the claim. Claims have numbers, so that one whose process died or whose work
// came to nothing can be passed over.
func (s *Server) claim(ctx context.Context, o *oneTime, c *call) (string, error) {
	mine := fmt.Appendf(nil, "%s %d", rand.Text(), c.now.UnixMicro())
	for n := 1; n <= maxClaims; n++ {
		name := fmt.Sprintf("%s/%d", o.name, n)
		if err := s.opts.Store.SaveAnswer(ctx, o.org, name, o.request, http.StatusProcessing, mine); err != nil {
			return "", fmt.Errorf("claim an idempotency key: %w", err)
		}
		request, _, got, ok, err := s.opts.Store.Answer(ctx, o.org, name)
		switch {
		case err != nil:
			return "", fmt.Errorf("read the claim of an idempotency key back: %w", err)
		case !ok:
			return "", errors.New("the claim of an idempotency key was not kept")
		case bytes.Equal(got, mine):
			return name, nil
		case request != o.request:
			return "", problem(CodeKeyReused, "use a new Idempotency-Key for another request")
		}
		over, err := s.over(ctx, o, name, got, c)
		if err != nil {
			return "", err
		}
		if !over {
			return "", inProgress()
		}
	}
	return "", problem(CodeKeyInProgress, "every request with it has died half-way; look at what they did and use another key")
}

// over reports whether the work of a foreign claim has ended without an answer.
func (s *Server) over(ctx context.Context, o *oneTime, name string, claim []byte, c *call) (bool, error) {
	_, text, _ := strings.Cut(string(claim), " ")
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return false, fmt.Errorf("read the claim of an idempotency key: %w", err)
	}
	if c.now.Sub(time.UnixMicro(at)) >= claimTTL(c.route) {
		return true, nil
	}
	_, _, _, void, err := s.opts.Store.Answer(ctx, o.org, name+voided)
	if err != nil {
		return false, fmt.Errorf("look whether a claim is void: %w", err)
	}
	return void, nil
}

// oneTime is a request that is made once.
type oneTime struct {
	org     string
	name    string   // under which its answer is stored
	request [32]byte // what was asked
	aead    cipher.AEAD
}

func newOneTime(c *call, key string) (*oneTime, error) {
	name := sha256.Sum256([]byte(c.token.ID + "\x00" + key))
	request := sha256.New()
	fmt.Fprintf(request, "%s\n%s\n%s\n", c.Method, c.URL.EscapedPath(), c.URL.RawQuery)
	request.Write(c.body)
	o := &oneTime{org: c.org, name: hex.EncodeToString(name[:])}
	request.Sum(o.request[:0])

	secret, err := hkdf.Key(sha256.New, []byte(c.secret), []byte(key), "weir admin API answer", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key of an answer: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("derive the key of an answer: %w", err)
	}
	o.aead, err = cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive the key of an answer: %w", err)
	}
	return o, nil
}

func (o *oneTime) seal(body []byte) []byte {
	return o.aead.Seal(nil, nil, body, o.request[:])
}

func (o *oneTime) open(sealed []byte) ([]byte, error) {
	body, err := o.aead.Open(nil, nil, sealed, o.request[:])
	if err != nil {
		return nil, fmt.Errorf("open a remembered answer: %w", err)
	}
	return body, nil
}
