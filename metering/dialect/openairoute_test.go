package dialect_test

import (
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/dialect"
)

// TestOpenAI_Route: T68. What is billed is metered, what is free is free, and what
// touches an object that someone owns says so.
func TestOpenAI_Route(t *testing.T) {
	t.Parallel()
	classes := map[string]dialect.Class{"metered": dialect.Metered, "free": dialect.Free, "stateful": dialect.Stateful, "raw": dialect.Raw}
	d, _ := dialect.Named("openai")
	for line := range strings.Lines(`
		POST /v1/images/generations metered openai.images
		POST /v1/images/edits metered openai.images
		POST /v1/images/variations metered openai.images
		POST /api/v1/images metered openai.images
		POST /openai/deployments/d/images/generations metered openai.images d
		GET /v1/images/generations stateful openai.images_stored
		POST /v1/images/others raw raw
		POST /v1/audio/speech metered openai.audio_speech
		POST /v1/audio/transcriptions metered openai.audio_transcriptions
		POST /v1/audio/translations metered openai.audio_translations
		GET /v1/audio/voices stateful openai.voices
		POST /v1/audio raw raw
		POST /v1/moderations free openai.moderations
		POST /v1/responses/compact metered openai.responses_compact
		POST /v1/responses/input_tokens free openai.responses_input_tokens
		GET /v1/responses/resp_1 stateful openai.responses_retrieve
		GET /v1/chat/completions/c stateful openai.chat_stored
		GET /v1/chat/completions stateful openai.chat_stored
		POST /v1/batches stateful openai.batches
		GET /v1/batches/b stateful openai.batches_retrieve
		POST /v1/batches/b/cancel stateful openai.batches_retrieve
		GET /v1/batches/b/results stateful openai.batches_results
		POST /v1/batches/b/requests stateful openai.batches_items
		POST /v1/batch/jobs stateful openai.batches
		GET /v1/batch/jobs/j stateful openai.batches_retrieve
		OPTIONS /v1/batches free openai.batches
		POST /v1/files stateful openai.files
		GET /v1/files/f stateful openai.files
		GET /v1/files/f/content stateful openai.files_content
		GET /v1/files/f/responses stateful openai.files
		POST /v1/uploads/u/parts stateful openai.uploads
		POST /v1/fine_tuning/jobs stateful openai.fine_tuning
		POST /v1/threads stateful openai.threads
		POST /v1/threads/runs stateful openai.runs
		POST /v1/threads/t/runs stateful openai.runs
		GET /v1/threads/t/runs/r stateful openai.runs_retrieve
		POST /v1/threads/t/runs/r/cancel stateful openai.runs_retrieve
		POST /v1/threads/t/runs/r/submit_tool_outputs stateful openai.runs
		GET /v1/threads/t/runs/r/steps stateful openai.runs_items
		GET /v1/threads/t/messages stateful openai.threads
		POST /v1/assistants stateful openai.assistants
		POST /v1/conversations stateful openai.conversations
		POST /v1/vector_stores/v/search stateful openai.vector_stores
		POST /v1/containers stateful openai.containers
		POST /v1/videos metered openai.videos
		POST /v1/videos/generations metered openai.videos
		GET /v1/videos stateful openai.videos_items
		GET /v1/videos/v stateful openai.videos_retrieve
		GET /v1/videos/v/content stateful openai.videos_items
		POST /v1/videos/v/remix stateful openai.videos_items
		DELETE /v1/videos/v stateful openai.videos_retrieve
		POST /v1/realtime/client_secrets stateful openai.realtime
		POST /openai/v1/realtime/calls stateful openai.realtime
		POST /v1/rerank metered openai.rerank
		POST /api/v1/rerank metered openai.rerank
		POST /v1/ocr metered mistral.ocr
		POST /v1/speak metered deepgram.speak
		POST /v1/listen metered deepgram.listen
		GET /v1/listen raw raw
		OPTIONS /v1/listen free deepgram.listen
		POST /v1/tts metered openai.audio_speech
		POST /v1/stt metered openai.audio_transcriptions
		POST /v1/multimodalembeddings metered openai.embeddings
		GET /v1/language-models free openai.models
		POST /tokenize free openai.tokenize
		POST /v1/predictions metered replicate.predictions
		POST /v1/models/weir/one/predictions metered replicate.predictions weir/one
		POST /v1/deployments/weir/one/predictions metered replicate.predictions weir/one
		GET /v1/predictions stateful replicate.predictions_stored
		GET /v1/predictions/p stateful replicate.predictions_retrieve
		POST /v1/predictions/p/cancel stateful replicate.predictions_retrieve
		POST /ml/v1/text/generation metered watsonx.generation
		POST /ml/v1-beta/generation/text_stream metered watsonx.generation
		POST /ml/v1/deployments/d/text/generation_stream metered watsonx.generation d
		POST /ml/v1/text/chat metered watsonx.chat
		POST /ml/v1/text/embeddings metered watsonx.embeddings
		POST /ml/v1/text/tokenization free watsonx.tokenization
		GET /ml/v1/foundation_model_specs raw raw
		POST /complete metered alephalpha.native
		POST /v1/complete raw raw
		POST / metered huggingface.native
		POST /v1/ raw raw
		GET / raw raw
		POST /generate_stream metered huggingface.native
		POST /models/weir/one metered huggingface.native weir/one
		POST /models/chat/completions metered openai.chat
		POST /models/images/generations metered openai.images
		GET /v1/models/weir/one/versions raw raw
		POST /endpoints/weir/invocations metered sagemaker.native weir
		POST /endpoints/weir/others raw raw
		POST /api/chat metered ollama.chat
		POST /api/generate metered ollama.generate
		POST /api/embed metered ollama.embed
		POST /api/embeddings metered ollama.embed
		GET /api/tags free ollama.models
		POST /api/show free ollama.models
		DELETE /api/delete raw raw
		POST /api/pull raw raw
		POST /completion metered llamacpp.completion
		POST /v1/completion raw raw
	`) {
		want := strings.Fields(line)
		if len(want) == 0 {
			continue
		}
		r := d.Route(want[0], want[1])
		model := append(want, "")[4]
		if r.Class != classes[want[2]] || string(r.Endpoint) != want[3] || r.Model != model {
			t.Errorf("%s %s is class %d, %s, model %q, want %v", want[0], want[1], r.Class, r.Endpoint, r.Model, want[2:])
		}
	}
}

