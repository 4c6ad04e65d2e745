package reconcile

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

// openAIResult is a result of one of OpenAI's usage reports, or of its costs.
// The names are those of openai-python, src/openai/types/admin/organization/
// usage_completions_response.py: one union for all reports, told apart by object.
type openAIResult struct {
	Object   string `json:"object"`
	Project  string `json:"project_id"`
	User     string `json:"user_id"`
	Key      string `json:"api_key_id"`
	Model    string `json:"model"`
	Batch    *bool  `json:"batch"`
	Tier     string `json:"service_tier"`
	Size     string `json:"size"`
	Origin   string `json:"source"`
	Store    string `json:"vector_store_id"`
	Context  string `json:"context_level"`
	API      string `json:"api_source"`
	LineItem string `json:"line_item"`

	openAICounts

	Amount   *openAIAmount `json:"amount"`
	Quantity decimal       `json:"quantity"`
	Unit     string        `json:"quantity_unit"`
}

// openAICounts are the numbers of usage. The inclusive input has what was cached
// and what was written to the cache in it. input_audio_tokens meant all audio
// input until the report had input_uncached_tokens, and means the uncached since.
type openAICounts struct {
	Requests    count `json:"num_model_requests"`
	Input       count `json:"input_tokens"`
	Cached      count `json:"input_cached_tokens"`
	Written     count `json:"input_cache_write_tokens"`
	Uncached    count `json:"input_uncached_tokens"`
	AudioIn     count `json:"input_audio_tokens"`
	ImageIn     count `json:"input_image_tokens"`
	Output      count `json:"output_tokens"`
	AudioOut    count `json:"output_audio_tokens"`
	ImageOut    count `json:"output_image_tokens"`
	Images      count `json:"images"`
	Characters  count `json:"characters"`
	Seconds     count `json:"seconds"`
	Bytes       count `json:"usage_bytes"`
	Sessions    count `json:"num_sessions"`
	ToolQueries count `json:"num_requests"`
}

// openAIKnows reports whether a member of a result is read, or is one that others
// contain: the report divides input_uncached_tokens, input_cached_tokens and
// output_tokens once more by modality.
func openAIKnows(name string) bool {
	switch name {
	case "object", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier", "size", "source", "vector_store_id", "context_level", "api_source",
		"line_item", "amount", "quantity", "quantity_unit",
		"num_model_requests", "input_tokens", "input_cached_tokens", "input_cache_write_tokens", "input_uncached_tokens", "input_audio_tokens", "input_image_tokens",
		"output_tokens", "output_audio_tokens", "output_image_tokens", "images", "characters", "seconds", "usage_bytes", "num_sessions", "num_requests",
		"input_text_tokens", "input_cached_text_tokens", "input_cached_audio_tokens", "input_cached_image_tokens", "output_text_tokens":
		return true
	default:
		return false
	}
}

// openAIAmount is in whole units of the currency.
type openAIAmount struct {
	Value    decimal `json:"value"`
	Currency string  `json:"currency"`
}

// Kinds of results.
const (
	openAICosts    = "organization.costs.result"
	openAIUsage    = "organization.usage."
	openAIFiles    = "organization.usage.file_searches.result"
	openAIWeb      = "organization.usage.web_searches.result"
	openAIStorage  = "organization.usage.vector_stores.result"
	openAISessions = "organization.usage.code_interpreter_sessions.result"
)

// openAIBucket reads a bucket of any of OpenAI's reports.
func (r *Reader) openAIBucket(p *page) error {
	start, err := parseCount(p.Start.String())
	if err != nil {
		return fmt.Errorf("start_time: %w", err)
	}
	end, err := parseCount(p.End.String())
	if err != nil {
		return fmt.Errorf("end_time: %w", err)
	}
	if len(*p.Results) == 0 { // of which report it is, nobody can say
		_, err := r.cover(r.emptyPart(), start.n, end.n)
		return err
	}
	for i, raw := range *p.Results {
		var o openAIResult
		if err := json.Unmarshal(raw, &o); err != nil {
			return fmt.Errorf("results[%d]: %w: %w", i, err, metering.ErrInvalid)
		}
		unread, err := unreadOf(raw, openAIKnows)
		if err != nil {
			return fmt.Errorf("results[%d]: %w", i, err)
		}
		if err := r.openAIRow(&o, &unread, start.n, end.n); err != nil {
			return fmt.Errorf("results[%d]: %w", i, err)
		}
	}
	return nil
}

// emptyPart is the report that an empty bucket is taken to be of: the one that
// was told to be read, else usage.
func (r *Reader) emptyPart() int {
	if r.costsOnly {
		return ofCosts
	}
	return ofUsage
}

