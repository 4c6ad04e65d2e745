import { createOpenAI } from '@ai-sdk/openai'

// The one place that knows where calls go: `weir env` prints both variables.
export const openai = createOpenAI({
  baseURL: process.env.OPENAI_BASE_URL,
  apiKey: process.env.OPENAI_API_KEY,
})

export const model = process.env.MODEL ?? 'gpt-4o-mini'
