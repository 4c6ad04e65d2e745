import { streamText } from 'ai'
import { billedTo } from '../../../lib/customer'
import { model, openai } from '../../../lib/openai'

export async function POST(request: Request) {
  const headers = billedTo(request)
  if (!headers) return new Response('sign in first\n', { status: 401 })
  const { prompt } = await request.json()
  // The signal ends the call when the browser goes away.
  return streamText({ model: openai(model), prompt, headers, abortSignal: request.signal }).toTextStreamResponse()
}
