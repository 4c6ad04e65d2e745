import { generateText } from 'ai'
import { billedTo } from '../../../lib/customer'
import { model, openai } from '../../../lib/openai'

export async function POST(request: Request) {
  const headers = billedTo(request)
  if (!headers) return new Response('sign in first\n', { status: 401 })
  const { prompt } = await request.json()
  const { text, usage } = await generateText({ model: openai(model), prompt, headers })
  return Response.json({ text, usage })
}
