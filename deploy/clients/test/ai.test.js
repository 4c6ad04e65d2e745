import assert from 'node:assert/strict'
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { generateObject, generateText, jsonSchema, streamText, tool as aiTool } from 'ai'
import { z } from 'zod'
import { claude, messages, model, tool } from './prompts.js'
import { all, fails, same } from './same.js'

globalThis.AI_SDK_LOG_WARNINGS = false // system messages among the others: as applications send them

const openai = (at) => createOpenAI({ baseURL: at.openai, apiKey: at.key })
const anthropic = (at) => createAnthropic({ baseURL: `${at.anthropic}/v1`, apiKey: at.key })
const tools = { weather: aiTool({ description: tool.description, inputSchema: jsonSchema(tool.parameters) }) }
const maxRetries = 0

// Of a generation, what an application reads.
const facts = (r) => ({ text: r.text, finishReason: r.finishReason, usage: r.usage, toolCalls: r.toolCalls, warnings: r.warnings })

for (const [name, of] of [
  ['openai chat', (at) => openai(at).chat(model)],
  ['openai responses', (at) => openai(at)(model)],
  ['anthropic', (at) => anthropic(at)(claude)],
]) {
  same(`ai ${name}: generateText`, async (at) => facts(await generateText({ model: of(at), messages, maxRetries })))

  same(`ai ${name}: streamText`, async (at) => {
    const parts = await all(streamText({ model: of(at), messages, maxRetries, onError() {} }).fullStream)
    const failed = parts.find((p) => p.type === 'error')
    if (failed) throw failed.error
    return parts.map(({ request, response, ...part }) => part)
  })
}

same('ai openai chat: tools', async (at) =>
  facts(await generateText({ model: openai(at).chat(model), messages, tools, toolChoice: 'required', maxRetries })),
(r) => assert.ok(r.value?.toolCalls.length, JSON.stringify(r)))

same('ai openai chat: generateObject', async (at) =>
  (await generateObject({ model: openai(at).chat(model), messages, schema: z.object({ city: z.string(), celsius: z.number() }), maxRetries })).object)

same('ai openai chat: 401 for a wrong key', (at) =>
  generateText({ model: openai({ ...at, key: 'weir_live_wrong' }).chat(model), messages, maxRetries }), fails(401))
