package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/proxy/api"
)

// TestPriceCommands is the way of a price, by its commands: it is added, tried,
// listed, compared, corrected and taken out.
func TestPriceCommands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("pricebook list --provider openai", "PROVIDER/MODEL METER PRICE USD", "openai/* web_search_requests 0.01 each - embedded confirmed - test", "openai/gpt-x input 2 per 1,000,000 - embedded")
	s.says("pricebook list --model gpt-x-2026-01-01", "openai/gpt-x output 8 per 1,000,000")
	s.says("pricebook show openai/gpt-x-2026-01-01", "found by date_suffix gpt-x", "context 1000", "input 2 per 1,000,000 - embedded confirmed - - holds - openai/gpt-x/input", "× 0.5 - service tier batch")
	s.says("pricebook show openai/org/gpt-y", "model openai/org/gpt-y")
	s.says("pricebook add --provider openai --model gpt-new --input 2.5 --output 10 --price cache_write_1h=5 --price images=0.04 --alias gpt-latest --source https://example.com/prices --note launch",
		"layer operator", "content 1", "added operator:openai/gpt-new/input", "added operator:openai/gpt-new/cache_write_1h", "other rows changed 1")
	s.says("pricebook add --provider openai --model gpt-new --input 2.5 --output 10 --source https://example.com/prices --note launch", "content 1", "All of it was there already.")
	s.says("pricebook add --provider openai --model gpt-new --input 1.25 --tier batch --from 2026-01-01 --status promo", "added operator:openai/gpt-new@2026-01-01/input+batch")
	s.says("pricebook test --provider openai --model gpt-latest --tokens input=1000,output=20 --quantity images=3", "state exact", "cost 0.1227 USD", "model openai/gpt-new exact gpt-latest layer operator",
		"input 1,000 × 2.5 per 1,000,000 = 0.0025 layer operator operator:openai/gpt-new/input", "images 3 × 0.04 per 1 = 0.12", "not operator:openai/gpt-new@2026-01-01/input+batch 1.25 per 1,000,000 is for service tier batch")
	s.says("pricebook test --provider openai --model gpt-new --tier batch --tokens input=1000", "cost 0.00125 USD", "because: service tier batch")
	s.says("pricebook test --provider openai --model gpt-x --tier batch --tokens input=1000", "1,000 × 2 per 1,000,000 × 0.5 = 0.001", "× 0.5 because: service tier batch")
	s.says(`pricebook test --provider openai --model gpt-new --usage {"prompt_tokens":4,"completion_tokens":1,"total_tokens":5}`, "cost 0.00002 USD")
	s.says("pricebook test --provider openai --model gpt-new --tokens input.audio=1", "state unpriced", "reason meter: input.audio", "cost unknown")
	s.says("pricebook add --provider openai --model gpt-new --price searches=0.01 --any tier,region", "added operator:openai/gpt-new/searches+any=tier,region")
	s.says("pricebook test --provider openai --model gpt-new --tier flex --quantity searches=1", "cost 0.01 USD", "because: any tier, region")
	s.says("pricebook add --provider openai --model gpt-x --input 3 --account", "layer account")
	s.says("pricebook drift", "openai/gpt-x input - account 3 per 1,000,000 embedded 2 per 1,000,000")
	s.says("pricebook layers", "embedded 1", "operator 3", "account 1")
	s.says("pricebook versions operator", "operator 3", "yes", "operator 1", "launch")
	s.says("pricebook books --limit 1", "embedded:", "account:", "more: --cursor")
	s.says("pricebook remove operator:openai/gpt-new/input --note wrong", "added operator:openai/gpt-new/input~2", "superseded operator:openai/gpt-new/input")
	s.says("pricebook test --provider openai --model gpt-new --tokens input=1", "reason meter: input")
	s.says("pricebook list --layer account --json", `"price":"3","per":1000000`)
	for command, want := range map[string]int{
		"pricebook add": api.ExitUsage, "pricebook add --provider openai --model m": api.ExitUsage, "pricebook add -f /nowhere": api.ExitUsage,
		"pricebook add --provider openai --model m --input cheap": api.ExitRefused, "pricebook add --provider openai --model m --input 1 --from yesterdayish": api.ExitUsage,
		"pricebook add --provider openai --model m --input 1 -f x": api.ExitUsage, "pricebook add --provider openai --model m --input 1 --attribute x": api.ExitUsage,
		"pricebook show gpt-x": api.ExitUsage, "pricebook show openai/nobody": api.ExitRefused,
		"pricebook test --provider openai --model m --tokens x=1": api.ExitUsage, "pricebook test --provider openai --model m --tokens input=a": api.ExitUsage,
		"pricebook test --provider openai --model m --quantity x": api.ExitUsage, "pricebook test --provider openai --model m --usage {": api.ExitUsage,
		"pricebook versions nonsense": api.ExitRefused,
	} {
		if status, out, errs := s.weir(strings.Split(command, " ")...); status != want {
			t.Errorf("weir %s: exit %d, want %d: %s%s", command, status, want, out, errs)
		}
	}
}

// TestPriceFiles: rows come from JSON and YAML, prices as they are written, and
// what is exported can be added elsewhere.
func TestPriceFiles(t *testing.T) {
	t.Parallel()
	s, other := newServer(t), newServer(t)
	file := func(name, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	s.says("pricebook add -f "+file("rows.yaml", `
skus:
  - {provider: openai, sku: gpt-file, context: 128000, moving_alias: true}
rates: # as the vendor's page has them
  - {provider: openai, sku: gpt-file, meter: input, price: 0.1}
  - {provider: openai, sku: gpt-file, meter: output, price: 30, from: 2026-01-01, sources: [https://example.com]}
  - {provider: openai, sku: gpt-file, meter: output, price: "12.500", when: {above: 1000}}
  - {provider: openai, sku: gpt-file, meter: reasoning, price: null, reason: "condition: thinking"}
modifiers:
  - {provider: openai, skus: [gpt-file], multiply: 1.1, when: {region: us}}
`), "added operator:openai/gpt-file/input", "added operator:openai/gpt-file@2026-01-01/output", "added operator:openai/gpt-file/x1.1+region=us", "other rows changed 1")
	s.says("pricebook test --provider openai --model gpt-file --tokens input=1,output=1 --region us", "cost 0.00003311 USD")
	s.says("pricebook show openai/gpt-file", "output 12.500 per 1,000,000", "reasoning condition: thinking")
	exported := file("rows.json", s.says("pricebook export operator"))
	other.says("pricebook add -f "+exported, "other rows changed 1")
	other.says("pricebook test --provider openai --model gpt-file --tokens input=1,output=1 --region us", "cost 0.00003311 USD")
	if same := other.says("pricebook export operator"); same != s.says("pricebook export operator") {
		t.Errorf("what was exported and added has come to:\n%s", same)
	}
	for name, text := range map[string]string{
		"no YAML": "\t{", "two documents": "rates: []\n---\nrates: []\n", "anchors": "skus: [&a {provider: p, sku: m}, *a]", "an unknown member": "prices: []", "a list": "[]", "nothing": "",
		"a name that is a list": "? [a]\n: b\n",
	} {
		if status, out, errs := s.weir("pricebook", "add", "-f", file("bad.yaml", text)); status != api.ExitUsage || !strings.Contains(errs, "bad.yaml") {
			t.Errorf("%s: exit %d: %s%s", name, status, out, errs)
		}
	}
}
