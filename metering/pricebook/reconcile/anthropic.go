package reconcile

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// anthropicResult is a result of Anthropic's messages usage report or of its
// cost report, as platform.claude.com/docs/en/api/admin has them:
// usage_report/retrieve_messages and cost_report/retrieve, and of the reports of
// organizations/analytics, whose results say more. A cost has an amount.
type anthropicResult struct {
	Model     string `json:"model"`
	Key       string `json:"api_key_id"`
	Workspace string `json:"workspace_id"`
	Account   string `json:"account_id"`
	Service   string `json:"service_account_id"`
	Tier      string `json:"service_tier"`
	Window    string `json:"context_window"`
	Geo       string `json:"inference_geo"`
	Speed     string `json:"speed"`
	Product   string `json:"product"`

	anthropicCounts

	// Amount is in cents, as a decimal: "123.45" is 1.2345 dollars.
	Amount      decimal `json:"amount"`
	Currency    string  `json:"currency"`
	Type        string  `json:"cost_type"` // "tokens", "web_search", "code_execution", "session_usage"
	TokenType   string  `json:"token_type"`
	Description string  `json:"description"`
}

// anthropicCounts are disjoint. Only the reports of analytics have a number of
// requests.
type anthropicCounts struct {
	Requests count `json:"requests"`
	Uncached count `json:"uncached_input_tokens"`
	Written  *struct {
		For5m count `json:"ephemeral_5m_input_tokens"`
		For1h count `json:"ephemeral_1h_input_tokens"`
	} `json:"cache_creation"`
	Read   count `json:"cache_read_input_tokens"`
	Output count `json:"output_tokens"`
	Tools  *struct {
		WebSearches    count `json:"web_search_requests"`
		WebFetches     count `json:"web_fetch_requests"`
		CodeExecutions count `json:"code_execution_requests"`
	} `json:"server_tool_use"`
}

// anthropicKnows reports whether a member of a result is read, or is one that
// says nothing that has to be: list_amount is the price before discounts.
func anthropicKnows(name string) bool {
	switch name {
	case "model", "api_key_id", "workspace_id", "account_id", "service_account_id", "service_tier", "context_window", "inference_geo", "speed", "product",
		"requests", "uncached_input_tokens", "cache_read_input_tokens", "output_tokens",
		"cache_creation.ephemeral_5m_input_tokens", "cache_creation.ephemeral_1h_input_tokens",
		"server_tool_use.web_search_requests", "server_tool_use.web_fetch_requests", "server_tool_use.code_execution_requests",
		"amount", "list_amount", "currency", "cost_type", "token_type", "description":
		return true
	default:
		return false
	}
}

// anthropicBucket reads a bucket of either report.
func (r *Reader) anthropicBucket(p *page) error {
	start, err := time.Parse(time.RFC3339, p.From)
	if err != nil {
		return fmt.Errorf("starting_at: %w: %w", err, metering.ErrInvalid)
	}
	end, err := time.Parse(time.RFC3339, p.Until)
	if err != nil {
		return fmt.Errorf("ending_at: %w: %w", err, metering.ErrInvalid)
	}
	if len(*p.Results) == 0 {
		_, err := r.cover(r.emptyPart(), start.Unix(), end.Unix())
		return err
	}
	for i, raw := range *p.Results {
		var o anthropicResult
		if err := json.Unmarshal(raw, &o); err != nil {
			return fmt.Errorf("results[%d]: %w: %w", i, err, metering.ErrInvalid)
		}
		unread, err := unreadOf(raw, anthropicKnows)
		if err != nil {
			return fmt.Errorf("results[%d]: %w", i, err)
		}
		if err := r.anthropicRow(&o, &unread, start.Unix(), end.Unix()); err != nil {
			return fmt.Errorf("results[%d]: %w", i, err)
		}
	}
	return nil
}

