package metering

// MissingPolicy decides whether an estimate of usage that the provider did not
// report is billed.
type MissingPolicy string

const (
	// MissingBill bills the estimate. The default.
	MissingBill MissingPolicy = "bill"
	// MissingZero bills nothing for it, for good.
	MissingZero MissingPolicy = "zero"
	// MissingHold bills nothing for it until somebody says what it was.
	MissingHold MissingPolicy = "hold"
)

// AskPolicy decides about a streamed completion that does not ask for its usage,
// on servers that then report none.
type AskPolicy string

const (
	// AskSplice asks for the usage, and takes what that changes out of the answer.
	AskSplice AskPolicy = "splice"
	// AskLeave asks for the usage and leaves it in the answer.
	AskLeave AskPolicy = "leave"
	// AskEstimate leaves the request as it is: usage is estimated.
	AskEstimate AskPolicy = "estimate"
	// AskRefuse refuses the call.
	AskRefuse AskPolicy = "refuse"
)

// Valid reports whether p is one of the policies, or empty for none of one's own.
func (p MissingPolicy) Valid() bool {
	switch p {
	case "", MissingBill, MissingZero, MissingHold:
		return true
	default:
		return false
	}
}

// Valid reports whether p is one of the policies, or empty for none of one's own.
func (p AskPolicy) Valid() bool {
	switch p {
	case "", AskSplice, AskLeave, AskEstimate, AskRefuse:
		return true
	default:
		return false
	}
}

// Withhold takes what was estimated out of the tokens, so that no meter, rollup
// or price sees it, and notes that under the policy; the estimate keeps it for
// people. What the provider reported stays. It does nothing where there is no
// estimate or the policy is to bill it.
func (u *Usage) Withhold(p MissingPolicy) {
	e := u.Estimate
	if e == nil || e.Withheld != "" || p != MissingZero && p != MissingHold {
		return
	}
	u.Tokens[InputCell(CacheNone, Text)] -= e.Input
	u.Tokens[OutputCell(false, Text)] -= e.Output
	u.Input -= e.Input
	u.Output -= e.Output
	e.Withheld = p
}

// Release puts back what Withhold took out.
func (u *Usage) Release() {
	e := u.Estimate
	if e == nil || e.Withheld == "" {
		return
	}
	u.Tokens[InputCell(CacheNone, Text)] += e.Input
	u.Tokens[OutputCell(false, Text)] += e.Output
	u.Input += e.Input
	u.Output += e.Output
	e.Withheld = ""
}

// Held reports whether somebody has still to say what the usage was.
func (u *Usage) Held() bool { return u.Estimate != nil && u.Estimate.Withheld == MissingHold }
