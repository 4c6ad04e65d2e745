import assert from 'node:assert/strict'
import OpenAI from 'openai'
import { zodResponseFormat } from 'openai/helpers/zod'
import { z } from 'zod'
import { model, messages, tool } from './prompts.js'
import { all, fails, same } from './same.js'

const client = (at, more = {}) => new OpenAI({ baseURL: at.openai, apiKey: at.key, maxRetries: 0, ...more })

const tools = [{ type: 'function', function: tool }]
const weather = z.object({ city: z.string(), celsius: z.number() })

same('openai chat: plain', (at) => client(at).chat.completions.create({ model, messages }))

same('openai chat: response head', async (at) => (await client(at).chat.completions.create({ model, messages }).asResponse()).headers)

same('openai chat: streamed', async (at) => all(await client(at).chat.completions.create({ model, messages, stream: true })))

same('openai chat: streamed with usage', async (at) =>
  all(await client(at).chat.completions.create({ model, messages, stream: true, stream_options: { include_usage: true } })))

same('openai chat: streamed bytes', async (at) => {
  const response = await client(at).chat.completions.create({ model, messages, stream: true }).asResponse()
  // Only what the provider makes anew for each call may differ.
  return (await response.text()).replace(/"(id|obfuscation)":"[^"]*"|"created":\d+/g, '""')
})

same('openai chat: stream helper', (at) => client(at).chat.completions.stream({ model, messages }).finalChatCompletion())

same('openai chat: tools', (at) => client(at).chat.completions.create({ model, messages, tools, tool_choice: 'required' }),
  (r) => assert.ok(r.value?.choices[0].message.tool_calls?.length, JSON.stringify(r)))

same('openai chat: tools, streamed', async (at) =>
  all(await client(at).chat.completions.create({ model, messages, tools, tool_choice: 'required', stream: true })))

same('openai chat: structured output', (at) =>
  client(at).chat.completions.parse({ model, messages, response_format: zodResponseFormat(weather, 'weather') }))

same('openai chat: aborted mid-stream, then called again', async (at) => {
  const openai = client(at)
  const stop = new AbortController()
  const seen = []
  const stream = await openai.chat.completions.create({ model, messages, stream: true }, { signal: stop.signal })
  for await (const chunk of stream) {
    seen.push(chunk)
    if (seen.length < 2) continue
    stop.abort()
    break // Node's fetch does not always end a body that was aborted between two reads
  }
  return { seen: seen.slice(0, 2), next: await openai.chat.completions.create({ model, messages }) }
})

same('openai responses: plain', (at) => client(at).responses.create({ model, input: 'How does a weir measure?' }))

same('openai responses: streamed', async (at) => all(await client(at).responses.create({ model, input: 'How does a weir measure?', stream: true })))

same('openai embeddings', (at) => client(at).embeddings.create({ model: 'text-embedding-3-small', input: ['a weir', 'a stream'] }))

same('openai models: list', async (at) => all(await client(at).models.list()))

same('openai: 401 for a wrong key', (at) => client({ ...at, key: 'weir_live_wrong' }).chat.completions.create({ model, messages }), fails(401))

same('openai: 404 for an unknown model', (at) => client(at).chat.completions.create({ model: 'no-such-model', messages }), fails(404))

same('openai: 429 without a retry', (at) => client(at).chat.completions.create({ model: 'sim-429', messages }), fails(429))
