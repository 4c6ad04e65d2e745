package dialect

// Named returns the dialect of a configured name: "openai", "anthropic" or
// "gemini".
func Named(name string) (Dialect, bool) {
	switch name {
	case "openai":
		return openAI{}, true
	case "anthropic":
		return anthropic{}, true
	case "gemini":
		return gemini{}, true
	default:
		return nil, false
	}
}
