package sync

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/weirhq/weir/metering"
)

// Bounds of a document: the largest known, of litellm, has 1.7 MB.
const (
	maxDocument  = 64 << 20 // bytes of text
	maxTransfer  = 32 << 20 // bytes as sent
	fetchTimeout = 2 * time.Minute
	maxETag      = 500
)

// Source is a document to read.
type Source struct {
	URL   string
	Shape Shape
	// Least is how many models it has to list to be taken for whole; 0: half of
	// what the catalogue of that shape had in 2026.
	Least int
}

// least is how many models a document of the source must have. In July and August
// 2026 models.dev had 5,307, genai-prices 1,466 and litellm some 2,500.
func (s *Source) least() int {
	if s.Least > 0 {
		return s.Least
	}
	return map[Shape]int{ModelsDev: 2500, GenAIPrices: 700, LiteLLM: 1200}[s.Shape]
}

// read is Read, and refuses a document that is not whole.
func (s *Source) read(text []byte) (*Document, error) {
	d, err := Read(s.Shape, text)
	if err != nil {
		return nil, err
	}
	if n := len(d.Rows.SKUs); n < s.least() {
		return nil, fmt.Errorf("read prices of %s: %d models, at least %d were expected: %w", s.Shape, n, s.least(), metering.ErrInvalid)
	}
	return d, nil
}

// answer is what a server said.
type answer struct {
	text      []byte
	etag      string
	unchanged bool // it still has the document with the ETag that it was asked for
}

// fetch asks for a document; with an ETag, for one that differs from it.
func fetch(ctx context.Context, client *http.Client, address, etag string) (a answer, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fetch %s: %w", shown(address), err)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return a, err
	}
	req.Header.Set("User-Agent", "weir")
	req.Header.Set("Accept", "application/json, text/plain;q=0.5")
	req.Header.Set("Accept-Encoding", "gzip")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	switch {
	case req.URL.Scheme == "https" && resp.Request.URL.Scheme != "https":
		return a, errors.New("it leads to a page without TLS, which anybody on the way can change")
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return answer{etag: etag, unchanged: true}, nil
	case resp.StatusCode != http.StatusOK:
		return a, fmt.Errorf("the server answers %s", resp.Status)
	}
	if a.text, err = body(resp); err != nil {
		return a, err
	}
	if a.etag = resp.Header.Get("ETag"); len(a.etag) > maxETag {
		a.etag = ""
	}
	return a, nil
}

// body reads a whole body, within bounds.
func body(resp *http.Response) ([]byte, error) {
	var r io.Reader = &bounded{resp.Body, maxTransfer}
	switch e := resp.Header.Get("Content-Encoding"); e {
	case "", "identity":
	case "gzip":
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		r = z
	default:
		return nil, fmt.Errorf("it is encoded as %.40q, which was not asked for", e)
	}
	text, err := io.ReadAll(&bounded{r, maxDocument})
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	return text, nil
}

// bounded is a reader that refuses to go on after so many bytes.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, fmt.Errorf("it is too long: %w", metering.ErrInvalid)
	}
	return n, err
}

// shown is a URL without what may be a secret.
func shown(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "a URL that cannot be read"
	}
	u.RawQuery = ""
	return u.Redacted()
}
