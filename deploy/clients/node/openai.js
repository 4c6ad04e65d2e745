import OpenAI from 'openai'
import { numbers, play } from './scenario.js'

const client = (at) => new OpenAI({ baseURL: at.openai, apiKey: at.key })

const chatUsage = (u) => ({ usage: [numbers(u.prompt_tokens, u.completion_tokens)], reported: u })

const chat = {
  async plain(at, { model, prompt }) {
    const r = await client(at).chat.completions.create({ model, messages: [{ role: 'user', content: prompt }] })
    return { text: r.choices[0].message.content, ...chatUsage(r.usage) }
  },

  async streamed(at, { model, prompt }) {
    const stream = await client(at).chat.completions.create({
      model, messages: [{ role: 'user', content: prompt }], stream: true, stream_options: { include_usage: true },
    })
    const pieces = []
    let usage
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content)
      usage = chunk.usage ?? usage
    }
    return { text: pieces.join(''), pieces, ...chatUsage(usage) }
  },

  async tools(at, { model, prompt, tool, result }) {
    const ask = { model, messages: [{ role: 'user', content: prompt }], tools: [{ type: 'function', function: tool }] }
    const first = await client(at).chat.completions.create(ask)
    const { message } = first.choices[0]
    const results = message.tool_calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: result }))
    const second = await client(at).chat.completions.create({ ...ask, messages: [...ask.messages, message, ...results] })
    return {
      text: second.choices[0].message.content,
      calls: message.tool_calls.map((c) => ({ id: c.id, name: c.function.name, arguments: JSON.parse(c.function.arguments) })),
      usage: [...chatUsage(first.usage).usage, ...chatUsage(second.usage).usage],
      reported: [first.usage, second.usage],
    }
  },

  async structured(at, { model, prompt, schema }) {
    const r = await client(at).chat.completions.create({
      model, messages: [{ role: 'user', content: prompt }],
      response_format: { type: 'json_schema', json_schema: { name: schema.title, schema, strict: true } },
    })
    return { value: JSON.parse(r.choices[0].message.content), ...chatUsage(r.usage) }
  },

  async abort(at, { model, prompt, pieces: most }) {
    const stream = await client(at).chat.completions.create({ model, messages: [{ role: 'user', content: prompt }], stream: true })
    const pieces = []
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) pieces.push(chunk.choices[0].delta.content)
      if (pieces.length === most) break
    }
    stream.controller.abort()
    return { pieces }
  },
}

const responseUsage = (u) => ({ usage: [numbers(u.input_tokens, u.output_tokens)], reported: u })

const responses = {
  async plain(at, { model, prompt }) {
    const r = await client(at).responses.create({ model, input: prompt })
    return { text: r.output_text, ...responseUsage(r.usage) }
  },

  async streamed(at, { model, prompt }) {
    const pieces = []
    let usage
    for await (const event of await client(at).responses.create({ model, input: prompt, stream: true })) {
      if (event.type === 'response.output_text.delta') pieces.push(event.delta)
      if (event.type === 'response.completed') usage = event.response.usage
    }
    return { text: pieces.join(''), pieces, ...responseUsage(usage) }
  },

  async tools(at, { model, prompt, tool, result }) {
    const ask = { model, input: [{ role: 'user', content: prompt }], tools: [{ type: 'function', ...tool, strict: true }] }
    const first = await client(at).responses.create(ask)
    const calls = first.output.filter((item) => item.type === 'function_call')
    const results = calls.map((c) => ({ type: 'function_call_output', call_id: c.call_id, output: result }))
    const second = await client(at).responses.create({ ...ask, input: [...ask.input, ...first.output, ...results] })
    return {
      text: second.output_text,
      calls: calls.map((c) => ({ id: c.call_id, name: c.name, arguments: JSON.parse(c.arguments) })),
      usage: [...responseUsage(first.usage).usage, ...responseUsage(second.usage).usage],
      reported: [first.usage, second.usage],
    }
  },

  async structured(at, { model, prompt, schema }) {
    const r = await client(at).responses.create({
      model, input: prompt, text: { format: { type: 'json_schema', name: schema.title, schema, strict: true } },
    })
    return { value: JSON.parse(r.output_text), ...responseUsage(r.usage) }
  },

  async abort(at, { model, prompt, pieces: most }) {
    const stream = await client(at).responses.create({ model, input: prompt, stream: true })
    const pieces = []
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta') pieces.push(event.delta)
      if (pieces.length === most) break
    }
    stream.controller.abort()
    return { pieces }
  },
}

await play({ chat, responses })
