package proxytest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// versions are the models that answer, each with the name that its answers
// report.
func versions() map[string]string {
	return map[string]string{
		"claude-haiku-4-5":       "claude-haiku-4-5-20251001",
		"claude-opus-4-1":        "claude-opus-4-1-20250805",
		"claude-sonnet-4-5":      "claude-sonnet-4-5-20250929",
		"gemini-2.5-flash":       "gemini-2.5-flash",
		"gemini-2.5-pro":         "gemini-2.5-pro",
		"gpt-3.5-turbo-instruct": "gpt-3.5-turbo-instruct",
		"gpt-4.1":                "gpt-4.1-2025-04-14",
		"gpt-4.1-mini":           "gpt-4.1-mini-2025-04-14",
		"gpt-4o":                 "gpt-4o-2024-08-06",
		"gpt-4o-mini":            "gpt-4o-mini-2024-07-18",
		"gpt-5":                  "gpt-5-2025-08-07",
		"gpt-5-mini":             "gpt-5-mini-2025-08-07",
		"o4-mini":                "o4-mini-2025-04-16",
		"text-embedding-3-large": "text-embedding-3-large",
		"text-embedding-3-small": "text-embedding-3-small",
	}
}

// Models are the names that answer, those that fail included; for sim-NNN and
// sim-NNN-once one each stands for all.
func Models() []string {
	all := slices.Sorted(maps.Keys(versions()))
	for _, name := range slices.Sorted(maps.Keys(faults())) {
		all = append(all, "sim-"+name)
	}
	return append(all, "sim-429", "sim-429-once")
}

// dated is the name that an answer reports.
func dated(model string) string {
	if version, ok := versions()[model]; ok {
		return version
	}
	return model
}

// exists reports whether a model answers, by its name or as its version.
func exists(model string) bool {
	for name, version := range versions() {
		if model == name || model == version {
			return true
		}
	}
	return faultOf(model) != fault{}
}

// thoughts is what a model thinks with, in tokens, if nothing else is asked for.
func thoughts(model string) int64 {
	for _, family := range []string{"gpt-5", "o4", "gemini-2.5-pro"} {
		if strings.HasPrefix(model, family) {
			return 64
		}
	}
	return 0
}

// effort scales thoughts by OpenAI's reasoning effort.
func effort(model string, asked any) int64 {
	n := thoughts(model)
	switch asked {
	case "none":
		return 0
	case "minimal":
		return n / 4
	case "low":
		return n / 2
	case "high", "xhigh":
		return 2 * n
	default:
		return n
	}
}

// card describes a model.
func (x *exchange) card(model string) object {
	switch x.api {
	case anthropic:
		return object{{"type", "model"}, {"id", model}, {"display_name", model}, {"created_at", "2025-01-01T00:00:00Z"}}
	case gemini:
		return object{
			{"name", "models/" + model}, {"version", "001"}, {"displayName", model}, {"inputTokenLimit", 1048576}, {"outputTokenLimit", 65536},
			{"supportedGenerationMethods", []string{"generateContent", "countTokens"}},
		}
	default:
		return object{{"id", model}, {"object", "model"}, {"created", 1735689600}, {"owned_by", "simulator"}}
	}
}

func modelList(x *exchange) {
	var cards []object
	for _, m := range Models() {
		cards = append(cards, x.card(m))
	}
	switch x.api {
	case anthropic:
		all := Models()
		x.send(http.StatusOK, object{{"data", cards}, {"has_more", false}, {"first_id", all[0]}, {"last_id", all[len(all)-1]}})
	case gemini:
		x.send(http.StatusOK, object{{"models", cards}})
	default:
		x.send(http.StatusOK, object{{"object", "list"}, {"data", cards}})
	}
}

func modelOne(x *exchange) {
	x.model, x.method = x.r.PathValue("model"), "getModel"
	if !exists(x.model) {
		x.failModel()
		return
	}
	x.send(http.StatusOK, x.card(x.model))
}
