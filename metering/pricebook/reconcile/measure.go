package reconcile

import "fmt"

// Measure is one thing that both sides count.
type Measure uint8

// Measures. InputAll is the sum of Input, CacheRead and CacheWrite; the two
// cache writes with a time to live are inside CacheWrite, audio and image input
// inside Input, audio and image output inside Output.
const (
	Requests     Measure = iota
	InputAll             // all input tokens
	Input                // input tokens that no cache gave or took
	CacheRead            // input tokens from a cache
	CacheWrite           // input tokens into a cache
	CacheWrite5m         // of those, for five minutes
	CacheWrite1h         // of those, for an hour
	Output               // output tokens, reasoning included
	AudioInput
	ImageInput
	AudioOutput
	ImageOutput
	Images         // that were made or changed
	Characters     // of text that was spoken
	AudioSeconds   // that were heard
	WebSearches    // calls of the tool
	FileSearches   // calls of the tool
	CodeSessions   // of the code interpreter
	WebFetches     // calls of the tool
	CodeExecutions // calls of the tool
	StorageBytes   // in vector stores
	NumMeasures    = iota
	tokensFrom     = InputAll
	tokensTo       = ImageOutput
	quantitiesFrom = Images
)

// String is the name of the measure in reports.
func (m Measure) String() string {
	names := [NumMeasures]string{
		"requests", "input_tokens", "uncached_input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "output_tokens",
		"audio_input", "image_input", "audio_output", "image_output",
		"images", "characters", "audio_seconds", "web_searches", "file_searches", "code_sessions", "web_fetches", "code_executions", "storage_bytes",
	}
	if int(m) >= len(names) {
		return fmt.Sprintf("measure(%d)", uint8(m))
	}
	return names[m]
}

// isTokens reports whether the measure counts tokens.
func (m Measure) isTokens() bool { return m >= tokensFrom && m <= tokensTo }

// Mask is a set of measures: those that a side states at all. What a side does
// not state is unknown, which is not zero.
type Mask uint32

// MaskOf is the set of the measures.
func MaskOf(list ...Measure) Mask {
	var out Mask
	for _, m := range list {
		out |= 1 << m
	}
	return out
}

// Has reports whether m is in the set.
func (k Mask) Has(m Measure) bool { return k>>m&1 == 1 }

// Counts are the numbers of all measures.
type Counts [NumMeasures]int64

// Add adds more to c.
func (c *Counts) Add(more *Counts) {
	for i, n := range more {
		c[i] += n
	}
}

// Tokens is the sum of all tokens.
func (c *Counts) Tokens() int64 { return c[InputAll] + c[Output] }

// Tiers that are named the same on both sides. Any other is the provider's own
// word.
const (
	TierStandard = "standard"
	TierBatch    = "batch"
)

// TierOf is the name of a service tier as a provider or an answer says it.
// "default" is OpenAI's word for the standard one; "auto" is what was asked for.
func TierOf(tier string) string {
	switch tier {
	case "", "default", "auto", "standard_only":
		return TierStandard
	default:
		return tier
	}
}
