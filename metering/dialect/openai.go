package dialect

// openAI is the protocol of OpenAI and of the servers compatible with it.
type openAI struct{}

var _ Dialect = openAI{}

// Name implements [Dialect].
func (openAI) Name() string { return "openai" }

// Scanner implements [Dialect].
func (openAI) Scanner(r Route, q Request, resp Response) Scanner {
	return newScanner(r, q, resp, readerOf(r))
}

// openAIReader returns the reader of one of OpenAI's endpoints.
func openAIReader(e Endpoint) reader {
	switch e {
	case "openai.chat", "openai.completions", "openai.embeddings":
		return &chatReader{}
	case "openai.responses", "openai.responses_compact":
		return &responsesReader{}
	case "openai.responses_retrieve":
		return &responsesReader{earlier: true}
	case "openai.responses_input_tokens":
		return &countReader{member: "input_tokens"}
	case "openai.images":
		return &mediaReader{makes: makesImages}
	case "openai.audio_speech":
		return &mediaReader{makes: makesSpeech}
	case "openai.audio_transcriptions", "openai.audio_translations":
		return &mediaReader{makes: makesTranscript}
	case "openai.rerank":
		return &countedReader{}
	case "openai.models", "openai.models_change":
		return &countReader{}
	default:
		return openAIStoredReader(e)
	}
}

// openAIStoredReader returns the reader of an endpoint that touches stored
// objects. What is read again was used by an earlier request.
func openAIStoredReader(e Endpoint) reader {
	switch e {
	case "openai.chat_stored":
		return earlierReader{&chatReader{}}
	case "openai.batches":
		return &jobReader{batch: true}
	case "openai.batches_retrieve":
		return earlierReader{&jobReader{batch: true}}
	case "openai.batches_results":
		return &resultsReader{}
	case "openai.files_content":
		return &linesReader{}
	case "openai.fine_tuning":
		return &jobReader{}
	case "openai.runs":
		return &runReader{}
	case "openai.runs_retrieve":
		return earlierReader{&runReader{}}
	case "openai.videos":
		return &videoReader{}
	case "openai.videos_retrieve":
		return earlierReader{&videoReader{}}
	default:
		return &storedReader{}
	}
}

// nativeAPIReader returns the reader of an endpoint of a vendor's own.
func nativeAPIReader(e Endpoint) reader {
	switch e {
	case "deepgram.listen", "mistral.ocr":
		return &countedReader{}
	case "deepgram.speak":
		return &mediaReader{makes: makesSpeech}
	case "replicate.predictions":
		return &predictionReader{}
	case "replicate.predictions_retrieve":
		return earlierReader{&predictionReader{}}
	case "ollama.chat", "ollama.generate", "ollama.embed":
		return &ollamaReader{}
	case "watsonx.chat":
		return &chatReader{}
	case "watsonx.generation", "watsonx.embeddings", "watsonx.rerank":
		return &watsonxReader{}
	case "alephalpha.native", "huggingface.native", "llamacpp.completion", "sagemaker.native":
		return &nativeReader{}
	default:
		return &countReader{}
	}
}
