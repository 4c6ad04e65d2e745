package metering

import "math/big"

// StatedTolerance is the part of a stated cost, one in so many, by which what the
// price book says may be off before the two differ: 0.1 %.
const StatedTolerance = 1000

// StatedSums compare what providers state of calls with what the price book says.
// Calls of test keys are in none, nor is a cost that another source reported with
// its event, nor an answer that was cut off. Sums are exact.
type StatedSums struct {
	Calls    int64 `json:"calls"`    // of which a cost is stated that can be read
	Compared int64 `json:"compared"` // of those, the ones that the price book has a cost for too
	// Differing are the compared calls whose two figures are further apart than
	// [StatedTolerance] and what the provider is known to round.
	Differing int64 `json:"differing"`
	Rounded   int64 `json:"rounded"`  // the compared calls that only the provider's rounding sets apart
	Unpriced  int64 `json:"unpriced"` // of Calls, the ones that the price book has no cost for
	Invalid   int64 `json:"invalid"`  // calls whose stated cost cannot be read; in no other count
	OwnKey    int64 `json:"own_key"`  // of Calls, the ones whose stated cost is a gateway's fee alone

	Stated         Cost `json:"stated_usd"`          // of Calls
	StatedCompared Cost `json:"stated_compared_usd"` // of Compared
	Computed       Cost `json:"computed_usd"`        // of Compared
	Vendor         Cost `json:"vendor_usd"`          // what the vendors of OwnKey bill, as far as it is said
}

// Difference is by how much more than the price book providers state of the calls
// that have both.
func (s *StatedSums) Difference() Cost { return s.StatedCompared.Add(s.Computed.Neg()) }

// Off reports whether the two figures of the compared calls are together further
// apart than so many percent of what is stated.
func (s *StatedSums) Off(percent Number) bool {
	off := new(big.Rat).SetInt(s.Difference().picos())
	off.Abs(off).Mul(off, big.NewRat(100, 1))
	allowed := new(big.Rat).SetInt(s.StatedCompared.picos())
	return off.Cmp(allowed.Mul(allowed, percent.Rat())) > 0
}

// Percent is the difference in percent of what is stated, with two decimals, half
// away from zero; empty: nothing is stated that it could be a part of.
func (s *StatedSums) Percent() string {
	if s.StatedCompared.IsZero() {
		return ""
	}
	r := new(big.Rat).SetFrac(s.Difference().picos(), s.StatedCompared.picos())
	return r.Mul(r, big.NewRat(100, 1)).FloatString(2)
}

// Add adds o.
func (s *StatedSums) Add(o *StatedSums) {
	s.Calls += o.Calls
	s.Compared += o.Compared
	s.Differing += o.Differing
	s.Rounded += o.Rounded
	s.Unpriced += o.Unpriced
	s.Invalid += o.Invalid
	s.OwnKey += o.OwnKey
	s.Stated = s.Stated.Add(o.Stated)
	s.StatedCompared = s.StatedCompared.Add(o.StatedCompared)
	s.Computed = s.Computed.Add(o.Computed)
	s.Vendor = s.Vendor.Add(o.Vendor)
}

// Neg is the sums with all signs turned.
func (s *StatedSums) Neg() StatedSums {
	return StatedSums{
		Calls: -s.Calls, Compared: -s.Compared, Differing: -s.Differing, Rounded: -s.Rounded, Unpriced: -s.Unpriced, Invalid: -s.Invalid, OwnKey: -s.OwnKey,
		Stated: s.Stated.Neg(), StatedCompared: s.StatedCompared.Neg(), Computed: s.Computed.Neg(), Vendor: s.Vendor.Neg(),
	}
}

// StatedOf is what an event with its corrections adds to the sums.
func StatedOf(e *Event, corrections []*Event) StatedSums {
	var s StatedSums
	said := e.Usage.StatedCost
	if e.Test || e.Usage.State.Corrects() || e.Usage.State == UsagePartial || e.CostState == CostStated && e.Computed == nil {
		return s
	}
	stated, readable := e.Stated()
	if !readable {
		if said != nil || e.Usage.Flagged(FlagStatedInvalid) {
			s.Invalid = 1
		}
		return s
	}
	s.Calls, s.Stated = 1, stated
	if e.Usage.Flagged(FlagStatedFee) {
		s.OwnKey = 1
		s.Vendor, _ = said.VendorCost()
	}
	computed, known := computedOf(e, corrections)
	if !known {
		s.Unpriced = 1
		return s
	}
	s.Compared, s.StatedCompared, s.Computed = 1, stated, computed
	switch said.apart(stated, computed) {
	case statedDiffers:
		s.Differing = 1
	case statedRounds:
		s.Rounded = 1
	}
	return s
}

// computedOf is what the price book says of an event after its corrections; false
// if it has no cost for it.
func computedOf(e *Event, corrections []*Event) (Cost, bool) {
	cost, state := CostNow(e, corrections)
	if state != CostStated {
		return cost, state != CostUnpriced
	}
	figure := e.Computed
	for _, c := range corrections {
		if c.Computed != nil {
			figure = c.Computed
		}
	}
	if figure == nil || figure.State == CostUnpriced || figure.State == CostUnrated {
		return Cost{}, false
	}
	return figure.Cost.Normal(), true
}

// How far two figures of one call are apart.
const (
	statedSame = iota
	statedRounds
	statedDiffers
)

func (s *StatedCost) apart(stated, computed Cost) int {
	off := stated.Add(computed.Neg()).picos()
	off.Abs(off)
	// A pico-dollar is what rounding to it once on either side can make.
	if one := big.NewInt(1); off.Cmp(one) <= 0 || new(big.Int).Mul(off, big.NewInt(StatedTolerance)).Cmp(stated.picos()) <= 0 {
		return statedSame
	}
	if s.Within == "" {
		return statedDiffers
	}
	if within, err := s.dollars(s.Within); err != nil || off.Cmp(within.picos()) > 0 {
		return statedDiffers
	}
	return statedRounds
}

// picos is the amount in pico-dollars.
func (c Cost) picos() *big.Int {
	n := new(big.Int).Mul(big.NewInt(c.Micros), big.NewInt(PicosPerMicro))
	return n.Add(n, big.NewInt(c.Picos))
}

// StatedQuery asks for the comparison of a span. It is kept by the hour: From is
// taken down to one and To up.
type StatedQuery struct {
	Org      string
	From, To Micros // zero: without a bound
	Interval string // "hour", "day" (of UTC) or "total"; empty: total
	// Provider, Upstream and Model (as asked for) narrow; empty: any.
	Provider, Upstream, Model string
}

// StatedRow is the comparison of one model at one upstream in one interval.
type StatedRow struct {
	From     Micros // where the interval begins; zero: it is the whole span
	Provider string
	Upstream string // as configured; empty: not known
	Model    string // as asked for
	StatedSums
}
