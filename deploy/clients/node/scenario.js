// Plays the scenarios that come on standard input with a client and prints one
// JSON object for each, at each place. See ../scenarios_test.go for both.

// A client is an object with the functions plain, streamed, tools, structured
// and abort. Each takes where to call (base URLs and key) and a scenario, and
// returns what the SDK handed back: text, pieces, calls, value, and usage as
// `reported` by the SDK beside its numbers of each call. The other two scenarios
// follow from plain.
const derived = {
  error: async (client, at, s) => {
    try {
      return await client.plain(at, s)
    } catch (e) {
      const cause = e.lastError ?? e // of the AI SDK's RetryError
      return { error: { class: e.constructor.name, status: cause.status ?? cause.statusCode, message: e.message } }
    }
  },
  retry: async (client, at, s) => {
    const answers = []
    for (const model of s.retried) answers.push(await client.plain(at, { ...s, model }))
    return { text: answers.map((a) => a.text).join('\n'), usage: answers.flatMap((a) => a.usage), reported: answers.map((a) => a.reported) }
  },
}

async function outcome(client, at, s) {
  try {
    return { result: await (derived[s.name] ? derived[s.name](client, at, s) : client[s.name](at, s)) }
  } catch (e) {
    return { failed: e.stack ?? String(e) }
  }
}

export async function play(clients) {
  let input = ''
  for await (const chunk of process.stdin) input += chunk
  const { runs } = JSON.parse(input)
  await Promise.all(
    runs.map(async (run) => {
      for (const s of run.scenarios) {
        for (const place of run.places) {
          const at = { ...place.urls, key: place.keys[s.name] }
          const out = await outcome(clients[run.api], at, s)
          console.log(JSON.stringify({ client: run.client, scenario: s.name, place: place.name, ...out }))
        }
      }
    }),
  )
}

// The numbers of a call as Weir has them too: all of the input and the output.
export const numbers = (input, output) => ({ input, output })
