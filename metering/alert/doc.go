// Package alert tells people what they should know of: a [Board] keeps what is
// raised and says it once, a [Watch] looks at the usage of late for models
// without a price and for margins that are too low.
package alert
