// Package reconcile proves what was recorded against what the provider says of
// itself: its usage and cost reports, day by day, model by model, key by key.
//
// A [Reader] reads exports, an [Export] is what they say, a [Recorded] is what
// the events of one day say, and [Compare] sets one against the other and names
// the likely cause of every difference. Nothing here reads a clock, a file or a
// network: package fetch asks the provider, and the store sums the events.
//
// Days are of UTC, which is how the providers cut theirs. Token counts are whole
// numbers. Money is exact but for one thing: a provider that writes an amount
// with more than twelve decimals, as OpenAI's binary fractions have, has it
// rounded to pico-dollars.
package reconcile
