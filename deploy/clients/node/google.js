import { GoogleGenAI } from '@google/genai'
import { numbers, play } from './scenario.js'

// Its retries are off unless they are asked for.
const client = (at) => new GoogleGenAI({ apiKey: at.key, httpOptions: { baseUrl: at.gemini, retryOptions: { attempts: 3 } } })

const spent = (u) => ({ usage: [numbers(u.promptTokenCount, u.candidatesTokenCount + (u.thoughtsTokenCount ?? 0))], reported: u })

const generate = {
  async plain(at, { model, prompt }) {
    const r = await client(at).models.generateContent({ model, contents: prompt })
    return { text: r.text, ...spent(r.usageMetadata) }
  },

  async streamed(at, { model, prompt }) {
    const pieces = []
    let usage
    for await (const chunk of await client(at).models.generateContentStream({ model, contents: prompt })) {
      pieces.push(chunk.text)
      usage = chunk.usageMetadata
    }
    return { text: pieces.join(''), pieces, ...spent(usage) }
  },

  async tools(at, { model, prompt, tool, result }) {
    const { name, description, parameters } = tool
    const config = { tools: [{ functionDeclarations: [{ name, description, parametersJsonSchema: parameters }] }] }
    const contents = [{ role: 'user', parts: [{ text: prompt }] }]
    const first = await client(at).models.generateContent({ model, contents, config })
    const answers = first.functionCalls.map((c) => ({ functionResponse: { name: c.name, response: { output: result } } }))
    const second = await client(at).models.generateContent({
      model, config, contents: [...contents, first.candidates[0].content, { role: 'user', parts: answers }],
    })
    return {
      text: second.text,
      calls: first.functionCalls.map((c) => ({ name: c.name, arguments: c.args })),
      usage: [...spent(first.usageMetadata).usage, ...spent(second.usageMetadata).usage],
      reported: [first.usageMetadata, second.usageMetadata],
    }
  },

  async structured(at, { model, prompt, schema }) {
    const config = { responseMimeType: 'application/json', responseJsonSchema: schema }
    const r = await client(at).models.generateContent({ model, contents: prompt, config })
    return { value: JSON.parse(r.text), ...spent(r.usageMetadata) }
  },

  async abort(at, { model, prompt, pieces: most }) {
    const stop = new AbortController()
    const stream = await client(at).models.generateContentStream({ model, contents: prompt, config: { abortSignal: stop.signal } })
    const pieces = []
    for await (const chunk of stream) {
      pieces.push(chunk.text)
      if (pieces.length === most) break
    }
    stop.abort()
    return { pieces }
  },
}

await play({ generate })
