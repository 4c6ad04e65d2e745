package config

import "slices"

// Presets returns what is known of the vendors, as data. Base URLs are what a
// client's path, /v1 included, is appended to. A vendor whose streams report
// usage unasked has IncludeUsage estimate: its requests need no edit, and an
// estimate is made only if it should report nothing after all.
func Presets() []Preset { return slices.Concat(ownProtocols(), compatibles(), locals()) }

// bearer completes a preset that speaks the OpenAI protocol and takes its key
// as OpenAI does.
func bearer(p Preset) Preset {
	p.Dialect, p.Header, p.Scheme = dialectOpenAI, headerAuthorization, schemeBearer
	return p
}

// ownProtocols are the vendors whose protocol others imitate, and those that
// speak one of their own.
func ownProtocols() []Preset {
	return []Preset{
		{
			Name: "anthropic", Title: "Anthropic", Dialect: dialectAnthropic, Provider: "anthropic",
			BaseURL: "https://api.anthropic.com", Header: "x-api-key", IncludeUsage: UsageEstimate,
		},
		{
			Name: "gemini", Title: "Google Gemini", Dialect: dialectGemini, Provider: "google",
			BaseURL: "https://generativelanguage.googleapis.com", Header: "x-goog-api-key", IncludeUsage: UsageEstimate,
		},
		{
			Name: "vertex", Title: "Google Vertex AI", Dialect: dialectGemini, Provider: "vertex",
			Example: "https://us-central1-aiplatform.googleapis.com", Header: headerAuthorization, Scheme: schemeBearer, IncludeUsage: UsageEstimate,
			Quirks: []string{"Access tokens live for an hour: use auth: client, or a credential file that something renews, and restart."},
		},
		{
			Name: "azure", Title: "Azure OpenAI", Dialect: dialectOpenAI, Provider: "azure_openai",
			Example: "https://RESOURCE.openai.azure.com", Header: "api-key", IncludeUsage: UsageSplice,
			Quirks: []string{"API versions before 2024-09 refuse stream_options: set include_usage: estimate for them."},
		},
		{
			Name: "deepgram", Title: "Deepgram", Dialect: dialectOpenAI, Provider: "deepgram",
			BaseURL: "https://api.deepgram.com", Header: headerAuthorization, Scheme: "Token", IncludeUsage: UsageEstimate,
			Quirks: []string{"The model stands in the query, and speech is billed by the character."},
		},
		bearer(Preset{
			Name: "openai", Title: "OpenAI", Provider: "openai",
			BaseURL: "https://api.openai.com", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		{
			Name: "cohere", Title: "Cohere", Dialect: dialectCohere, Provider: "cohere",
			BaseURL: "https://api.cohere.com", Header: headerAuthorization, Scheme: schemeBearer, IncludeUsage: UsageEstimate,
			Quirks: []string{"Clients of its OpenAI-compatible API add /compatibility/v1 to the upstream's path."},
		},
		{
			Name: "bedrock", Title: "Amazon Bedrock", Dialect: dialectBedrock, Provider: "bedrock",
			Example: "https://bedrock-runtime.us-east-1.amazonaws.com", Header: headerAuthorization, Scheme: schemeBearer, IncludeUsage: UsageEstimate,
			Quirks: []string{
				"A credential is an API key of Bedrock (AWS_BEARER_TOKEN_BEDROCK); with sign instead, calls are signed with IAM keys.",
				"SDKs of AWS are given the Weir key as their bearer token, and the upstream's URL as their endpoint.",
				"Hosts of bedrock-mantle speak OpenAI and Anthropic, with this preset too.",
			},
		},
	}
}

// compatibles are the hosted vendors that speak the OpenAI protocol.
func compatibles() []Preset {
	return []Preset{
		bearer(Preset{
			Name: compatiblePreset, Title: "A server that speaks the OpenAI protocol",
			Example: "https://llm.example.com", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "alibaba", Title: "Alibaba Cloud Model Studio", Provider: "alibaba",
			BaseURL: "https://dashscope-intl.aliyuncs.com/compatible-mode", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "cerebras", Title: "Cerebras", Provider: "cerebras",
			BaseURL: "https://api.cerebras.ai", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "cohere-compatible", Title: "Cohere, by the OpenAI protocol", Provider: "cohere",
			BaseURL: "https://api.cohere.ai/compatibility", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "crusoe", Title: "Crusoe", Provider: "crusoe",
			BaseURL: "https://api.inference.crusoecloud.com", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "deepinfra", Title: "DeepInfra", Provider: "deepinfra",
			BaseURL: "https://api.deepinfra.com", SDKPath: "/v1/openai", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "deepseek", Title: "DeepSeek", Provider: "deepseek",
			BaseURL: "https://api.deepseek.com", IncludeUsage: UsageEstimate,
			Quirks: []string{"Answers begin with blank lines or comments while the model is busy."},
		}),
		bearer(Preset{
			Name: "fireworks", Title: "Fireworks AI", Provider: "fireworks",
			BaseURL: "https://api.fireworks.ai/inference", SDKPath: "/v1", IncludeUsage: UsageEstimate,
		}),
		bearer(Preset{
			Name: "groq", Title: "Groq", Provider: "groq",
			BaseURL: "https://api.groq.com/openai", SDKPath: "/v1", IncludeUsage: UsageEstimate,
			Quirks: []string{"Usage stands in x_groq.usage of the last chunk."},
		}),
		bearer(Preset{
			Name: "huggingface", Title: "Hugging Face router", Provider: "huggingface",
			BaseURL: "https://router.huggingface.co", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "hyperbolic", Title: "Hyperbolic", Provider: "hyperbolic",
			BaseURL: "https://api.hyperbolic.xyz", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "mistral", Title: "Mistral AI", Provider: "mistral",
			BaseURL: "https://api.mistral.ai", SDKPath: "/v1", IncludeUsage: UsageEstimate,
			Quirks: []string{"Audio tokens are outside prompt_tokens."},
		}),
		bearer(Preset{
			Name: "moonshot", Title: "Moonshot AI", Provider: "moonshot",
			BaseURL: "https://api.moonshot.ai", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "novita", Title: "Novita AI", Provider: "novita",
			BaseURL: "https://api.novita.ai/openai", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "nvidia", Title: "NVIDIA NIM", Provider: "nvidia",
			BaseURL: "https://integrate.api.nvidia.com", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "openrouter", Title: "OpenRouter", Provider: "openrouter",
			BaseURL: "https://openrouter.ai/api", SDKPath: "/v1", IncludeUsage: UsageSplice,
			Quirks: []string{"It states its own cost in usage.cost; with your own key there that is its fee alone."},
		}),
		bearer(Preset{
			Name: "perplexity", Title: "Perplexity", Provider: "perplexity",
			BaseURL: "https://api.perplexity.ai", IncludeUsage: UsageEstimate,
			Quirks: []string{"Every chunk repeats growing counts, and there is no [DONE]."},
		}),
		bearer(Preset{
			Name: "replicate", Title: "Replicate", Provider: "replicate",
			BaseURL: "https://api.replicate.com", IncludeUsage: UsageEstimate,
			Quirks: []string{"Predictions are billed by the second that they ran, which is known when they are read again."},
		}),
		bearer(Preset{
			Name: "sambanova", Title: "SambaNova", Provider: "sambanova",
			BaseURL: "https://api.sambanova.ai", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "snowflake", Title: "Snowflake Cortex", Provider: "snowflake",
			Example: "https://ACCOUNT.snowflakecomputing.com/api/v2/cortex", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "together", Title: "Together AI", Provider: "together",
			BaseURL: "https://api.together.xyz", SDKPath: "/v1", IncludeUsage: UsageEstimate,
		}),
		bearer(Preset{
			Name: "voyage", Title: "Voyage AI", Provider: "voyage",
			BaseURL: "https://api.voyageai.com", SDKPath: "/v1", IncludeUsage: UsageEstimate,
		}),
		bearer(Preset{
			Name: "watsonx", Title: "IBM watsonx.ai", Provider: "watsonx",
			Example: "https://us-south.ml.cloud.ibm.com", IncludeUsage: UsageEstimate,
			Quirks: []string{"Access tokens live for an hour: use auth: client, or a credential file that something renews, and restart."},
		}),
		bearer(Preset{
			Name: "writer", Title: "Writer", Provider: "writer",
			BaseURL: "https://api.writer.com", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "xai", Title: "xAI", Provider: "xai",
			BaseURL: "https://api.x.ai", SDKPath: "/v1", IncludeUsage: UsageEstimate,
			Quirks: []string{"Reasoning is outside completion_tokens in chat completions, inside in responses."},
		}),
		bearer(Preset{
			Name: "zai", Title: "Z.ai", Provider: "zai",
			BaseURL: "https://api.z.ai/api/paas/v4", IncludeUsage: UsageEstimate,
		}),
	}
}

// locals are servers that people run themselves, at their own default ports.
func locals() []Preset {
	return []Preset{
		bearer(Preset{
			Name: "litellm", Title: "LiteLLM proxy", KeyOptional: true, Local: true,
			BaseURL: "http://127.0.0.1:4000", SDKPath: "/v1", IncludeUsage: UsageSplice,
			Quirks: []string{"It states its own cost in a header, x-litellm-response-cost, but not of streams."},
		}),
		bearer(Preset{
			Name: "llamacpp", Title: "llama.cpp server", KeyOptional: true, Local: true,
			Example: "http://127.0.0.1:8090", SDKPath: "/v1", IncludeUsage: UsageSplice,
			Quirks: []string{"Its own default port is Weir's: give one of the two another."},
		}),
		bearer(Preset{
			Name: "lmstudio", Title: "LM Studio", KeyOptional: true, Local: true,
			BaseURL: "http://127.0.0.1:1234", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "ollama", Title: "Ollama", KeyOptional: true, Local: true,
			BaseURL: "http://127.0.0.1:11434", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
		bearer(Preset{
			Name: "vllm", Title: "vLLM", KeyOptional: true, Local: true,
			BaseURL: "http://127.0.0.1:8000", SDKPath: "/v1", IncludeUsage: UsageSplice,
		}),
	}
}
