// Has the vendors' SDKs read recorded answers. The plan on standard input names
// the recordings and the places that replay them; for each recording and place a
// JSON object with what the SDK made of it is printed.
import Anthropic from '@anthropic-ai/sdk'
import { GoogleGenAI } from '@google/genai'
import OpenAI from 'openai'

// The replaying server finds the recording by its header.
const headers = (id) => ({ 'X-Replay-Id': id })

const apis = {
  'openai.chat': (at, r) =>
    new OpenAI({ baseURL: at.openai, apiKey: at.key, defaultHeaders: headers(r.id) }).chat.completions.create(r.body),
  'openai.responses': (at, r) =>
    new OpenAI({ baseURL: at.openai, apiKey: at.key, defaultHeaders: headers(r.id) }).responses.create(r.body),
  'anthropic.messages': (at, r) =>
    new Anthropic({ baseURL: at.anthropic, apiKey: at.key, defaultHeaders: headers(r.id) }).messages.create(r.body),
  gemini: (at, r) => {
    const { models } = new GoogleGenAI({ apiKey: at.key, httpOptions: { baseUrl: at.gemini, headers: headers(r.id) } })
    const ask = { model: r.model, contents: r.body.contents }
    return r.stream ? models.generateContentStream(ask) : models.generateContent(ask)
  },
}

// The head of the HTTP response has fields that no two answers share.
const parsed = ({ sdkHttpResponse, ...rest }) => rest

async function read(at, r) {
  const answer = await apis[r.api](at, r)
  if (!r.stream) return parsed(answer)
  const events = []
  for await (const event of answer) events.push(parsed(event))
  return events
}

let input = ''
for await (const chunk of process.stdin) input += chunk
const { recordings, places } = JSON.parse(input)
for (const recording of recordings) {
  for (const { name, urls, key } of places) {
    let out
    try {
      out = { result: await read({ ...urls, key }, recording) }
    } catch (e) {
      out = { failed: e.stack ?? String(e) }
    }
    console.log(JSON.stringify({ scenario: recording.id, place: name, ...out }))
  }
}
