import { createAnthropic } from '@ai-sdk/anthropic'
import { createGoogleGenerativeAI } from '@ai-sdk/google'
import { createOpenAI } from '@ai-sdk/openai'
import { generateObject, generateText, jsonSchema, stepCountIs, streamText, tool as aiTool } from 'ai'
import { numbers, play } from './scenario.js'

globalThis.AI_SDK_LOG_WARNINGS = false

// Ids that a provider does not give are made up by the SDK; here they are the same
// in both runs, because they are part of what is asked next.
const generateId = () => 'made-up'

const spent = (...all) => ({ usage: all.map((u) => numbers(u.inputTokens, u.outputTokens)), reported: all })

// The SDK is one for all providers: of says which model a place has.
const sdk = (of) => ({
  async plain(at, { model, prompt }) {
    const r = await generateText({ model: of(at, model), prompt })
    return { text: r.text, ...spent(r.usage) }
  },

  async streamed(at, { model, prompt }) {
    const r = streamText({ model: of(at, model), prompt })
    const pieces = []
    for await (const piece of r.textStream) pieces.push(piece)
    return { text: await r.text, pieces, ...spent(await r.usage) }
  },

  async tools(at, { model, prompt, tool, result }) {
    const gauge = aiTool({ description: tool.description, inputSchema: jsonSchema(tool.parameters), execute: async () => result })
    const r = await generateText({ model: of(at, model), prompt, tools: { [tool.name]: gauge }, stopWhen: stepCountIs(2) })
    return {
      text: r.text,
      calls: r.steps.flatMap((step) => step.toolCalls).map((c) => ({ id: c.toolCallId, name: c.toolName, arguments: c.input })),
      ...spent(...r.steps.map((step) => step.usage)),
    }
  },

  async structured(at, { model, prompt, schema }) {
    const r = await generateObject({ model: of(at, model), prompt, schema: jsonSchema(schema) })
    return { value: r.object, ...spent(r.usage) }
  },

  async abort(at, { model, prompt, pieces: most }) {
    const stop = new AbortController()
    const pieces = []
    for await (const piece of streamText({ model: of(at, model), prompt, abortSignal: stop.signal, onError() {} }).textStream) {
      pieces.push(piece)
      if (pieces.length === most) break
    }
    stop.abort()
    return { pieces }
  },
})

await play({
  'openai-chat': sdk((at, model) => createOpenAI({ baseURL: at.openai, apiKey: at.key }).chat(model)),
  'openai-responses': sdk((at, model) => createOpenAI({ baseURL: at.openai, apiKey: at.key })(model)),
  anthropic: sdk((at, model) => createAnthropic({ baseURL: `${at.anthropic}/v1`, apiKey: at.key })(model)),
  google: sdk((at, model) => createGoogleGenerativeAI({ baseURL: `${at.gemini}/v1beta`, apiKey: at.key, generateId })(model)),
})
