// Package scenario has what the clients of the suite play: scenarios.json and
// the plan that is made of it for a client. A client is a small program. It gets
// a [Plan] on its standard input, plays each scenario at each place with the same
// code, and prints one [Answer] a line.
package scenario

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// Table is scenarios.json.
type Table struct {
	Models    map[string]string `json:"models"` // that answer, by the API they are asked on
	Scenarios []Scenario        `json:"scenarios"`
}

// Scenario is something that applications do with a client.
type Scenario struct {
	Name    string          `json:"name"`
	Prompt  string          `json:"prompt"`            // {client} is the client's name
	Model   string          `json:"model"`             // empty in the table: the one of the API
	Retried []string        `json:"retried,omitempty"` // models that fail once, each asked in its turn
	Tool    *Tool           `json:"tool,omitempty"`
	Result  string          `json:"result,omitempty"` // of the tool
	Schema  json.RawMessage `json:"schema,omitempty"` // of the answer
	Pieces  int             `json:"pieces,omitempty"` // of text, after which the client hangs up

	// Events are what Weir has recorded when the scenario is over.
	Events []Event `json:"events,omitempty"`
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// Event is how a call is recorded.
type Event struct {
	Outcome string `json:"outcome"`
	Status  int    `json:"status"`
	Stream  bool   `json:"stream"`
}

// Load reads a table.
func Load(file string) (*Table, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the scenarios: %w", err)
	}
	t := new(Table)
	if err := json.Unmarshal(b, t); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// For returns the scenarios for a client. Models that fail are named after a
// prefix, where the client has to know the model on which they are based.
func (t *Table) For(client, api, prefix string) []Scenario {
	out := make([]Scenario, 0, len(t.Scenarios))
	for _, s := range t.Scenarios {
		s.Prompt = strings.ReplaceAll(s.Prompt, "{client}", client)
		if s.Model == "" {
			s.Model = t.Models[api]
		} else {
			s.Model = prefix + s.Model
		}
		retried := make([]string, 0, len(s.Retried))
		for _, model := range s.Retried {
			retried = append(retried, prefix+model)
		}
		s.Retried = retried
		out = append(out, s)
	}
	return out
}

// Plan is what a program plays; its runs are independent of each other.
type Plan struct {
	Runs []Run `json:"runs"`
}

// Run is a client's scenarios, played in their order, each at every place.
type Run struct {
	Client    string     `json:"client"`
	API       string     `json:"api"` // which of the program's
	Scenarios []Scenario `json:"scenarios"`
	Places    []Place    `json:"places"`
}

// Place is where a client calls. Nothing else is different between two.
type Place struct {
	Name string            `json:"name"`
	URLs URLs              `json:"urls"`
	Keys map[string]string `json:"keys"` // by the name of the scenario
}

// URLs are the base URLs that the SDKs are given.
type URLs struct {
	OpenAI    string `json:"openai"`
	Anthropic string `json:"anthropic"`
	Gemini    string `json:"gemini"`
}

// Answer is how a scenario ended at a place.
type Answer struct {
	Client   string          `json:"client"`
	Scenario string          `json:"scenario"`
	Place    string          `json:"place"`
	Result   json.RawMessage `json:"result,omitempty"` // a Result
	Failed   string          `json:"failed,omitempty"` // why it has none
}

// Result is what an SDK handed back. All of it is compared; what a scenario has
// nothing of is absent.
type Result struct {
	Text     string   `json:"text,omitempty"`
	Pieces   []string `json:"pieces,omitempty"`   // of a streamed text
	Calls    []Call   `json:"calls,omitempty"`    // of the tool
	Value    any      `json:"value,omitempty"`    // of a structured answer
	Usage    []Usage  `json:"usage,omitempty"`    // of each call that was answered
	Reported any      `json:"reported,omitempty"` // usage as the SDK has it
	Error    *Error   `json:"error,omitempty"`
}

// Call is a call of a tool.
type Call struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments any    `json:"arguments"`
}

// Usage are the tokens of a call, all of its input and output.
type Usage struct {
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
}

// Error is an SDK's own error, as programs tell them apart.
type Error struct {
	Class   string `json:"class"`
	Status  int    `json:"status"`
	Message string `json:"message"`
}
