// What a client sees through Weir must be what it sees from the provider. Every
// test runs the same code twice, with another base URL and key and nothing else,
// and compares all that the SDK handed back.
import assert from 'node:assert/strict'
import { test } from 'node:test'

const need = (name) => process.env[name] ?? assert.fail(`${name} is not set; run \`make clients\``)

// A place to call. roots are the base URLs that each vendor's SDK is given.
const place = (name, url, key, prefix) => ({
  name,
  key,
  openai: `${url}/v1`,
  anthropic: url + (prefix ? '/anthropic' : ''),
  gemini: url + (prefix ? '/gemini' : ''),
})

export const direct = place('direct', need('UPSTREAM_URL'), need('UPSTREAM_KEY'), false)
export const weir = place('weir', need('PROXY_URL'), need('PROXY_KEY'), true)

// Made anew for each call by provider or SDK, so they cannot be the same.
const perCall = new Set(['id', 'created', 'created_at', 'completed_at', 'timestamp', 'responseId', 'response_id', 'message_id', 'item_id', 'call_id', 'toolCallId', 'tool_call_id', 'providerMetadata', '_request_id', 'requestID', 'request_id', 'obfuscation', 'date'])

// Hop-by-hop fields, and those the contract adds or allows to differ.
const hop = /^(connection|keep-alive|transfer-encoding|content-length|date|x-weir-.*|x-request-id|request-id)$/i

export function scrub(value) {
  if (Array.isArray(value)) return value.map(scrub)
  if (value instanceof Headers) return scrub(Object.fromEntries([...value].filter(([name]) => !hop.test(name))))
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== undefined && typeof v !== 'function')
      .map(([name, v]) => [name, perCall.has(name) ? `(${typeof v})` : scrub(v)]),
  )
}

// The result of run, or the error it threw as a client tells errors apart. A
// 401 is Weir's own, in its own words; every other text is the provider's.
export async function outcome(run) {
  try {
    return { value: await run() }
  } catch (e) {
    const status = e.status ?? e.statusCode
    return { error: { class: e.constructor.name, status, code: e.code, type: e.type, message: status === 401 ? '' : e.message?.replace(/req_\w+/g, 'req_') } }
  }
}

// Runs fn directly and through Weir and compares. check sees the direct result,
// so that a comparison of two failures does not pass for a success.
export function same(name, fn, check = (r) => assert.ok('value' in r, `the direct call failed: ${JSON.stringify(r)}`)) {
  test(name, { timeout: 60_000 }, async () => {
    const expected = scrub(await outcome(() => fn(direct)))
    check(expected)
    assert.deepEqual(scrub(await outcome(() => fn(weir))), expected)
  })
}

// The check of a call that must fail with a status.
export const fails = (status) => (r) => assert.equal(r.error?.status, status, `the direct call: ${JSON.stringify(r)}`)

// All of an async iterable.
export async function all(items) {
  const out = []
  for await (const item of items) out.push(item)
  return out
}
