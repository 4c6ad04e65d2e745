package dialect_test

import (
	"encoding/json"
	"maps"
	"unicode/utf8"
)

// openAIEndpoints are the recorded endpoints of OpenAI, of the servers compatible
// with it, and of vendors that have a protocol of their own beside it.
var openAIEndpoints = map[string]string{
	"openai.chat":                   "openai",
	"openai.responses":              "openai",
	"openai.completions":            "openai",
	"openai.embeddings":             "openai",
	"openai.models":                 "openai",
	"openai.moderations":            "openai",
	"openai.images":                 "openai",
	"openai.audio_speech":           "openai",
	"openai.audio_transcriptions":   "openai",
	"openai.audio_translations":     "openai",
	"openai.responses_compact":      "openai",
	"openai.responses_input_tokens": "openai",
	"openai.responses_retrieve":     "openai",
	"openai.chat_stored":            "openai",
	"openai.batches":                "openai",
	"openai.files":                  "openai",
	"openai.files_content":          "openai",
	"openai.fine_tuning":            "openai",
	"openai.assistants_runs":        "openai",
	"openai.assistants_other":       "openai",
	"openai.conversations":          "openai",
	"openai.vector_stores":          "openai",
	"openai.containers":             "openai",
	"openai.videos":                 "openai",
	"openai.realtime_http":          "openai",
	"openrouter.rerank":             "openai",
	"voyage.rerank":                 "openai",
	"mistral.batches":               "openai",
	"mistral.ocr":                   "openai",
	"xai.batches":                   "openai",
	"xai.batch_results":             "openai",
	"xai.videos":                    "openai",
	"replicate.native":              "openai",
	"watsonx.generation":            "openai",
	"alephalpha.native":             "openai",
	"huggingface.native":            "openai",
	"sagemaker.native":              "openai",
	"ollama.chat":                   "openai",
	"ollama.generate":               "openai",
	"ollama.embeddings":             "openai",
}

// wanted is what e must yield beside what the corpus says: it lists what answers
// report, and these calls are billed by what was asked for.
func wanted(e exchange, x expect) expect {
	if e.Endpoint == "xai.batches" && x.ObjectID != nil {
		// The corpus has the "name" that the caller gave, the object is "batch_id".
		var object struct {
			ID string `json:"batch_id"`
		}
		if err := json.Unmarshal([]byte(e.Body), &object); err == nil {
			x.ObjectID = &object.ID
		}
	}
	if x.Usage == "present" || e.Status >= 400 || e.Method != "POST" {
		return x
	}
	units := maps.Clone(x.Units)
	if units == nil {
		units = map[string]any{}
	}
	x.Units = units
	// A form, or no recorded request, leaves it empty.
	var asked struct {
		Input, Text string
		Duration    json.Number
	}
	if err := json.Unmarshal([]byte(e.RequestBody), &asked); err != nil && e.RequestEncoding == "text" && e.RequestBody != "" {
		asked.Text = err.Error()
	}
	switch e.Endpoint {
	case "openai.audio_speech":
		units["characters"] = utf8.RuneCountInString(asked.Input + asked.Text)
	case "openai.audio_transcriptions", "openai.audio_translations":
		if units["duration_in_body"] == nil {
			units["requests"] = 1
		}
	case "xai.videos":
		units["video_seconds"] = asked.Duration
	}
	return x
}
