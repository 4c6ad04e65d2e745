// What the tests ask; the simulated provider answers the same to the same.
export const model = 'gpt-4o-mini'
export const claude = 'claude-sonnet-4-5'
export const gemini = 'gemini-2.5-flash'

export const messages = [
  { role: 'system', content: 'You are a hydrologist.' },
  { role: 'user', content: 'How does a weir measure the flow of a stream? Größe, 漢字, 🌊' },
]

export const tool = {
  name: 'weather',
  description: 'The weather in a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'], additionalProperties: false },
}
