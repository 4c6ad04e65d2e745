package deferred

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// Access is how one place of an upstream is asked about its objects: an endpoint
// with one of its keys.
type Access struct {
	BaseURL string // without a last slash
	Dialect dialect.Dialect
	// Header: value is the operator's credential; empty: none is sent.
	Header, Value string
	// Transport goes the way that calls go; nil: http.DefaultTransport. Redirects are
	// not followed: they could lead anywhere.
	Transport http.RoundTripper
	Now       func() time.Time // nil: time.Now
}

// Upstreams asks the upstreams of a configuration, by their names. An object is
// in one place of an upstream, and nothing says in which.
type Upstreams map[string][]Access

var _ Provider = Upstreams(nil)

const (
	// askLimit bounds one answer about an object, resultsLimit one with the answers
	// of a whole batch.
	askLimit     = time.Minute
	resultsLimit = 4 * time.Minute
	// maxObject is how much of an answer is kept to be read for its status; the
	// usage is read from all of it.
	maxObject = 8 << 20
)

// Find implements [Provider].
func (u Upstreams) Find(ctx context.Context, d *Deferral) (*Found, error) {
	places := u[d.Call.Upstream]
	if len(places) == 0 {
		return nil, fmt.Errorf("upstream %q is not configured any more: %w", d.Call.Upstream, metering.ErrNotFound)
	}
	var body bytes.Buffer
	path, remembered, _ := strings.Cut(d.Path, "#")
	access, usage, status, err := look(ctx, places, d, path, &body)
	if d.Kind == dialect.KindCache {
		return access.cache(d, body.Bytes(), usage.Model, status, err)
	}
	if err != nil {
		return nil, err
	}
	var o object
	if err := json.Unmarshal(body.Bytes(), &o); err != nil {
		return nil, errors.New("its answer is no JSON object")
	}
	if !o.ended() {
		return nil, nil
	}
	found := &Found{Usage: usage, Ended: o.at(), Status: status}
	if d.Kind == dialect.KindOperation {
		n := videos(&usage)
		found.Usage = dialect.Videos(n, remembered)
		if n == 0 && usage.Error == nil && !o.withheld() {
			found.Usage = metering.Usage{State: metering.UsageUnknown, Flags: []metering.Flag{metering.FlagUnreadable}}
		}
		found.Usage.Region, found.Usage.Error = cmp.Or(dialect.Location(access.BaseURL+path), usage.Region), usage.Error
		return found, nil
	}
	if d.Kind != dialect.KindBatch || billable(&usage) {
		return found, nil
	}
	if path = o.results(path); path == "" {
		found.Usage = metering.Usage{State: metering.UsageNone, Finish: usage.Finish, Error: usage.Error} // nothing was served
		return found, nil
	}
	lines, status, err := access.get(ctx, path, resultsLimit, nil)
	if err != nil {
		return nil, fmt.Errorf("read its results: %w", err)
	}
	if lines.State == metering.UsageUnknown || lines.State == metering.UsageEstimated {
		return nil, errors.New("its results could not be read")
	}
	lines.Finish = usage.Finish
	found.Usage, found.Status = lines, status
	return found, nil
}

// look asks one place after the other until one knows the object. An error that is
// ErrGone says that all of them were asked and none does; where one could not be
// asked the error is that one's.
func look(ctx context.Context, places []Access, d *Deferral, path string, body *bytes.Buffer) (at Access, usage metering.Usage, status int, err error) {
	var unsure error
	for _, at = range places {
		body.Reset()
		if usage, status, err = at.ask(ctx, d, path, body); err == nil {
			return at, usage, status, nil
		}
		if unsure == nil && !errors.Is(err, ErrGone) {
			unsure = err
		}
	}
	return at, usage, status, cmp.Or(unsure, err)
}

// videos are those that an operation has made.
func videos(u *metering.Usage) int64 {
	for _, q := range u.Quantities {
		if q.Name == "videos" {
			return q.Amount.Units
		}
	}
	return 0
}

// billable reports whether a usage says anything that could be billed.
func billable(u *metering.Usage) bool {
	return u.State == metering.UsageExact && (u.Tokens != metering.Tokens{} || u.Input+u.Output > 0)
}

// skew is how far our clock may be ahead of a provider's. Until then content that is
// still there is followed, however long ago it should have expired.
const skew = metering.Micros(5 * time.Minute / time.Microsecond)