// anthropicRow adds a result up.
func (r *Reader) anthropicRow(o *anthropicResult, unread *members, start, end int64) error {
	part := ofUsage
	if o.Amount != "" {
		part = ofCosts
	}
	day, err := r.cover(part, start, end)
	if err != nil {
		return err
	}
	kind := []string{"usage", "costs"}[part]
	about := []string{kind, fmt.Sprint(start), o.Workspace, o.Account, o.Service, o.Key, o.Model, o.Tier, o.Window, o.Geo, o.Speed, o.Product, o.Type, o.TokenType, o.Description}
	about = append(about, unread.by...)
	if part == ofCosts {
		return r.anthropicCost(o, day, about)
	}
	c, known := o.counts()
	fresh, err := r.once(about, fmt.Sprint(c, unread.says()))
	if err != nil || !fresh {
		return err
	}
	if err := r.addUnread(day, o.Key, unread); err != nil {
		return err
	}
	u := Usage{Group: Group{Day: day, Model: o.Model, Key: o.Key}, Counts: c, Known: known}
	u.addTerms(o.terms(c.Tokens()))
	if o.Tier != "" {
		u.Tier = TierOf(o.Tier)
	}
	return r.addUsage(u)
}

// counts turns the numbers into measures. What the report leaves out of a result
// is zero: its schema requires every one of them.
func (o *anthropicCounts) counts() (c Counts, known Mask) {
	c[Input], c[CacheRead], c[Output] = o.Uncached.n, o.Read.n, o.Output.n
	if o.Written != nil {
		c[CacheWrite5m], c[CacheWrite1h] = o.Written.For5m.n, o.Written.For1h.n
	}
	c[CacheWrite] = c[CacheWrite5m] + c[CacheWrite1h]
	c[InputAll] = c[Input] + c[CacheRead] + c[CacheWrite]
	known = MaskOf(InputAll, Input, CacheRead, CacheWrite, CacheWrite5m, CacheWrite1h, Output)
	if o.Requests.known {
		c[Requests], known = o.Requests.n, known|MaskOf(Requests)
	}
	if o.Tools == nil {
		return c, known
	}
	c[WebSearches], known = o.Tools.WebSearches.n, known|MaskOf(WebSearches)
	if o.Tools.WebFetches.known {
		c[WebFetches], known = o.Tools.WebFetches.n, known|MaskOf(WebFetches)
	}
	if o.Tools.CodeExecutions.known {
		c[CodeExecutions], known = o.Tools.CodeExecutions.n, known|MaskOf(CodeExecutions)
	}
	return c, known
}

// terms are what so many tokens may have a price of their own for, beside the
// tier: a long context, a region, a speed.
func (o *anthropicResult) terms(tokens int64) map[string]int64 {
	out := make(map[string]int64)
	for _, t := range []struct{ name, value, usual string }{
		{"context window", o.Window, "0-200k"}, {"inference geo", o.Geo, "global"}, {"speed", o.Speed, "standard"},
	} {
		if t.value != "" && t.value != t.usual && t.value != "not_available" && tokens > 0 {
			out[t.name+" "+clip(t.value)] = tokens
		}
	}
	return out
}

// centsPerDollar is the unit of Anthropic's amounts.
const centsPerDollar = 100

// anthropicCost adds an amount up.
func (r *Reader) anthropicCost(o *anthropicResult, day Day, about []string) error {
	if o.Currency != "USD" {
		return fmt.Errorf("an amount in %.20q, not in USD: Weir keeps no exchange rates: %w", o.Currency, metering.ErrInvalid)
	}
	fresh, err := r.once(about, string(o.Amount))
	if err != nil || !fresh {
		return err
	}
	c := Cost{}
	c.Day, c.Model, c.Name, c.Class = day, o.Model, o.Description, o.TokenType
	if c.Class == "" {
		c.Class = o.Type
	}
	switch {
	case o.Model != "":
	case o.Description == "" && (o.Type == "" || o.Type == "tokens"):
		c.Model = AllModels // not grouped by description
	default:
		c.Model = o.Description
		if c.Model == "" {
			c.Model = o.Type
		}
	}
	if o.Tier != "" {
		c.Tier = TierOf(o.Tier)
	}
	if c.Amount, err = money(string(o.Amount), centsPerDollar); err != nil {
		return err
	}
	return r.addCost(c)
}
