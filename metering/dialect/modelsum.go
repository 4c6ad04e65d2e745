package dialect

import "github.com/weirhq/weir/metering"

// modelSum adds up the answers of a batch, whose models may differ.
type modelSum struct {
	total   normal
	split   []modelUsage
	several bool // more models than are kept apart
}

// add adds the usage of one answer, or of one model's share in it.
func (s *modelSum) add(model string, n normal) {
	s.total.plus(n)
	if s.split = addModel(s.split, model, n); len(s.split) > maxQuantities {
		s.split, s.several = s.split[:maxQuantities], true
	}
}

// given reports whether anything was added.
func (s *modelSum) given() bool { return len(s.split) > 0 }

// fill writes the sums into u, at the price of batches.
func (s *modelSum) fill(u *metering.Usage) {
	s.total.fill(u)
	u.Flag(metering.FlagBatchPrice)
	switch {
	case s.several:
		u.Model = "" // no one model's price is that of the sum
	case len(s.split) > 1:
		u.ByModel = byModel(s.split)
	}
}
