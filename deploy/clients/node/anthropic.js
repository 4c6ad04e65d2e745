import Anthropic from '@anthropic-ai/sdk'
import { numbers, play } from './scenario.js'

const client = (at) => new Anthropic({ baseURL: at.anthropic, apiKey: at.key })

const asked = ({ model, prompt }) => ({ model, max_tokens: 1024, messages: [{ role: 'user', content: prompt }] })
const said = (message) => message.content.filter((c) => c.type === 'text').map((c) => c.text).join('')
const spent = (u) => ({ usage: [numbers(u.input_tokens, u.output_tokens)], reported: u })

const messages = {
  async plain(at, s) {
    const r = await client(at).messages.create(asked(s))
    return { text: said(r), ...spent(r.usage) }
  },

  async streamed(at, s) {
    const pieces = []
    const stream = client(at).messages.stream(asked(s)).on('text', (text) => pieces.push(text))
    const r = await stream.finalMessage()
    return { text: said(r), pieces, ...spent(r.usage) }
  },

  async tools(at, s) {
    const { name, description, parameters } = s.tool
    const ask = { ...asked(s), tools: [{ name, description, input_schema: parameters }] }
    const first = await client(at).messages.create(ask)
    const calls = first.content.filter((c) => c.type === 'tool_use')
    const results = calls.map((c) => ({ type: 'tool_result', tool_use_id: c.id, content: s.result }))
    const second = await client(at).messages.create({
      ...ask, messages: [...ask.messages, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
    })
    return {
      text: said(second),
      calls: calls.map((c) => ({ id: c.id, name: c.name, arguments: c.input })),
      usage: [...spent(first.usage).usage, ...spent(second.usage).usage],
      reported: [first.usage, second.usage],
    }
  },

  async structured(at, s) {
    const r = await client(at).messages.create({ ...asked(s), output_config: { format: { type: 'json_schema', schema: s.schema } } })
    return { value: JSON.parse(said(r)), ...spent(r.usage) }
  },

  async abort(at, s) {
    const stream = await client(at).messages.create({ ...asked(s), stream: true })
    const pieces = []
    for await (const event of stream) {
      if (event.type === 'content_block_delta') pieces.push(event.delta.text)
      if (pieces.length === s.pieces) break
    }
    stream.controller.abort()
    return { pieces }
  },
}

await play({ messages })
