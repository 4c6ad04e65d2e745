package dialect

import "github.com/weirhq/weir/metering"

// unitReader reads answers that are billed by something other than tokens where
// they report no tokens: images, speech, videos.
type unitReader interface {
	reader
	// units adds what is billed, as far as the answer and the request say it. Where
	// neither does, the request itself is counted: that has no price unless an
	// operator gives it one, so the call shows as unpriced and never as free.
	units(q Request, u *metering.Usage)
}

// methodRequest names in [metering.Estimate] what was counted in the request and
// in the answer without the provider having reported it.
const methodRequest = "request"

// counts reports whether what was used can be counted in place of tokens.
func (s *scanner) counts(got reported) bool {
	_, ok := s.read.(unitReader)
	return ok && got == reportedNothing
}

// count does so. There are no tokens then, between none and as many as there were
// bytes: some models of these endpoints are billed by tokens that no answer says,
// and a price for the quantities tells which is which.
func (s *scanner) count(u *metering.Usage, got reported) bool {
	if !s.counts(got) || u.State != metering.UsageEstimated {
		return false
	}
	r, ok := s.read.(unitReader)
	if !ok {
		return false
	}
	r.units(s.req, u)
	if len(u.Quantities) == 0 {
		addQuantity(u, "requests", metering.NumberOf(1))
	}
	u.Estimate = &metering.Estimate{Method: methodRequest, High: bounded(max(0, s.req.BodyBytes) + s.seen)}
	return true
}

// addQuantity adds n of something to u; nothing is added of a zero.
func addQuantity(u *metering.Usage, name string, n metering.Number) {
	q := quantities(u.Quantities)
	q.add(name, n)
	u.Quantities = q
}
