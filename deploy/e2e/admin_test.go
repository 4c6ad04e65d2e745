package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// event is what the admin API says of one event, as far as the tests look.
type event struct {
	ID         string `json:"id"`
	Customer   string `json:"customer_id"`
	Upstream   string `json:"upstream"`
	Provider   string `json:"provider"`
	Endpoint   string `json:"endpoint"`
	Outcome    string `json:"outcome"`
	Status     int    `json:"status"`
	Model      string `json:"model"`
	Run        string `json:"run"`
	ClientID   string `json:"client_id"`
	ProviderID string `json:"provider_id"`
	CostState  string `json:"cost_state"`
	Cost       string `json:"cost"`
	CostReason string `json:"cost_reason"`
	Usage      struct {
		State       string           `json:"state"`
		Tokens      map[string]int64 `json:"tokens"`
		Input       int64            `json:"input"`
		Output      int64            `json:"output"`
		Total       int64            `json:"total"`
		Model       string           `json:"model"`
		ServiceTier string           `json:"service_tier"`
		ObjectID    string           `json:"object_id"`
		Flags       []string         `json:"flags"`
		Estimate    *struct {
			Method    string
			Low, High int64
		} `json:"estimate"`
	} `json:"usage"`
}

// cells sums the token cells whose name begins with one of the prefixes.
func (e event) cells(prefixes ...string) int64 {
	var n int64
	for name, v := range e.Usage.Tokens {
		for _, p := range prefixes {
			if strings.HasPrefix(name, p) {
				n += v
			}
		}
	}
	return n
}

// get reads one admin API resource.
func (p *process) get(path string, into any) {
	p.t.Helper()
	token, err := os.ReadFile(filepath.Join(p.data, "admin-token"))
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequest(http.MethodGet, p.console+"/api/v1/"+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		p.t.Fatalf("GET %s: %d\n%s", path, resp.StatusCode, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		p.t.Fatalf("GET %s: %v\n%s", path, err, body)
	}
}

// events reads every event there is, page by page.
func (p *process) events(filter url.Values) []event {
	p.t.Helper()
	var all []event
	q := url.Values{"limit": {"100"}}
	for name, v := range filter {
		q[name] = v
	}
	for {
		var page struct {
			Items []event `json:"items"`
			Next  string  `json:"next_cursor"`
		}
		p.get("events?"+q.Encode(), &page)
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		q.Set("cursor", page.Next)
	}
}
