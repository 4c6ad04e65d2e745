// Package proxytest is a provider that does not exist: it speaks the APIs of
// OpenAI, Anthropic and Gemini, answers the same to the same, counts tokens
// honestly and frames its usage as the real ones do. The sandbox runs on it and
// tests of the whole program compare with it.
//
// Tokens are counted by a rule that anybody can check: a prompt has one token
// for every four bytes of text, begun ones included, four more per message and
// three per request; an answer has as many as the pieces in which it is
// streamed. Of a prompt of 1,024 tokens or more that begins like an earlier one
// with the same model, whole blocks of 128 tokens are read from the cache.
//
// The name of a model chooses what happens. Those that [Models] lists answer;
// these fail:
//
//	sim-401 sim-403 sim-429 sim-500 sim-503 sim-529   that status, as an error of the API
//	sim-stall      the head never comes
//	sim-reset      the connection is reset in the middle of the answer
//	sim-no-usage   the answer is whole and has no usage
//	sim-slow       a second between two pieces
//
// and every other one is 404.
package proxytest
