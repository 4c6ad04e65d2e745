package deferred

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// object is what is read of a provider's answer about work. The names are those
// of OpenAI, Anthropic, Google and Mistral.
type object struct {
	Status           string          `json:"status"`            // OpenAI, Mistral
	ProcessingStatus string          `json:"processing_status"` // Anthropic
	Done             bool            `json:"done"`              // Google
	State            json.RawMessage `json:"state"`             // Google, without the wrapping of an operation
	Metadata         json.RawMessage `json:"metadata"`          // Google's; OpenAI's is the client's own
	Response         json.RawMessage `json:"response"`          // Google

	OutputFileID string `json:"output_file_id"` // OpenAI
	OutputFile   string `json:"output_file"`    // Mistral
	ResultsURL   string `json:"results_url"`    // Anthropic

	CompletedAt json.RawMessage `json:"completed_at"`
	FailedAt    json.RawMessage `json:"failed_at"`
	ExpiredAt   json.RawMessage `json:"expired_at"`
	CancelledAt json.RawMessage `json:"cancelled_at"`
	EndedAt     json.RawMessage `json:"ended_at"`
}

// operation is what Google says of work beside its results.
type operation struct {
	State   string          `json:"state"`
	EndTime json.RawMessage `json:"endTime"`
	// ResponsesFile is inside output or the response.
	Output struct {
		ResponsesFile string `json:"responsesFile"`
	} `json:"output"`
}

// google reads the operation inside an answer; zero if there is none.
func (o *object) google() (op operation) {
	// The client's own metadata may be anything: then there is no operation.
	if json.Unmarshal(o.Metadata, &op) != nil {
		return operation{}
	}
	return op
}

// ended reports whether the work has ended, in whatever way.
func (o *object) ended() bool {
	var state string
	if len(o.State) > 0 && json.Unmarshal(o.State, &state) != nil {
		state = ""
	}
	if o.Done {
		return true
	}
	for _, s := range []string{o.Status, o.ProcessingStatus, state, o.google().State} {
		s = strings.ToLower(s)
		s = strings.TrimPrefix(strings.TrimPrefix(s, "batch_state_"), "job_state_")
		switch s {
		case "completed", "failed", "incomplete", "cancelled", "canceled", "expired", "ended", "succeeded", "success", "timeout_exceeded":
			return true
		}
	}
	return false
}

// at is when the work ended, 0 if the provider does not say.
func (o *object) at() metering.Micros {
	for _, raw := range []json.RawMessage{o.CompletedAt, o.EndedAt, o.CancelledAt, o.ExpiredAt, o.FailedAt, o.google().EndTime} {
		if t := instant(raw); t > 0 {
			return t
		}
	}
	return 0
}

// withheld reports whether Veo says that it has held back what it made, which is then
// not charged.
func (o *object) withheld() bool {
	type filtered struct {
		Count json.RawMessage `json:"raiMediaFilteredCount"`
	}
	var r struct {
		filtered
		Inside filtered `json:"generateVideoResponse"`
	}
	return json.Unmarshal(o.Response, &r) == nil && len(r.Count)+len(r.Inside.Count) > 0
}

// instant reads seconds since 1970 or RFC 3339.
func instant(raw json.RawMessage) metering.Micros {
	var seconds int64
	if json.Unmarshal(raw, &seconds) == nil && seconds > 0 && seconds < 1<<40 {
		return metering.MicrosOf(time.Unix(seconds, 0))
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return 0
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return metering.MicrosOf(t)
	}
	return 0
}

// results is where the answers to the single requests of a batch are, "" if they
// are nowhere: none was served, or they came with the object.
func (o *object) results(path string) string {
	path, query, asked := strings.Cut(path, "?")
	with := func(p string) string {
		if asked {
			return p + "?" + query
		}
		return p
	}
	file := o.OutputFileID
	if file == "" {
		file = o.OutputFile
	}
	switch {
	case o.ResultsURL != "":
		return with(path + "/results")
	case file != "" && plainID(file):
		for _, collection := range []string{"/batches/", "/batch/jobs/"} {
			if at := strings.LastIndex(path, collection); at >= 0 {
				return with(path[:at] + "/files/" + file + "/content")
			}
		}
	}
	return o.googleFile(path)
}

// googleFile is where Google has the results of a batch whose requests came in a
// file (https://ai.google.dev/gemini-api/docs/batch-api).
func (o *object) googleFile(path string) string {
	file := o.google().Output.ResponsesFile
	if file == "" {
		var r struct {
			ResponsesFile string `json:"responsesFile"`
		}
		if json.Unmarshal(o.Response, &r) == nil {
			file = r.ResponsesFile
		}
	}
	id, ok := strings.CutPrefix(file, "files/")
	at := strings.LastIndex(path, "/batches/")
	if !ok || !plainID(id) || at < 0 {
		return ""
	}
	return "/download" + path[:at] + "/files/" + id + ":download?alt=media"
}

// plainID reports whether a provider's id can stand in a path as it is.
func plainID(id string) bool {
	for _, c := range []byte(id) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return id != "" && len(id) <= 256
}
