package reconcile_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
)

// read reads texts as files of usage, or of costs where they begin with "costs:".
func read(t *testing.T, provider string, files ...string) *reconcile.Export {
	t.Helper()
	e, err := tryRead(provider, files...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func tryRead(provider string, files ...string) (*reconcile.Export, error) {
	r, err := reconcile.NewReader(provider)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		read := r.Read
		text, costs := strings.CutPrefix(f, "costs:")
		if costs {
			read = r.ReadCosts
		}
		if err := read("file", strings.NewReader(text)); err != nil {
			return nil, err
		}
	}
	return r.Export()
}

// day is 2026-11-01, which begins at 1793491200.
func day(t *testing.T, s string) reconcile.Day {
	t.Helper()
	d, err := reconcile.ParseDay(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestReader_OpenAI reads the newest shape, in which text, audio and images are
// told apart and the inclusive input has writes to the cache in it, and an older
// one.
func TestReader_OpenAI(t *testing.T) {
	t.Parallel()
	e := read(t, "openai", `{"object":"page","data":[{"object":"bucket","start_time":1793491200,"end_time":1793577600,"results":[
	 {"object":"organization.usage.completions.result","input_tokens":27444,"input_cached_tokens":8448,"input_cache_write_tokens":100,
	  "input_uncached_tokens":18896,"input_text_tokens":18000,"input_audio_tokens":800,"input_image_tokens":96,"output_tokens":500,
	  "output_audio_tokens":20,"output_image_tokens":null,"num_model_requests":5,"project_id":"proj_a","user_id":null,"api_key_id":"key_1",
	  "model":"gpt-5.6-terra","batch":false,"service_tier":"default"},
	 {"object":"organization.usage.completions.result","input_tokens":1000,"output_tokens":500,"input_cached_tokens":800,"num_model_requests":5,
	  "project_id":"proj_a","api_key_id":"key_1","model":"gpt-4o-2024-08-06","batch":true},
	 {"object":"organization.usage.audio_transcriptions.result","seconds":20,"num_model_requests":2,"model":"whisper-1"},
	 {"object":"organization.usage.vector_stores.result","usage_bytes":1024},
	 {"object":"organization.seats.result","input_tokens":3}]}],"has_more":false,"next_page":null}`)
	d := day(t, "2026-11-01")
	var first, second, third, fourth reconcile.Counts
	fourth[reconcile.StorageBytes] = 1024
	for m, n := range map[reconcile.Measure]int64{
		reconcile.Requests: 5, reconcile.InputAll: 27444, reconcile.Input: 18896, reconcile.CacheRead: 8448, reconcile.CacheWrite: 100, reconcile.Output: 500,
		reconcile.AudioInput: 800, reconcile.ImageInput: 96, reconcile.AudioOutput: 20,
	} {
		first[m] = n
	}
	for m, n := range map[reconcile.Measure]int64{reconcile.Requests: 5, reconcile.InputAll: 1000, reconcile.Input: 200, reconcile.CacheRead: 800, reconcile.Output: 500} {
		second[m] = n
	}
	third[reconcile.Requests], third[reconcile.AudioSeconds] = 2, 20
	base := reconcile.MaskOf(reconcile.Requests, reconcile.InputAll, reconcile.Input, reconcile.CacheRead, reconcile.Output)
	want := []reconcile.Usage{
		{Group: reconcile.Group{Day: d}, Counts: fourth, Known: reconcile.MaskOf(reconcile.StorageBytes)},
		{Group: reconcile.Group{Day: d, Model: "gpt-4o-2024-08-06", Key: "key_1", Tier: "batch"}, Counts: second, Known: base},
		{
			Group: reconcile.Group{Day: d, Model: "gpt-5.6-terra", Key: "key_1", Tier: "standard"}, Counts: first,
			Known: base | reconcile.MaskOf(reconcile.CacheWrite, reconcile.AudioInput, reconcile.ImageInput, reconcile.AudioOutput),
		},
		{Group: reconcile.Group{Day: d, Model: "whisper-1"}, Counts: third, Known: reconcile.MaskOf(reconcile.Requests, reconcile.AudioSeconds)},
	}
	if diff := cmp.Diff(want, e.Usage); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]reconcile.Day{d}, e.Days); diff != "" {
		t.Error(diff)
	}
	if len(e.Notes) != 1 || !strings.Contains(e.Notes[0], "seats") {
		t.Errorf("notes %q, want one of the kind that is not read", e.Notes)
	}
}

// TestReader_OpenAICosts: an amount is dollars, as a number or a text, with the
// digits of a binary fraction, which are rounded to pico-dollars.
func TestReader_OpenAICosts(t *testing.T) {
	t.Parallel()
	e := read(t, "openai", `costs:{"data":[{"start_time":1793491200,"end_time":1793577600,"results":[
	 {"object":"organization.costs.result","amount":{"value":0.0600000000000000055,"currency":"usd"},"line_item":"gpt-4o-mini-2024-07-18, cached input","quantity":800000,"quantity_unit":"tokens"},
	 {"object":"organization.costs.result","amount":{"value":"1.5e-05","currency":"usd"},"line_item":"gpt-image-1 image, output","project_id":"p"},
	 {"object":"organization.costs.result","amount":{"value":-2,"currency":"USD"},"line_item":"whisper-1"},
	 {"object":"organization.costs.result","amount":{"value":3,"currency":"usd"},"line_item":null}]}]}`)
	d := day(t, "2026-11-01")
	item := func(model, name, class string) reconcile.Item {
		return reconcile.Item{Group: reconcile.Group{Day: d, Model: model}, Name: name, Class: class}
	}
	want := []reconcile.Cost{
		{Item: item("*", "", ""), Amount: metering.Cost{Micros: 3_000_000}},
		{Item: item("gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18, cached input", "cached input"), Amount: metering.Cost{Micros: 60_000}, Quantity: metering.NumberOf(800_000), Unit: "tokens"},
		{Item: item("gpt-image-1", "gpt-image-1 image, output", "image output"), Amount: metering.Cost{Micros: 15}},
		{Item: item("whisper-1", "whisper-1", ""), Amount: metering.Cost{Micros: -2_000_000}},
	}
	if diff := cmp.Diff(want, e.Costs); diff != "" {
		t.Error(diff)
	}
	if e.HasUsage() || !e.HasCosts() || len(e.CostDays) != 1 {
		t.Errorf("usage %t, costs %t, of %v", e.HasUsage(), e.HasCosts(), e.CostDays)
	}
}

// TestReader_Anthropic: classes are disjoint and amounts are cents. The amounts
// are what its reference has as examples: "123.45" is 1.2345 dollars.
func TestReader_Anthropic(t *testing.T) {
	t.Parallel()
	e := read(t, "anthropic", `{"data":[{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[
	 {"uncached_input_tokens":1500,"cache_creation":{"ephemeral_1h_input_tokens":1000,"ephemeral_5m_input_tokens":500},"cache_read_input_tokens":200,
	  "output_tokens":500,"server_tool_use":{"web_search_requests":10},"api_key_id":"apikey_01Rj2N8SVvo6BePZj99NhmiT","workspace_id":"wrkspc_01",
	  "model":"claude-opus-4-6","service_tier":"standard","context_window":"0-200k","inference_geo":"global"}]}],"has_more":false,"next_page":null}`,
		`costs:{"data":[{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[
	 {"amount":"123.45","currency":"USD","cost_type":"tokens","token_type":"uncached_input_tokens","model":"claude-opus-4-6","description":"Claude Opus 4.6 Usage - Input Tokens","service_tier":"standard"},
	 {"amount":"123.78912","currency":"USD","cost_type":"web_search","token_type":null,"model":null,"description":"Web Search Usage"}]}]}`)
	var c reconcile.Counts
	for m, n := range map[reconcile.Measure]int64{
		reconcile.InputAll: 3200, reconcile.Input: 1500, reconcile.CacheRead: 200, reconcile.CacheWrite: 1500, reconcile.CacheWrite5m: 500, reconcile.CacheWrite1h: 1000,
		reconcile.Output: 500, reconcile.WebSearches: 10,
	} {
		c[m] = n
	}
	if len(e.Usage) != 1 || e.Usage[0].Counts != c || e.Usage[0].Known.Has(reconcile.Requests) {
		t.Errorf("usage %+v, want %v, and no number of requests", e.Usage, c)
	}
	if len(e.Costs) != 2 || e.Costs[0].Model != "Web Search Usage" || e.Costs[0].Amount.String() != "1.2378912" || e.Costs[1].Amount.String() != "1.2345" {
		t.Errorf("costs %+v", e.Costs)
	}
}

// TestReader_tables: what OpenAI's dashboard exports, with a byte order mark,
// decimals of whole numbers, and rows for what was not used.
func TestReader_tables(t *testing.T) {
	t.Parallel()
	e := read(t, "openai",
		"\xEF\xBB\xBFstart_time,end_time,start_time_iso,end_time_iso,project_id,num_model_requests,user_id,api_key_id,model,batch,input_tokens,output_tokens,input_cached_tokens,input_uncached_tokens\n"+
			"1793491200,1793577600,2026-11-01T00:00:00+00:00,2026-11-02T00:00:00+00:00,proj_a,3.0,,key_1,gpt-4o-2024-08-06,False,7162.0,1673,1280,5882\n"+
			"1793577600,1793664000,2026-11-02T00:00:00+00:00,2026-11-03T00:00:00+00:00,,,,,,,,,,\n",
		"costs:start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,api_key_id,project_id\n"+
			"1793491200,1793577600,a,b,0.0123,usd,5882,tokens,\"gpt-4o-2024-08-06, input\",,proj_a\n1793577600,1793664000,a,b,,,,,,,\n")
	if len(e.Usage) != 1 || e.Usage[0].Counts[reconcile.InputAll] != 7162 || e.Usage[0].Counts[reconcile.Requests] != 3 || e.Usage[0].Tier != "standard" {
		t.Errorf("usage %+v", e.Usage)
	}
	if len(e.Costs) != 1 || e.Costs[0].Amount.String() != "0.0123" || e.Costs[0].Class != "input" {
		t.Errorf("costs %+v", e.Costs)
	}
	if len(e.Days) != 2 || len(e.CostDays) != 2 {
		t.Errorf("days %v and %v, want both that the tables have", e.Days, e.CostDays)
	}
}

const hourly = `{"start_time":1793491200,"end_time":1793494800,"results":[{"object":"organization.usage.completions.result","input_tokens":1,"output_tokens":2,"num_model_requests":1,"model":"m"}]}`

// TestReader_shapes: pages one after the other, an array of them, a bucket a
// line; a bucket that comes twice counts once; a day of which an hour is there is
// not whole.
func TestReader_shapes(t *testing.T) {
	t.Parallel()
	second := strings.NewReplacer("1793491200", "1793494800", "1793494800", "1793498400").Replace(hourly)
	page := func(b string, more string) string {
		return `{"object":"page","data":[` + b + `],"has_more":` + more + `}`
	}
	for name, files := range map[string][]string{
		"pages":        {page(hourly, "true") + "\n" + page(second, "false")},
		"files":        {page(hourly, "true"), page(second, "false")},
		"array":        {"[" + page(hourly, "true") + "," + page(second, "false") + "]"},
		"lines":        {hourly + "\n" + second + "\n"},
		"twice":        {hourly, second, "[" + hourly + "]"},
		"of an array":  {"\n\t [" + hourly + "," + second + "]"},
		"with a blank": {hourly, second, `{"data":[],"has_more":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := read(t, "openai", files...)
			if len(e.Usage) != 1 || e.Usage[0].Counts[reconcile.Output] != 4 || e.Usage[0].Counts[reconcile.Requests] != 2 {
				t.Errorf("usage %+v, want the sum of two hours", e.Usage)
			}
			if len(e.Days) != 0 || len(e.Partly) != 1 {
				t.Errorf("days %v, partly %v", e.Days, e.Partly)
			}
		})
	}
}

// TestReader_refused: what is not an export says what it should be.
func TestReader_refused(t *testing.T) {
	t.Parallel()
	bucket := func(result string) string {
		return `{"start_time":1793491200,"end_time":1793577600,"results":[` + result + `]}`
	}
	cost := func(amount string) string {
		return bucket(`{"object":"organization.costs.result","amount":` + amount + `}`)
	}
	for _, tt := range []struct{ name, provider, text, want string }{
		{"another provider", "gemini", "{}", "anthropic and openai"},
		{"nothing", "openai", " \n", "is empty"},
		{"no JSON", "openai", "{", "cannot be read"},
		{"no page", "openai", `{"a":1}`, "neither a page"},
		{"a number", "openai", `[1]`, "cannot unmarshal"},
		{"deep", "openai", `[[[[[]]]]]`, "no pages"},
		{"a fraction of a token", "openai", bucket(`{"object":"organization.usage.completions.result","input_tokens":1.5}`), "no whole number"},
		{"below nothing", "openai", bucket(`{"object":"organization.usage.completions.result","input_tokens":-1}`), "no whole number"},
		{"too much", "openai", bucket(`{"object":"organization.usage.completions.result","input_tokens":1e13}`), "no whole number"},
		{"more cached than read", "openai", bucket(`{"object":"organization.usage.completions.result","input_tokens":1,"input_cached_tokens":2}`), "exceed"},
		{"euros", "openai", cost(`{"value":1,"currency":"eur"}`), "no exchange rates"},
		{"no number", "openai", cost(`{"value":"1/3","currency":"usd"}`), "no decimal number"},
		{"a huge exponent", "openai", cost(`{"value":1e999999999,"currency":"usd"}`), "no decimal number"},
		{"a huge amount", "openai", cost(`{"value":1e10,"currency":"usd"}`), "beyond"},
		{"a week", "openai", `{"start_time":1793491200,"end_time":1794096000,"results":[]}`, "a day or less"},
		{"noon to noon", "openai", `{"start_time":1793534400,"end_time":1793620800,"results":[]}`, "two days"},
		{"no instant", "anthropic", `{"starting_at":"yesterday","ending_at":"2026-11-02T00:00:00Z","results":[]}`, "starting_at"},
		{"no table", "openai", "a,b\n1,2\n", "no table of OpenAI's"},
		{"a table of Anthropic's", "anthropic", "a,b\n1,2\n", "not JSON"},
		{"other numbers", "openai", hourly + strings.Replace(hourly, `"output_tokens":2`, `"output_tokens":3`, 1), "twice with different numbers"},
		{"no buckets", "openai", `{"data":[]}`, "no buckets"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := tryRead(tt.provider, tt.text)
			if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want invalid, with %q", err, tt.want)
			}
		})
	}
}

// TestReader_bounded: no file is too large to be refused.
func TestReader_bounded(t *testing.T) {
	t.Parallel()
	r, err := reconcile.NewReader("openai")
	if err != nil {
		t.Fatal(err)
	}
	err = r.Read("huge", strings.NewReader(`[`+strings.Repeat(" ", reconcile.MaxBytes)+`]`))
	if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v, want that it is too large", err)
	}
}

// FuzzReader: whatever a file is, it is read or refused, and what was read adds
// up to no overflow.
func FuzzReader(f *testing.F) {
	for _, s := range []string{
		hourly, `{"data":[` + hourly + `]}`, "start_time,end_time,input_tokens\n1793491200,1793577600,1\n",
		`{"starting_at":"2026-11-01T00:00:00Z","ending_at":"2026-11-02T00:00:00Z","results":[{"amount":"1.5","currency":"USD"},{"uncached_input_tokens":1,"output_tokens":"2"}]}`,
		`{"start_time":0,"end_time":86400,"results":[{"object":"organization.costs.result","amount":{"value":1e-9,"currency":"usd"},"line_item":"a, b"}]}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, provider := range reconcile.Providers() {
			e, err := tryRead(provider, s)
			if err != nil {
				continue
			}
			for _, u := range e.Usage {
				for m, n := range u.Counts {
					if n < 0 {
						t.Fatalf("%s is %d", reconcile.Measure(m), n)
					}
				}
			}
			if _, err := reconcile.Compare(e, nil, reconcile.Options{}); err != nil && !errors.Is(err, metering.ErrInvalid) {
				t.Fatal(err)
			}
		}
	})
}
