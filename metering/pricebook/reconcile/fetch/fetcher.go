// Package fetch asks providers for their own usage and cost reports, with an
// administrator's key, page by page. What the pages say is package reconcile's
// business.
package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// Bounds of what is asked.
const (
	maxPages   = 400      // of one report
	maxPage    = 16 << 20 // bytes
	maxTries   = 6        // of one page
	firstWait  = time.Second
	longestGap = 2 * time.Minute
)

// Fetcher asks one provider. The key goes into its header and nowhere else.
type Fetcher struct {
	Provider string
	Key      string // an administrator's
	BaseURL  string // empty: the provider's own
	Client   *http.Client
	// Wait waits before a page is asked for again.
	Wait func(ctx context.Context, d time.Duration) error
}

// Sleep is a Wait that takes its time.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// report is one endpoint.
type report struct {
	path    string
	costs   bool
	groups  []string
	limit   int  // buckets of a page
	missing bool // an account without it answers 404, and that is no error
}

// reports are what there is. The paths, groups and limits are those of
// openai-python, resources/admin/organization/usage.py and its params, and of
// platform.claude.com/docs/en/api/admin.
func (f *Fetcher) reports() ([]report, error) {
	switch f.Provider {
	case "openai":
		const at = "/v1/organization/usage/"
		byModel := []string{"model", "api_key_id", "project_id"}
		return []report{
			{at + "completions", false, append([]string{"batch", "service_tier"}, byModel...), 31, false},
			{at + "embeddings", false, byModel, 31, false},
			{at + "moderations", false, byModel, 31, false},
			{at + "images", false, byModel, 31, false},
			{at + "audio_speeches", false, byModel, 31, false},
			{at + "audio_transcriptions", false, byModel, 31, false},
			{at + "vector_stores", false, []string{"project_id"}, 31, false},
			{at + "code_interpreter_sessions", false, []string{"project_id"}, 31, false},
			{at + "file_search_calls", false, []string{"project_id", "api_key_id"}, 31, true},
			{at + "web_search_calls", false, byModel, 31, true},
			{"/v1/organization/costs", true, []string{"line_item", "project_id", "api_key_id"}, 31, false},
		}, nil
	case "anthropic":
		return []report{
			{"/v1/organizations/usage_report/messages", false, []string{"model", "api_key_id", "workspace_id", "service_tier", "context_window", "inference_geo"}, 31, false},
			{"/v1/organizations/cost_report", true, []string{"description", "workspace_id"}, 31, false},
		}, nil
	default:
		return nil, fmt.Errorf("%.40q has no reports that can be asked for: %w", f.Provider, metering.ErrInvalid)
	}
}

// Fetch asks for all reports of whole days, from inclusive, to exclusive, and
// gives every page to take. It stops at the first error; what it says never has
// the key in it.
func (f *Fetcher) Fetch(ctx context.Context, from, to reconcile.Day, take func(costs bool, page []byte) error) error {
	list, err := f.reports()
	if err != nil {
		return err
	}
	if err := CheckKey(f.Provider, f.Key); err != nil {
		return err
	}
	for _, r := range list {
		if err := f.report(ctx, r, from, to, take); err != nil {
			return fmt.Errorf("report %s: %w", r.path, err)
		}
	}
	return nil
}

// report asks for the pages of one.
func (f *Fetcher) report(ctx context.Context, r report, from, to reconcile.Day, take func(costs bool, page []byte) error) error {
	q := url.Values{"bucket_width": {"1d"}, "limit": {strconv.Itoa(r.limit)}}
	first, past := from.Start().Time(), to.Start().Time()
	if f.Provider == "openai" {
		q["group_by"] = r.groups
		q.Set("start_time", strconv.FormatInt(first.Unix(), 10))
		q.Set("end_time", strconv.FormatInt(past.Unix(), 10))
	} else {
		q["group_by[]"] = r.groups
		q.Set("starting_at", first.Format(time.RFC3339))
		q.Set("ending_at", past.Format(time.RFC3339))
	}
	seen := make(map[string]bool)
	for range maxPages {
		body, err := f.page(ctx, r, q)
		if err != nil || body == nil {
			return err
		}
		if err := take(r.costs, body); err != nil {
			return err
		}
		var p struct {
			More bool   `json:"has_more"`
			Next string `json:"next_page"`
		}
		if err := json.Unmarshal(body, &p); err != nil {
			return fmt.Errorf("a page that cannot be read: %w", err)
		}
		if !p.More {
			return nil
		}
		if p.Next == "" {
			return errors.New("a page says that another one follows, and not which")
		}
		if seen[p.Next] {
			return errors.New("the pages lead back to one that came before; ask for fewer days at a time")
		}
		seen[p.Next] = true
		q.Set("page", p.Next)
	}
	return fmt.Errorf("more than %d pages; ask for fewer days at a time: %w", maxPages, metering.ErrInvalid)
}

