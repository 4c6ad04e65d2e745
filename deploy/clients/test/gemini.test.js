import assert from 'node:assert/strict'
import { GoogleGenAI } from '@google/genai'
import { gemini as model, messages, tool } from './prompts.js'
import { all, fails, same } from './same.js'

const client = (at) => new GoogleGenAI({ apiKey: at.key, httpOptions: { baseUrl: at.gemini } })

const contents = messages[1].content

// The SDK's answers carry the head of the HTTP response, compared elsewhere.
const body = ({ sdkHttpResponse, ...rest }) => rest

same('gemini generateContent: plain', async (at) => body(await client(at).models.generateContent({ model, contents })))

same('gemini generateContent: streamed', async (at) => (await all(await client(at).models.generateContentStream({ model, contents }))).map(body))

same('gemini: function calling', async (at) =>
  body(await client(at).models.generateContent({
    model, contents,
    config: { tools: [{ functionDeclarations: [{ name: tool.name, description: tool.description, parametersJsonSchema: tool.parameters }] }] },
  })))

same('gemini: token count', async (at) => body(await client(at).models.countTokens({ model, contents })))

same('gemini: 404 for an unknown model', (at) => client(at).models.generateContent({ model: 'no-such-model', contents }), fails(404))

same('gemini: refused for a wrong key', async (at) => {
  try {
    return await client({ ...at, key: 'weir_live_wrong' }).models.generateContent({ model, contents })
  } catch (e) {
    return { refused: e.constructor.name, status: [400, 401, 403].includes(e.status) }
  }
}, (r) => assert.deepEqual(r.value, { refused: 'ApiError', status: true }))
