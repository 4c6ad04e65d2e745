package dialect

import (
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
)

// ErrReferences says that a body names more stored objects than are looked up,
// or one in a form that cannot be one. It wraps metering.ErrInvalid.
var ErrReferences = fmt.Errorf("references to stored objects: %w", metering.ErrInvalid)

// maxReferences bounds the objects of one body; OpenAI takes at most 20 files
// with a tool and 500 with a batch of files in a vector store.
const maxReferences = 512

// referenceForm is how a member names objects.
type referenceForm uint8

const (
	namesNone  referenceForm = iota
	namesText                // "id"
	namesList                // ["id", …]
	namesID                  // "id" or {"id": "id"}
	namesInner               // {"id": "id"}; a text is something else
	namesItems               // [item, …]
	namesURI                 // a URI that may be that of a file of Google's API
	namesName                // a name of Google's, collection/id
	namesNames               // […] of them
	namesSkill               // "id", or the name of a skill that the vendor offers to all
	namesSkip                // a value that the client alone gives a meaning to
)

// referenceRule says what a member of a body names.
type referenceRule struct {
	form referenceForm
	kind string
}

// longestReference is the longest key of the rules.
const longestReference = 24

// referenceRules are the rules of a protocol.
type referenceRules uint8

const (
	rulesNone referenceRules = iota // bodies can name no object
	rulesOpenAI
	rulesAnthropic
	rulesGemini
)

// rulesFor returns the rules of an endpoint's bodies.
func rulesFor(r Route) referenceRules {
	protocol, _, _ := strings.Cut(string(r.Endpoint), ".")
	switch {
	case r.Class == Raw, r.Class == Free && !strings.HasSuffix(string(r.Endpoint), "_tokens"):
		return rulesNone
	case protocol == "openai":
		return rulesOpenAI
	case protocol == "anthropic":
		return rulesAnthropic
	case protocol == "gemini" && r.Endpoint != "gemini.files": // an upload is what it is
		return rulesGemini
	default:
		return rulesNone
	}
}

// openAIReference are the members that name objects in bodies of OpenAI's API
// (https://platform.openai.com/docs/api-reference) and of Mistral's and xAI's
// batches. Arguments of functions are texts there, so nothing that a model or a
// client invents is taken for a reference but what is in a schema or in metadata.
func openAIReference(key []byte) referenceRule {
	switch string(key) {
	case "file_id", "training_file", "validation_file", "input_file_id":
		return referenceRule{namesText, KindFile}
	case "file_ids", "input_files":
		return referenceRule{namesList, KindFile}
	case "previous_response_id":
		return referenceRule{namesText, KindResponse}
	case "conversation":
		return referenceRule{namesID, KindConversation}
	case "vector_store_id":
		return referenceRule{namesText, KindVectorStore}
	case "vector_store_ids":
		return referenceRule{namesList, KindVectorStore}
	case "container", "container_id":
		return referenceRule{namesID, KindContainer}
	case "assistant_id":
		return referenceRule{namesText, KindAssistant}
	case "thread_id":
		return referenceRule{namesText, KindThread}
	case "skill_id":
		return referenceRule{namesSkill, KindSkill}
	case "input", "items":
		return referenceRule{namesItems, KindItem}
	case "audio":
		return referenceRule{namesInner, KindItem}
	case "video":
		return referenceRule{namesInner, KindVideo}
	case "voice":
		return referenceRule{namesInner, KindVoice}
	case "metadata", "parameters", "schema":
		return referenceRule{namesSkip, ""}
	default:
		return referenceRule{}
	}
}

// anthropicReference are the members that name objects in bodies of Anthropic's
// API (https://docs.anthropic.com/en/api). The input of a tool is whatever the
// tool's schema says.
func anthropicReference(key []byte) referenceRule {
	switch string(key) {
	case "file_id":
		return referenceRule{namesText, KindFile}
	case "container", "container_id":
		return referenceRule{namesID, KindContainer}
	case "skill_id":
		return referenceRule{namesSkill, KindSkill}
	case "agent":
		return referenceRule{namesID, KindAgent}
	case "environment_id":
		return referenceRule{namesText, KindEnvironment}
	case "input", "input_schema", "metadata":
		return referenceRule{namesSkip, ""}
	default:
		return referenceRule{}
	}
}

// geminiReference are the members that name objects in bodies of Google's API
// (https://ai.google.dev/api), in either spelling of the JSON mapping of protocol
// buffers. Arguments and results of functions are the client's.
func geminiReference(key []byte) referenceRule {
	switch string(key) {
	case "fileuri", "file_uri", "uri":
		return referenceRule{namesURI, KindFile}
	case "filename", "file_name":
		return referenceRule{namesName, KindFile}
	case "cachedcontent", "cached_content":
		return referenceRule{namesName, KindCache}
	case "previousinteractionid", "previous_interaction_id":
		return referenceRule{namesText, KindInteraction}
	case "filesearchstorenames", "file_search_store_names":
		return referenceRule{namesNames, KindSearchStore}
	case "operationname":
		return referenceRule{namesName, KindOperation}
	case "args", "response", "arguments", "parameters", "schema", "responseschema", "response_schema", "responsejsonschema", "metadata":
		return referenceRule{namesSkip, ""}
	default:
		return referenceRule{}
	}
}

// lookUp applies rules to a key of any case: servers written in Go take keys in
// any. Those that most bodies consist of are told apart by their length.
func (r referenceRules) lookUp(key []byte) referenceRule {
	switch n := len(key); {
	case n < len("uri"), n > longestReference:
		return referenceRule{}
	case n == len("role") && key[0]|0x20 != 'a', n == len("content") && key[0]|0x20 != 'f':
		return referenceRule{} // there is "args", and there is "file_id" and "fileUri"
	}
	var low [longestReference]byte
	for i, c := range key {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		low[i] = c
	}
	switch r {
	case rulesOpenAI:
		return openAIReference(low[:len(key)])
	case rulesAnthropic:
		return anthropicReference(low[:len(key)])
	case rulesGemini:
		return geminiReference(low[:len(key)])
	default:
		return referenceRule{}
	}
}

// vendorSkills begin the ids of skills that somebody has uploaded; the vendor's
// own have names, such as "pptx".
const vendorSkills = "skill_"
