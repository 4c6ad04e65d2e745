import assert from 'node:assert/strict'
import Anthropic from '@anthropic-ai/sdk'
import { claude as model, messages as chat, tool } from './prompts.js'
import { all, fails, same } from './same.js'

const client = (at, more = {}) => new Anthropic({ baseURL: at.anthropic, apiKey: at.key, maxRetries: 0, ...more })

const messages = chat.slice(1)
const ask = { model, max_tokens: 256, messages }
const tools = [{ name: tool.name, description: tool.description, input_schema: tool.parameters }]

same('anthropic messages: plain', (at) => client(at).messages.create(ask))

same('anthropic messages: streamed', async (at) => all(await client(at).messages.create({ ...ask, stream: true })))

same('anthropic messages: stream helper', (at) => client(at).messages.stream(ask).finalMessage())

same('anthropic messages: tools', (at) => client(at).messages.create({ ...ask, tools, tool_choice: { type: 'any' } }),
  (r) => assert.ok(r.value?.content.some((c) => c.type === 'tool_use'), JSON.stringify(r)))

same('anthropic messages: aborted mid-stream, then called again', async (at) => {
  const anthropic = client(at)
  const seen = []
  for await (const event of await anthropic.messages.create({ ...ask, stream: true })) {
    seen.push(event)
    if (seen.length === 2) break
  }
  return { seen, next: await anthropic.messages.create(ask) }
})

same('anthropic: token count', (at) => client(at).messages.countTokens({ model, messages }))

same('anthropic: 401 for a wrong key', (at) => client({ ...at, key: 'weir_live_wrong' }).messages.create(ask), fails(401))

same('anthropic: 404 for an unknown model', (at) => client(at).messages.create({ ...ask, model: 'no-such-model' }), fails(404))
