package pricebook_test

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// statedTokens are the tokens that the corpus states; the input is all of it.
type statedTokens struct {
	Input     int64 `json:"input_tokens"`
	Cached    int64 `json:"cached_input_tokens"`
	Written   int64 `json:"cache_write_tokens"`
	Written5m int64 `json:"cache_write_5m_tokens"`
	Written1h int64 `json:"cache_write_1h_tokens"`
	Output    int64 `json:"output_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
	AudioIn   int64 `json:"audio_input_tokens"`
	AudioOut  int64 `json:"audio_output_tokens"`
	ImageIn   int64 `json:"image_input_tokens"`
	ImageOut  int64 `json:"image_output_tokens"`
}

// share is what one of several models used.
type share struct {
	Model string `json:"model"`
	statedTokens
}

// statedUsage is what the corpus states of an exchange.
type statedUsage struct {
	statedTokens
	Usage        string           `json:"usage"`
	Model        *string          `json:"model"`
	Tier         string           `json:"service_tier"`
	Earlier      bool             `json:"usage_of_earlier_request"`
	Flags        []string         `json:"flags"`
	Tools        map[string]int64 `json:"server_tools"`
	Units        map[string]any   `json:"units"`
	ByModel      []share          `json:"by_model"`
	Images       int64            `json:"images"`
	AudioSeconds json.Number      `json:"audio_seconds"`
}

// fact is a line of the table, by the names of its columns.
type fact struct {
	row map[string]string
}

// factsByModel reads the table: the lines that hold today, by provider and each
// name of the model. A name with two lines has nil, and so has one that is known to
// be of another model.
func factsByModel(t *testing.T) map[string]*fact {
	t.Helper()
	table := map[string]*fact{}
	_, others := unlike()
	for _, row := range tableRows(t) {
		// The events are of 00:00 UTC, when nobody has peak hours.
		if row["row_kind"] != "current" || strings.HasPrefix(row["time_window"], "peak") {
			continue
		}
		for _, name := range append(strings.Split(row["match_aliases"], ";"), row["model_id"]) {
			key := row["provider"] + "/" + name
			if name == "" {
				continue
			}
			if _, twice := table[key]; twice || others[key] != "" {
				table[key] = nil
				continue
			}
			table[key] = &fact{row: row}
		}
	}
	return table
}

// times is n at the price in a column, per million; reason if it has none.
func (f *fact) times(n int64, column string) (cost *big.Rat, reason string) {
	if n == 0 {
		return new(big.Rat), ""
	}
	price, ok := new(big.Rat).SetString(f.row[column])
	if input, known := new(big.Rat).SetString(f.row["input"]); !ok && known && column == "cached_input" && f.row["provider"] == "mistral" {
		price, ok = input.Quo(input, big.NewRat(10, 1)), true // as the vendor says of all of its models
	}
	if n < 0 || !ok {
		return nil, "the table has no " + column + " of " + f.row["provider"] + " " + f.row["model_id"]
	}
	return price.Mul(price, big.NewRat(n, 1_000_000)), ""
}

// tokens is what counts cost in a tier.
func (f *fact) tokens(n *statedTokens, tier string) (*big.Rat, string) {
	column := func(name string) string { return name }
	above := f.row["tier_threshold_tokens"]
	switch long := above != "" && n.Input > wholeNumber(above); {
	case long && tier != "":
		return nil, "a long prompt in tier " + tier
	case long:
		column = func(name string) string { return name + "_above" }
	case tier != "":
		column = func(name string) string { return tier + "_" + name }
	}
	text := n.Input - n.Cached - n.Written - n.AudioIn - n.ImageIn
	switch {
	case text < 0:
		return nil, "parts of the input beyond the whole, or of several kinds at once"
	case n.Reasoning > n.Output:
		return nil, "reasoning beyond the output"
	}
	write := n.Written - n.Written1h
	out, reasoning := n.Output-n.AudioOut-n.ImageOut, int64(0)
	if f.row["reasoning_output"] != "" {
		out, reasoning = out-n.Reasoning, n.Reasoning
	}
	sum := new(big.Rat)
	for _, part := range []struct {
		n      int64
		column string
	}{
		{text, column("input")},
		{n.Cached, column("cached_input")},
		{write, column("cache_write_5m")},
		{n.Written1h, column("cache_write_1h")},
		{n.AudioIn, "audio_input"},
		{n.ImageIn, f.imageColumn()},
		{out, column("output")},
		{reasoning, "reasoning_output"},
		{n.AudioOut, "audio_output"},
		{n.ImageOut, "image_output"},
	} {
		cost, reason := f.times(part.n, part.column)
		if reason != "" {
			return nil, reason
		}
		sum.Add(sum, cost)
	}
	return sum, ""
}

var (
	placeInPath = regexp.MustCompile(`/locations/([a-z0-9-]+)/`)
	placeInHost = regexp.MustCompile(`^bedrock-(?:runtime|mantle)\.([a-z0-9-]+)\.(?:amazonaws\.com|api\.aws)$`)
)

// place is the region that the path or the host of the exchange names.
func (x *whole) place() string {
	for _, found := range [][]string{placeInPath.FindStringSubmatch(x.Path), placeInHost.FindStringSubmatch(x.Host)} {
		if found != nil {
			return found[1]
		}
	}
	return ""
}

// premium is by how much more the tokens cost in a place, as the notes of the table
// say it: "region us-east5+eu: 1.1x; …".
func (f *fact) premium(place string) *big.Rat {
	for part := range strings.SplitSeq(f.row["notes"], "; ") {
		regions, times, ok := strings.Cut(strings.TrimPrefix(part, "region "), ": ")
		if factor, number := new(big.Rat).SetString(strings.TrimSuffix(times, "x")); ok && number && slices.Contains(strings.Split(regions, "+"), place) {
			return factor
		}
	}
	return big.NewRat(1, 1)
}

// imageColumn is that of images in the input: Google takes them at the price of
// text where the table has no other.
func (f *fact) imageColumn() string {
	if vendor := f.row["provider"]; f.row["image_input"] == "" && (vendor == "google" || vendor == "vertex") {
		return "input"
	}
	return "image_input"
}

func wholeNumber(s string) int64 {
	n, err := json.Number(s).Int64()
	if err != nil {
		return -1
	}
	return n
}

// tier is the tier that the answer reports, "" for the usual one.
func (x *whole) tier() string {
	switch x.Expect.Tier {
	case "", "default", "standard", "on_demand":
		switch x.Expect.Units["traffic_type"] {
		case "ON_DEMAND_FLEX":
			return "flex"
		case "ON_DEMAND_PRIORITY":
			return "priority"
		}
		if x.batch() {
			return "batch"
		}
		return ""
	default:
		return x.Expect.Tier
	}
}

// form is the body of a form, as bytes.
func (x *whole) form() []byte {
	if x.RequestEncoding != "base64" {
		return []byte(x.RequestBody)
	}
	b, err := base64.StdEncoding.DecodeString(x.RequestBody)
	if err != nil {
		return nil
	}
	return b
}

// fees are what is charged beside tokens.
func (x *whole) fees(f *fact) (*big.Rat, string) {
	sum := new(big.Rat)
	for _, name := range slices.Sorted(maps.Keys(x.Expect.Tools)) {
		n := x.Expect.Tools[name]
		if n == 0 || x.restated(name) {
			continue
		}
		if ids := x.containers(); len(ids) > 0 && (name == "code_interpreter_call" || name == "shell_call") {
			if x.vendor() != "openai" || !strings.Contains(strings.ReplaceAll(x.Body, ": ", ":"), `"container":{"type":"auto"`) && !strings.Contains(x.Body, `"type":"auto"},"type":"code_interpreter"`) {
				return nil, "no price by hand of a container of " + x.vendor()
			}
			// Three cents for twenty minutes, and at least five.
			sum.Add(sum, big.NewRat(int64(len(ids))*3*5, 100*20))
			continue
		}
		if name == "web_search_queries" && emptyQuery.MatchString(x.Body) {
			n-- // the corpus counts it, Google's bill does not
		}
		fee, reason := f.fee(name)
		if reason != "" {
			return nil, reason
		}
		sum.Add(sum, fee.Mul(fee, big.NewRat(n, 1)))
	}
	if x.vendor() == "anthropic" && ownContainer.MatchString(x.Body) && !laterSearch.MatchString(x.RequestBody) {
		// Five minutes of five cents an hour, as if the month's were used up, in whole
		// pico-dollars.
		sum.Add(sum, big.NewRat(4_166_666_667, 1_000_000_000_000))
	}
	if x.vendor() == "openai" && strings.HasSuffix(f.row["model_id"], "-search-preview") {
		sum.Add(sum, big.NewRat(25, 1000)) // of the vendor's page, where the table has 10
	}
	if x.vendor() == "openai" && x.Expect.Tools["web_search_call.search"] > 0 && strings.Contains(x.Body, `"web_search_preview"`) && strings.HasPrefix(f.row["model_id"], "gpt-4") {
		sum.Add(sum, big.NewRat(x.Expect.Tools["web_search_call.search"]*(25-10), 1000)) // beyond the table's 10
	}
	if x.vendor() == "perplexity" && x.Endpoint == "openai.chat" {
		size, said := x.Expect.Units["search_context_size"].(string)
		if !said {
			return nil, "no context size is said"
		}
		fee, reason := f.perThousand("web_search_" + size + "_context")
		if reason != "" {
			return nil, reason
		}
		sum.Add(sum, fee)
	}
	units, reason := x.units(f)
	if reason != "" {
		return nil, reason
	}
	return sum.Add(sum, units), ""
}

var (
	ownContainer = regexp.MustCompile(`"container": ?\{\s*"(?:id|expires_at)": ?"`)
	laterSearch  = regexp.MustCompile(`"web_(?:search|fetch)_2026(?:0209|0[3-9]\d\d|1\d{3})"`)
)

var emptyQuery = regexp.MustCompile(`"webSearchQueries":\s*\[\s*""`)

var containerID = regexp.MustCompile(`"container_id": ?"(cntr_[0-9a-f]+)"`)

// containers are those that an answer shows.
func (x *whole) containers() map[string]bool {
	ids := map[string]bool{}
	for _, found := range containerID.FindAllStringSubmatch(x.Body, -1) {
		ids[found[1]] = true
	}
	return ids
}

// restated reports whether a count of tools says again what others say.
func (x *whole) restated(name string) bool {
	for other := range x.Expect.Tools {
		if strings.HasPrefix(other, name+".") {
			return true
		}
	}
	return name == "tool_usage.web_search.num_requests"
}

// fee is the price of one call of a tool.
func (f *fact) fee(tool string) (*big.Rat, string) {
	switch tool {
	case "web_search_requests", "web_search_call.search":
		return f.perThousand("web_search")
	case "web_fetch_requests", "web_search_call.open_page", "web_search_call.find_in_page", "mcp_call", "mcp_list_tools", "tool_search_call", "apply_patch_call":
		return new(big.Rat), "" // the vendors charge nothing for it
	case "file_search_call":
		return f.perThousand("file_search")
	case "web_search_call.none":
		return f.perThousand("web_search")
	case "code_interpreter_call":
		return f.perThousand("code_execution")
	case "grounded", "maps_grounded", "web_search_queries":
		return f.grounding(tool)
	default:
		return nil, "no fee by hand for " + tool + " of " + f.row["provider"]
	}
}

// grounding is the price of one grounded prompt, of which Gemini 2.5 has one, or of
// one query, of which Gemini 3 has one.
func (f *fact) grounding(what string) (*big.Rat, string) {
	switch third := strings.HasPrefix(f.row["model_id"], "gemini-3"); {
	case what == "maps_grounded":
		return f.perThousand("maps")
	case third == (what == "web_search_queries"):
		return f.perThousand("web_search")
	default:
		return new(big.Rat), ""
	}
}

// perThousand reads "web_search=10/1k;…".
func (f *fact) perThousand(name string) (*big.Rat, string) {
	for fee := range strings.SplitSeq(f.row["per_request_fees"], ";") {
		key, value, _ := strings.Cut(fee, "=")
		price, ok := new(big.Rat).SetString(strings.TrimSuffix(value, "/1k"))
		if key == name && ok {
			return price.Quo(price, big.NewRat(1000, 1)), ""
		}
	}
	return nil, "the table has no fee " + name + " of " + f.row["provider"] + " " + f.row["model_id"]
}

// units is what seconds, pages and searches cost.
func (x *whole) units(f *fact) (*big.Rat, string) {
	s, sum := &x.Expect, new(big.Rat)
	prices := map[string]json.RawMessage{} // images by size are no number
	if text := f.row["other_units"]; text != "" {
		if err := json.Unmarshal([]byte(text), &prices); err != nil {
			return nil, "the table's other_units: " + err.Error()
		}
	}
	add := func(n string, unit string, per int64) bool {
		amount, ok1 := new(big.Rat).SetString(n)
		price, ok2 := new(big.Rat).SetString(string(prices[unit]))
		if ok1 && ok2 {
			sum.Add(sum, amount.Mul(amount, price).Quo(amount, big.NewRat(per, 1)))
		}
		return ok1 && ok2
	}
	if s.AudioSeconds != "" && !add(s.AudioSeconds.String(), "audio_minute", 60) && !add(s.AudioSeconds.String(), "audio_hour", 3600) {
		return nil, "the table has no price of audio of " + f.row["provider"] + " " + f.row["model_id"]
	}
	for unit, price := range map[string]string{"search_units": "1k_searches", "pages_processed": "1k_pages"} {
		if n, ok := s.Units[unit].(float64); ok && !add(big.NewRat(int64(n), 1).RatString(), price, 1000) {
			return nil, "the table has no " + price + " of " + f.row["provider"] + " " + f.row["model_id"]
		}
	}
	for unit := range s.Units {
		switch unit {
		case "video_seconds", "predict_seconds", "tool_usage.image_gen":
			return nil, "no price by hand of " + unit
		}
		if strings.HasPrefix(unit, "server_side_tool_usage_details.") {
			return nil, "no price by hand of xAI's tools"
		}
	}
	if s.Images > 0 && s.ImageOut == 0 && s.Output == 0 {
		return nil, "no price by hand of images"
	}
	return sum, ""
}
