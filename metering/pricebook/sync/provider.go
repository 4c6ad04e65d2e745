package sync

import "strings"

// provider returns a catalogue's name of a provider as presets have it in
// Provider; one that is not among them keeps its name.
func provider(shape Shape, name string) string {
	name = strings.ToLower(name)
	if ours, ok := providerNames()[name]; ok {
		return ours
	}
	// litellm tells the makers of models on Vertex apart ("vertex_ai-anthropic_models",
	// "vertex_ai-language-models"), and interfaces of Bedrock.
	if shape == LiteLLM && strings.HasPrefix(name, "vertex_ai") {
		return "vertex"
	}
	return name
}

func providerNames() map[string]string {
	return map[string]string{
		"amazon-bedrock": "bedrock", "aws": "bedrock", "bedrock_converse": "bedrock",
		"azure": "azure_openai", "azure_ai": "azure_openai", "azure_text": "azure_openai", "azure-cognitive-services": "azure_openai",
		"cloudflare":   "cloudflare-workers-ai",
		"cohere_chat":  "cohere",
		"dashscope":    "alibaba",
		"fireworks-ai": "fireworks", "fireworks_ai": "fireworks", "fireworks_ai-embedding-models": "fireworks",
		"friendliai":     "friendli",
		"gemini":         "google",
		"github_copilot": "github-copilot",
		"google-vertex":  "vertex", "google-vertex-anthropic": "vertex", "vertex_ai": "vertex",
		"moonshotai":             "moonshot",
		"novita-ai":              "novita",
		"nvidia_nim":             "nvidia",
		"opencode_go":            "opencode-go",
		"text-completion-openai": "openai",
		"togetherai":             "together", "together_ai": "together",
		"vercel_ai_gateway": "vercel",
		"voyageai":          "voyage",
		"x-ai":              "xai", "x_ai": "xai",
	}
}

// countsModalities reports whether a provider's answers say of which modality
// tokens are, so that a price for input is one for every modality that has none
// of its own. Those of the others are text as far as anybody can tell.
func countsModalities(provider string) bool { return provider == "google" || provider == "vertex" }

// cacheWrite is the meter of what a provider writes into its cache where the
// catalogue does not say for how long.
func cacheWrite(provider string) string {
	if provider == "openai" || provider == "azure_openai" {
		return "cache_write_30m" // since GPT-5.6 OpenAI charges writes, which live for half an hour
	}
	return "cache_write_5m"
}
