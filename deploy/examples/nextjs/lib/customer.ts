// Stands for your own sign-in: which customer a session belongs to. Whatever
// takes its place, the customer must come from the session and never from a
// field that a browser fills in, because this name decides who pays.
const sessions: Record<string, string> = {
  'session-of-acme': 'acme',
  'session-of-globex': 'globex',
}

// The headers that tell Weir who a call is for, or nothing for a stranger.
export function billedTo(request: Request): Record<string, string> | undefined {
  const session = request.headers.get('authorization')?.replace(/^Bearer /, '') ?? ''
  if (!Object.hasOwn(sessions, session)) return undefined
  return { 'X-Weir-Customer': sessions[session] }
}