// TestOpenAI_RouteQuery: audio is sent to Deepgram as it is, and the query names
// the model.
func TestOpenAI_RouteQuery(t *testing.T) {
	t.Parallel()
	d, _ := dialect.Named("openai")
	q, ok := d.(dialect.Queried)
	if !ok {
		t.Fatal("the query is not asked for")
	}
	f := func(path, query string, class dialect.Class, model string, stream bool) {
		t.Helper()
		r := q.RouteQuery("POST", path, query)
		if strings.Contains(path, "responses") {
			r = q.RouteQuery("GET", path, query)
		}
		if r.Class != class || r.Model != model || r.Stream != stream {
			t.Errorf("%s?%s is class %d, model %q, stream %v", path, query, r.Class, r.Model, r.Stream)
		}
	}
	f("/v1/listen", "model=nova-3&smart_format=true", dialect.Metered, "nova-3", false)
	f("/v1/listen", "", dialect.Metered, "", false)
	f("/v1/speak", "a=b&m%6fdel=aura%2D2", dialect.Metered, "aura-2", false)
	f("/v1/listen", "model=nova-3&model=nova-3", dialect.Metered, "nova-3", false)
	f("/v1/listen", "model=nova-3&model=nova-2", dialect.Raw, "", false)
	f("/v1/listen", "model=nova-3;model=nova-2", dialect.Raw, "", false)
	f("/v1/listen", "model=%zz", dialect.Raw, "", false)
	f("/v1/chat/completions", "model=a&model=b", dialect.Metered, "", false)
	f("/v1/responses/r", "starting_after=3&stream=true", dialect.Stateful, "", true)
	f("/v1/responses/r", "stream=false", dialect.Stateful, "", false)
}