// cache is what became of cached content. What is there goes on, and what it is now
// is kept with d; what is gone has ended when it expired, or else by now. Its days are
// found one by one, also once it is gone: whether one was recorded before this process
// died is then told by its name.
func (a Access) cache(d *Deferral, body []byte, model string, status int, asked error) (*Found, error) {
	path, remembered, _ := strings.Cut(d.Path, "#")
	now := metering.MicrosOf(a.now())
	c, known := recall(remembered)
	there, until := false, min(c.expires, now)
	switch {
	case asked == nil:
		fresh, ok := readCached(body, model)
		if !ok {
			return nil, errors.New("its answer does not say how large it is and for how long")
		}
		there, fresh.days = fresh.expires > now-skew, c.days
		until = min(fresh.expires, now)
		if there { // no day beyond what the row says, which is all that is known when it is gone
			until = min(c.expires, fresh.expires, now-skew)
		}
		c = fresh
	case !errors.Is(asked, ErrGone) || !known:
		return nil, asked
	}
	found := &Found{Ended: until, Status: status}
	if over := c.recorded() + day; over <= until {
		found.Ended, found.Part = over, c.days+1
	}
	found.Usage = c.usage(found.Ended)
	found.Usage.Region = dialect.Location(a.BaseURL + path)
	if found.Part > 0 {
		c.days++
	}
	d.Path = path + "#" + c.remember()
	if there && found.Part == 0 {
		return nil, nil
	}
	return found, nil
}

func (a Access) now() time.Time {
	if a.Now != nil {
		return a.Now()
	}
	return time.Now()
}

// ask asks for the object of a deferral: operations of Vertex are asked for by name.
func (a Access) ask(ctx context.Context, d *Deferral, path string, keep *bytes.Buffer) (metering.Usage, int, error) {
	name := operationName(a.BaseURL+path, d.Object)
	if d.Kind != dialect.KindOperation || name == "" {
		return a.get(ctx, path, askLimit, keep)
	}
	body, err := json.Marshal(map[string]string{"operationName": name})
	if err != nil {
		return metering.Usage{}, 0, fmt.Errorf("name it: %w", err)
	}
	return a.do(ctx, http.MethodPost, path, body, askLimit, keep)
}

// get asks for a path, reads the usage out of the answer and keeps its first
// bytes in keep.
func (a Access) get(ctx context.Context, path string, limit time.Duration, keep *bytes.Buffer) (metering.Usage, int, error) {
	return a.do(ctx, http.MethodGet, path, nil, limit, keep)
}

func (a Access) do(ctx context.Context, method, path string, body []byte, limit time.Duration, keep *bytes.Buffer) (metering.Usage, int, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.BaseURL+path, bytes.NewReader(body))
	if err != nil {
		return metering.Usage{}, 0, errors.New("its path is no URL")
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if a.Header != "" {
		req.Header.Set(a.Header, a.Value)
	}
	if a.Dialect.Name() == "anthropic" {
		req.Header.Set("anthropic-version", "2023-06-01")
	}
	client := http.Client{
		Transport:     a.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return metering.Usage{}, 0, fmt.Errorf("ask: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound || resp.StatusCode == http.StatusGone:
		return metering.Usage{}, resp.StatusCode, ErrGone
	case resp.StatusCode == http.StatusForbidden && notFound(resp.Body):
		return metering.Usage{}, http.StatusNotFound, ErrGone
	case resp.StatusCode != http.StatusOK:
		return metering.Usage{}, resp.StatusCode, fmt.Errorf("the provider answered %d", resp.StatusCode)
	}
	plain, _, _ := strings.Cut(path, "?")
	s := a.Dialect.Scanner(a.Dialect.Route(method, plain), dialect.Request{}, dialect.Response{
		Status: resp.StatusCode, ContentType: resp.Header.Get("Content-Type"), ContentEncoding: resp.Header.Get("Content-Encoding"), Header: resp.Header.Get,
		Location: dialect.Location(a.BaseURL),
	})
	_, err = io.Copy(&scanning{s: s, keep: keep}, resp.Body)
	usage := s.Close(dialect.Ended)
	if err != nil {
		return metering.Usage{}, resp.StatusCode, fmt.Errorf("read the answer: %w", err)
	}
	// What a retrieval repeats is here what is asked for.
	usage.Flags = slices.DeleteFunc(usage.Flags, func(f metering.Flag) bool { return f == metering.FlagEarlierRequest })
	return usage, resp.StatusCode, nil
}

// notFound reports whether a refusal means that there is nothing: Google says of
// cached content that is gone "CachedContent not found (or permission denied)".
func notFound(body io.Reader) bool {
	const most = 4 << 10
	text, err := io.ReadAll(io.LimitReader(body, most))
	return err == nil && bytes.Contains(text, []byte("not found (or permission denied)"))
}

// scanning shows bytes to a scanner. Where they are those of an object the first are
// kept too, and neither sees more of its texts than is read.
type scanning struct {
	s     dialect.Scanner
	keep  *bytes.Buffer
	short shortener
}

func (w *scanning) Write(p []byte) (int, error) {
	n := len(p)
	if w.keep != nil {
		p = w.short.shorten(p)
		w.keep.Write(p[:min(len(p), max(0, maxObject-w.keep.Len()))])
	}
	w.s.Scan(p)
	return n, nil
}
