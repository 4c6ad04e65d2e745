// Package proxytest is what stands behind a proxy when no vendor does.
//
// A [Simulator] speaks the APIs of OpenAI (chat completions, responses, legacy
// completions, embeddings, models, and text over the realtime socket), Anthropic (messages, count_tokens, models)
// and Gemini (generateContent, streamGenerateContent with alt=sse and as an
// array, countTokens, models). It answers the same to the same, counts its
// tokens honestly and frames their usage as the real APIs do. The sandbox runs
// on it, and tests of the whole program compare with it. Its [Recorder] says
// what it fully delivered, which is what a bill must agree with. A [Script]
// plays bytes, pauses and resets on a bare connection, for what no HTTP server
// would send.
//
// # Tokens
//
// [Tokens] is the rule, and anybody can check it: a token is at most six Latin
// letters and digits in a row, with the one space before them, or any other
// character alone. An answer is streamed a token at a time, and its count is the
// count of its text; a function call counts its name and its arguments.
//
// A prompt has three tokens, each message four more, each text its tokens, each
// function definition those of its JSON. An image counts as the vendor's own
// rule has it, by its size where the request carries it and as 1024 by 1024
// where it only has a link: OpenAI 85 and 170 for each tile, Anthropic a 750th
// of its pixels up to 1600, Gemini 258 for each tile. Sound is a token for every
// 4800 bytes with OpenAI, 1500 with Gemini; a document is 1500.
//
// Of a prompt that begins like one of the last five minutes with the same model,
// OpenAI and Gemini read whole blocks of 128 tokens from the cache, 1024 at
// least. Anthropic does so only up to where the request has cache_control, and
// writes what it did not read, for five minutes or an hour.
//
// Models that reason ("gpt-5", "o4-mini", "gemini-2.5-pro") spend 64 tokens on
// it, more or less by the effort or the budget that the request names; Claude
// does where the request enables thinking. The limit on the output holds for
// both together.
//
// # Answers
//
// The last message of the user decides. "in 200 words" makes an answer of 200
// words, 9999 at most. A request with functions gets a call of those that the message names, a
// call of the first if it asks a question or if a call is demanded, and text
// once the result of a call has come. Where a JSON schema is given, the answer
// is a value that it allows. All models answer on all APIs.
//
// # Failures
//
// The name of a model chooses them, on every API:
//
//	sim-NNN        that status (400–599) as an error of the API; 429 has retry-after
//	sim-NNN-once   the first of two equal requests with the same key gets that status, the second an answer
//	sim-html       502 with a page of HTML, as a load balancer answers
//	sim-stall      the head never comes
//	sim-slow       a second before each piece
//	sim-hang       the answer stops in its middle and stays open
//	sim-cut        the connection ends in the middle of the answer
//	sim-reset      the connection is reset in the middle of the answer
//	sim-error      a stream of status 200 ends with an error event; 500 if not streamed
//	sim-no-usage   the answer is whole and has no usage
//
// "fail-" does the same as "sim-", and "ft:MODEL:sim-NNN" as "sim-NNN". The lists of models name them; every model
// that is on no list is 404.
package proxytest
