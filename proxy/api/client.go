package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Client calls the admin API of a running weir. A refusal comes back as a
// *Problem, a server that is not there as an *UnreachableError.
type Client struct {
	url   string
	token string
	http  *http.Client
}

// NewClient returns a client of the server whose console is at base, such as
// http://127.0.0.1:8081. transport is http.DefaultTransport where it is nil.
func NewClient(base, token string, transport http.RoundTripper) *Client {
	return &Client{
		url:   strings.TrimRight(base, "/"),
		token: token,
		http: &http.Client{
			Transport: transport,
			// The API redirects nobody; whoever does must not get the token.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// UnreachableError says that no server answered.
type UnreachableError struct {
	URL string
	Err error
}

// Error names the address.
func (e *UnreachableError) Error() string { return fmt.Sprintf("cannot reach %s: %v", e.URL, e.Err) }

// Unwrap returns why.
func (e *UnreachableError) Unwrap() error { return e.Err }

// maxAnswer bounds what the client reads of an answer.
const maxAnswer = 64 << 20

// do makes one call. segments are joined to a path, each escaped.
func do[T any](ctx context.Context, c *Client, method string, segments []string, q url.Values, body any) (T, error) {
	var out T
	resp, answer, err := c.send(ctx, method, segments, q, body)
	if err != nil {
		return out, err
	}
	return out, decodeAnswer(resp, answer, &out)
}

// text makes one call whose answer is no JSON.
func (c *Client) text(ctx context.Context, segments []string, q url.Values) (string, error) {
	resp, answer, err := c.send(ctx, http.MethodGet, segments, q, nil)
	if err != nil {
		return "", err
	}
	if resp.StatusCode == http.StatusOK && !strings.HasPrefix(resp.Header.Get("Content-Type"), "application/") {
		return string(answer), nil
	}
	return "", decodeAnswer(resp, answer, new(string))
}

// send makes one call and reads its answer.
func (c *Client) send(ctx context.Context, method string, segments []string, q url.Values, body any) (*http.Response, []byte, error) {
	var payload io.Reader
	if body != nil {
		b, ok := body.(json.RawMessage)
		if !ok {
			var err error
			if b, err = json.Marshal(body); err != nil {
				return nil, nil, fmt.Errorf("encode request: %w", err)
			}
		}
		payload = bytes.NewReader(b)
	}
	target := c.url + "/api/v1"
	for _, s := range segments {
		target += "/" + escapeSegment(s)
	}
	if len(q) > 0 {
		target += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, payload)
	if err != nil {
		return nil, nil, fmt.Errorf("the address of the server: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if cause := ctx.Err(); cause != nil {
			return nil, nil, cause
		}
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL, which is named anyway
		}
		return nil, nil, &UnreachableError{c.url, err}
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, &UnreachableError{c.url, fmt.Errorf("read answer: %w", err)}
	}
	return resp, answer, nil
}

func decodeAnswer(resp *http.Response, answer []byte, out any) error {
	foreign := fmt.Errorf("%s answers %s, but not like the console of weir: is it the right address?", resp.Request.URL.Host, resp.Status)
	if resp.StatusCode >= http.StatusOK && resp.StatusCode < http.StatusMultipleChoices {
		if err := json.Unmarshal(answer, out); err != nil {
			return foreign
		}
		return nil
	}
	var p Problem
	if json.Unmarshal(answer, &p) != nil || p.Code == "" {
		return foreign
	}
	return &p
}

// escapeSegment escapes dots alone too, which otherwise are no name but a way.
func escapeSegment(s string) string {
	if s == "." || s == ".." {
		return strings.ReplaceAll(s, ".", "%2E")
	}
	return url.PathEscape(s)
}

// params makes a query of the values that are not empty.
func params(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			q.Set(pairs[i], pairs[i+1])
		}
	}
	return q
}

// ListOptions choose a page.
type ListOptions struct {
	Limit  int // 0: the server's default
	Cursor string
}

func (o ListOptions) params(pairs ...string) url.Values {
	q := params(append(pairs, "cursor", o.Cursor)...)
	if o.Limit > 0 {
		q.Set("limit", fmt.Sprint(o.Limit))
	}
	return q
}