// page asks for one page until it comes; nil: the account has no such report.
func (f *Fetcher) page(ctx context.Context, r report, q url.Values) ([]byte, error) {
	wait := firstWait
	for try := 1; ; try++ {
		body, status, after, err := f.ask(ctx, r.path, q)
		switch {
		case err == nil && status == http.StatusOK:
			return body, nil
		case err == nil && status == http.StatusNotFound && r.missing:
			return nil, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && status != http.StatusTooManyRequests && status < 500:
			return nil, f.refused(status)
		case after > longestGap:
			return nil, fmt.Errorf("the provider answers %d and asks to wait for %s: ask again then", status, after)
		case try == maxTries && err == nil:
			return nil, fmt.Errorf("the provider answers %d after %d tries", status, try)
		case try == maxTries:
			return nil, fmt.Errorf("after %d tries: %w", try, err)
		}
		if err := f.Wait(ctx, min(max(wait, after), longestGap)); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

// refused says what to do about an answer. Its text is the provider's, and may
// quote what was sent, so it is not repeated.
func (f *Fetcher) refused(status int) error {
	hint := "nothing of this release's asking is expected to be answered so: is the base URL right?"
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		hint = fmt.Sprintf("the key must be an administrator's (%s), not one that calls models, and not revoked; %s", KeyVariable(f.Provider), madeAt(f.Provider))
	case status == http.StatusNotFound && f.Provider == "anthropic":
		hint = "only organisations have these reports, not individual accounts; for exports of your own: --usage FILE, --costs FILE"
	case status == http.StatusNotFound:
		hint = "the account has no such report, or the base URL is not that of its API"
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		hint = "it does not take the days that are asked for: give others, or fewer at a time"
	case status >= 300 && status < 400:
		hint = "a redirection is not followed, because the key would follow it: give the base URL that it leads to"
	}
	return fmt.Errorf("the provider answers %d: %s: %w", status, hint, metering.ErrInvalid)
}

// ask makes one request.
func (f *Fetcher) ask(ctx context.Context, path string, q url.Values) (body []byte, status int, after time.Duration, err error) {
	base := f.BaseURL
	if base == "" {
		base = "https://api." + f.Provider + ".com"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path+"?"+q.Encode(), nil)
	if err != nil {
		return nil, 0, 0, err
	}
	req.Header.Set("User-Agent", "weir")
	if f.Provider == "openai" {
		req.Header.Set("Authorization", "Bearer "+f.Key)
	} else {
		req.Header.Set("X-Api-Key", f.Key)
		req.Header.Set("Anthropic-Version", "2023-06-01")
	}
	client := *f.Client
	// A key in a header of its own would follow a redirection to anywhere.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return nil, 0, 0, err
	}
	defer func() { err = errors.Join(err, resp.Body.Close()) }()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxPage+1)); err != nil {
		return nil, 0, 0, err
	}
	if len(body) > maxPage {
		return nil, 0, 0, fmt.Errorf("a page of more than %d bytes", maxPage)
	}
	return body, resp.StatusCode, retryAfter(resp.Header), nil
}

// longestAfter bounds what is read of Retry-After.
const longestAfter = 24 * time.Hour

// retryAfter is how long an answer asks to wait: seconds, or an instant, which is
// compared with the one that the answer was made at. Zero: it does not say.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(s, 0), int64(longestAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	made, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(made), 0), longestAfter)
}
