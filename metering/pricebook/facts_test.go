package pricebook_test

import (
	"encoding/json"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
)

// facts are the lines of the price table that the embedded file was made from,
// by provider and every name of the model. A name with two lines has nil.
func facts(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, row := range tableRows(t) {
		if row["row_kind"] != "current" && row["status"] != "retired" {
			continue
		}
		for _, name := range append(strings.Split(row["match_aliases"], ";"), row["model_id"]) {
			key := row["provider"] + "/" + name
			if _, twice := out[key]; twice {
				out[key] = nil
				continue
			}
			out[key] = row
		}
	}
	return out
}

// counts are the numbers that the corpus states of an exchange, found by other
// means than ours.
type counts struct {
	Input     int64 `json:"input_tokens"`
	Output    int64 `json:"output_tokens"`
	Cached    int64 `json:"cached_input_tokens"`
	Written   int64 `json:"cache_write_tokens"`
	Written1h int64 `json:"cache_write_1h_tokens"`
	AudioIn   int64 `json:"audio_input_tokens"`
	AudioOut  int64 `json:"audio_output_tokens"`
	ImageOut  int64 `json:"image_output_tokens"`
	TopLevel  any   `json:"top_level"`
	ByModel   any   `json:"by_model"`
}

// TestCorpus_facts costs every priced exchange a second time without anything of
// this package: the corpus's own counts times the table's decimals, as fractions.
// Left to TestCorpus are calls with audio or images, fees, several models, or
// long prompts, and names that the table does not have.
func TestCorpus_facts(t *testing.T) {
	t.Parallel()
	table, b := facts(t), embedded(t)
	same, other := 0, map[string]int{}
	for id, e := range events(t) {
		if b.Price(e); e.CostState != metering.CostExact || e.Usage.State != metering.UsageExact || tierOf(e) != "" || slices.ContainsFunc(e.Rates, special) {
			continue
		}
		n := expected(t, id)
		name := e.Usage.Model
		if name == "" {
			name = e.Model
		}
		row := table[e.Provider+"/"+name]
		// xAI counts cached tokens beside the others, also at Azure.
		if row == nil || e.Provider == "azure_openai" && strings.HasPrefix(name, "grok") || n.ByModel != nil || n.TopLevel != nil || n.AudioIn+n.AudioOut+n.ImageOut > 0 || n.Cached > 0 && row["cached_input"] == "" {
			other[e.Provider+" "+name]++
			continue
		}
		write := row["cache_write_5m"]
		want := times(t, n.Input-n.Cached-n.Written, row["input"])
		want.Add(want, times(t, n.Cached, row["cached_input"]))
		want.Add(want, times(t, n.Written-n.Written1h, write))
		want.Add(want, times(t, n.Written1h, row["cache_write_1h"]))
		want.Add(want, times(t, n.Output, row["output"]))
		if got := dollars(t, e.Cost.String()); got.Cmp(want) != 0 {
			t.Errorf("%s: %s of %s costs %s, by the table %s", id, name, e.Provider, e.Cost, want.FloatString(12))
		}
		same++
	}
	t.Logf("%d exchanges cost the same; left out %v", same, other)
	if same < 350 {
		t.Errorf("only %d exchanges were compared", same)
	}
}

// special is a rate that the plain sum does not have. A region that changes nothing
// is none.
func special(id string) bool {
	names := slices.DeleteFunc(strings.Fields(id), func(name string) bool { return strings.Contains(name, "/x1+region=") })
	id = strings.Join(names, " ")
	id, _, _ = strings.Cut(id, "+any=")
	return strings.Contains(id, ">") || strings.Contains(id, "+") || !strings.Contains(id, "/") || strings.Contains(id, "search")
}

func tierOf(e *metering.Event) string {
	switch e.Usage.ServiceTier {
	case "default", "standard", "on_demand":
		return ""
	default:
		return e.Usage.ServiceTier
	}
}

func times(t *testing.T, n int64, perMillion string) *big.Rat {
	t.Helper()
	if n == 0 {
		return new(big.Rat)
	}
	return new(big.Rat).Mul(dollars(t, perMillion), big.NewRat(n, 1_000_000))
}

func expected(t *testing.T, id string) counts {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "corpus", "exchanges", id+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var x struct {
		Expect counts `json:"expect"`
	}
	if err := json.Unmarshal(raw, &x); err != nil {
		t.Fatal(err)
	}
	return x.Expect
}
