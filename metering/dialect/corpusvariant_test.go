package dialect_test

import (
	"cmp"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/weirhq/weir/metering"
)

// attributes are the facts that e must yield beside amounts, found by other means:
// what the corpus says of the answer, else what stands in the request.
func (e *exchange) attributes() []metering.Tag {
	var asked struct {
		Size, Quality, Resolution string
		Options                   struct {
			Size string `json:"search_context_size"`
		} `json:"web_search_options"`
		Thinking *bool `json:"enable_thinking"`
		Google   struct {
			Config struct {
				Budget *int64 `json:"thinkingBudget"`
				Snake  *int64 `json:"thinking_budget"`
			} `json:"thinkingConfig"`
		} `json:"generationConfig"`
	}
	if json.Unmarshal([]byte(e.RequestBody), &asked) != nil {
		asked.Size = "" // a form, or none that was recorded
	}
	var tags []metering.Tag
	add := func(name, said, asked string) {
		if said != "" || asked != "" {
			if said == "" {
				said = asked
			}
			tags = append(tags, metering.Tag{Name: name, Value: said})
		}
	}
	if len(e.containers()) > 0 && laterSearch.MatchString(e.RequestBody) {
		add("code_execution", "included", "")
	}
	if e.Endpoint != "anthropic.messages" && len(e.containers()) > 0 && madeContainer.MatchString(e.Body) {
		add("container", "1g", "")
	}
	add("context_size", e.searchContext(), asked.Options.Size)
	if e.Endpoint == "openai.images" {
		add("quality", plain(e.Expect.Units["quality"]), asked.Quality)
	}
	if e.Endpoint == "xai.videos" || e.Endpoint == "openai.images" {
		add("resolution", "", asked.Resolution)
	}
	if e.Endpoint == "openai.images" {
		add("size", plain(e.Expect.Units["size"]), asked.Size)
	}
	if e.Expect.Tools["web_search_call"] > 0 && strings.Contains(e.Body, `"web_search_preview"`) {
		add("search", "preview", "")
	}
	if n := cmp.Or(asked.Google.Config.Budget, asked.Google.Config.Snake); n != nil {
		on := *n != 0
		asked.Thinking = &on
	}
	if asked.Thinking != nil {
		add("thinking", "", map[bool]string{true: "on", false: "off"}[*asked.Thinking || e.Expect.Reasoning > 0])
	}
	return tags
}

// laterSearch is a tool beside which Anthropic charges nothing for code.
var laterSearch = regexp.MustCompile(`"web_(?:search|fetch)_2026(?:0209|0[3-9]\d\d|1\d{3})"`)

// madeContainer is how a response shows that its tool has made a container; all that
// were recorded have the usual memory.
var madeContainer = regexp.MustCompile(`"type": ?"auto"`)

var contextSize = regexp.MustCompile(`"search_context_size": ?"([a-z]+)"`)

// searchContext is what an answer says of the searches that were made for it.
func (e *exchange) searchContext() string {
	responses := strings.HasSuffix(e.Endpoint, "responses") || strings.HasSuffix(e.Endpoint, "responses_retrieve")
	if e.Provider != "perplexity" && (!responses || e.Expect.Tools["web_search_call"] == 0) {
		return ""
	}
	all := contextSize.FindAllStringSubmatch(e.Body, -1)
	if len(all) == 0 {
		return ""
	}
	return all[len(all)-1][1]
}