// openAIRow adds a result up.
func (r *Reader) openAIRow(o *openAIResult, unread *members, start, end int64) error {
	part := ofUsage
	switch {
	case o.Object == openAICosts:
		part = ofCosts
	case !strings.HasPrefix(o.Object, openAIUsage):
		r.skipped[clip(o.Object)]++
		return nil
	}
	day, err := r.cover(part, start, end)
	if err != nil {
		return err
	}
	batch := ""
	if o.Batch != nil && *o.Batch {
		batch = TierBatch
	}
	about := []string{o.Object, fmt.Sprint(start), o.Project, o.User, o.Key, o.Model, batch, o.Tier, o.Size, o.Origin, o.Store, o.Context, o.API, o.LineItem}
	about = append(about, unread.by...)
	if part == ofCosts {
		return r.openAICost(o, day, about)
	}
	fresh, err := r.once(about, fmt.Sprint(o.openAICounts, unread.says()))
	if err != nil || !fresh {
		return err
	}
	if err := r.addUnread(day, o.Key, unread); err != nil {
		return err
	}
	u := Usage{Group: Group{Day: day, Model: o.Model, Key: o.Key}}
	switch {
	case batch != "":
		u.Tier = TierBatch
	case o.Tier != "" || o.Batch != nil:
		u.Tier = TierOf(o.Tier)
	}
	if u.Counts, u.Known, err = o.counts(o.Object); err != nil {
		return err
	}
	if u.Known == 0 {
		r.skipped[clip(o.Object)]++
		return nil
	}
	return r.addUsage(u)
}

// counts turns the numbers of a report into measures.
func (o *openAICounts) counts(kind string) (c Counts, known Mask, err error) {
	set := func(m Measure, n count) {
		if n.known {
			c[m], known = n.n, known|MaskOf(m)
		}
	}
	switch kind {
	case openAIFiles:
		set(FileSearches, o.ToolQueries)
		return c, known, nil
	case openAIWeb: // its requests are in the report of completions too
		set(WebSearches, o.ToolQueries)
		return c, known, nil
	case openAIStorage:
		set(StorageBytes, o.Bytes)
		return c, known, nil
	case openAISessions:
		set(CodeSessions, o.Sessions)
		return c, known, nil
	}
	set(Requests, o.Requests)
	set(InputAll, o.Input)
	set(CacheRead, o.Cached)
	set(CacheWrite, o.Written)
	set(Output, o.Output)
	set(AudioOutput, o.AudioOut)
	set(ImageOutput, o.ImageOut)
	set(Images, o.Images)
	set(Characters, o.Characters)
	set(AudioSeconds, o.Seconds)
	switch {
	case o.Uncached.known:
		set(Input, o.Uncached)
		set(AudioInput, o.AudioIn)
		set(ImageInput, o.ImageIn)
	case o.Input.known && o.Cached.known:
		rest := o.Input.n - o.Cached.n - o.Written.n
		if rest < 0 {
			return c, known, fmt.Errorf("%d cached input tokens and %d written to the cache exceed %d in all: %w", o.Cached.n, o.Written.n, o.Input.n, metering.ErrInvalid)
		}
		set(Input, count{rest, true})
	}
	return c, known, nil
}

// openAICost adds an amount up.
func (r *Reader) openAICost(o *openAIResult, day Day, about []string) error {
	if o.Amount == nil || o.Amount.Value == "" {
		return nil
	}
	if !strings.EqualFold(o.Amount.Currency, "usd") {
		return fmt.Errorf("an amount in %.20q, not in usd: Weir keeps no exchange rates: %w", o.Amount.Currency, metering.ErrInvalid)
	}
	fresh, err := r.once(about, string(o.Amount.Value)+" "+string(o.Quantity))
	if err != nil || !fresh {
		return err
	}
	c := Cost{Unit: o.Unit}
	c.Day, c.Key, c.Name = day, o.Key, o.LineItem
	c.Model, c.Class = lineItem(o.LineItem)
	if c.Amount, err = money(string(o.Amount.Value), 1); err != nil {
		return err
	}
	if o.Quantity != "" {
		if c.Quantity, err = quantity(string(o.Quantity)); err != nil {
			return err
		}
	}
	return r.addCost(c)
}

// quantity reads what an amount is for, rounded to twelve decimals.
func quantity(s string) (metering.Number, error) {
	q, err := money(s, 1)
	if err != nil {
		return metering.Number{}, fmt.Errorf("quantity: %w", err)
	}
	const million = metering.MicrosPerDollar
	units, micros := q.Micros/million, q.Micros%million
	return metering.Number{Units: units, Picos: micros*metering.PicosPerMicro + q.Picos}.Normal(), nil
}

// lineItem divides the name of a line item into a model and a class:
// "gpt-4o-mini-2024-07-18, cached input", "gpt-image-1 image, output". One
// without a comma is a thing of its own, such as "whisper-1".
func lineItem(name string) (model, class string) {
	if name == "" {
		return AllModels, ""
	}
	at := strings.LastIndex(name, ", ")
	if at < 0 {
		return name, ""
	}
	model, class = name[:at], name[at+2:]
	for _, modality := range []string{"text", "audio", "image"} {
		if rest, ok := strings.CutSuffix(model, " "+modality); ok {
			return rest, modality + " " + class
		}
	}
	return model, class
}
