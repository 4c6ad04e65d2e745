package reconcile

import (
	"github.com/weirhq/weir/metering"
)

// Verdict says how the two sides agree. A greater one is worse.
type Verdict string

// Verdicts.
const (
	VerdictEqual     Verdict = "equal"     // to the last digit
	VerdictWithin    Verdict = "within"    // the difference is within the tolerance, or dust
	VerdictExplained Verdict = "explained" // calls near midnight are on the other day
	VerdictDiffers   Verdict = "differs"
	VerdictUnknown   Verdict = "unknown" // there is nothing to compare
)

// rank orders verdicts.
func (v Verdict) rank() int {
	switch v {
	case VerdictDiffers:
		return 3
	case VerdictExplained:
		return 2
	case VerdictWithin:
		return 1
	default:
		return 0
	}
}

// worse is the worse of two verdicts; anything is worse than unknown.
func worse(a, b Verdict) Verdict {
	if a == VerdictUnknown || a != b && b != VerdictUnknown && b.rank() > a.rank() {
		return b
	}
	return a
}

// Report is a comparison. Its rows open into each other: the totals into models,
// a model into days, a day into keys.
type Report struct {
	Provider  string       `json:"provider"`
	From      Day          `json:"from"`
	To        Day          `json:"to"` // exclusive
	Verdict   Verdict      `json:"verdict"`
	Tolerance string       `json:"tolerance"` // "0.1%"
	Floor     Floor        `json:"floor"`
	Totals    Row          `json:"totals"`
	Causes    []CauseCount `json:"causes"` // of all rows that differ
	Notes     []string     `json:"notes"`
	Keys      []KeyOf      `json:"keys"`      // which of the provider's keys is which credential
	OwnKeys   Share        `json:"own_keys"`  // calls with clients' own keys: on no bill of the operator's
	Compared  int          `json:"compared"`  // rows
	Differing int          `json:"differing"` // rows
	// Apart says that days between From and To were not compared: it says nothing of
	// them. It is for who keeps the report, whose notes name the days.
	Apart bool `json:"-"`
}

// Floor is what is dust.
type Floor struct {
	Tokens int64         `json:"tokens"`
	Cost   metering.Cost `json:"cost_usd"`
}

// CauseCount is how many rows have a cause.
type CauseCount struct {
	Kind string `json:"kind"`
	Rows int    `json:"rows"`
}

// KeyOf pairs the provider's id of a key and a credential.
type KeyOf struct {
	Key        string `json:"key"`
	Credential string `json:"credential"` // label; "-" is not Weir's, empty: nobody said which
	Paired     bool   `json:"paired"`     // because it was the only one on both sides
}

// Level is what a row is about.
type Level string

// Levels.
const (
	LevelTotal Level = "total"
	LevelModel Level = "model" // over all days
	LevelDay   Level = "day"   // of a model
	LevelKey   Level = "key"   // of a model on a day
)

// Row compares one model, day or key.
type Row struct {
	Level      Level        `json:"level"`
	Model      string       `json:"model,omitempty"` // "*": all models, of a bill that is not divided
	Day        string       `json:"day,omitempty"`
	Key        string       `json:"key,omitempty"`        // the provider's id of it
	Credential string       `json:"credential,omitempty"` // ours
	Verdict    Verdict      `json:"verdict"`
	Measures   []Difference `json:"measures"`
	Causes     []Cause      `json:"causes,omitempty"` // the likeliest first
	Items      []Charge     `json:"items,omitempty"`  // what the provider charges for
	Rows       []Row        `json:"rows,omitempty"`
}

// Difference is one measure of both sides. Numbers are decimals in texts; an
// empty one is unknown.
type Difference struct {
	Measure string `json:"measure"`
	Ours    string `json:"ours"`
	Theirs  string `json:"theirs"`
	Diff    string `json:"difference"` // ours - theirs
	// Percent is Diff as a percentage of Theirs; empty where that is zero.
	Percent string  `json:"percent"`
	Verdict Verdict `json:"verdict"`

	decides bool // the verdict of the row depends on it
}

// Cause is why a row is likely to differ.
type Cause struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// Kinds of causes.
const (
	CauseMissing     = "missing_calls"    // we lack calls
	CauseExtra       = "extra_calls"      // the provider lacks calls
	CauseElsewhere   = "not_through_weir" // the provider has a model or key that we do not
	CauseNotInExport = "not_in_export"    // we have a model or key that the provider does not
	CauseEstimated   = "estimated_usage"
	CauseBroken      = "broken_calls"
	CauseCache       = "cache_classes"
	CauseModality    = "modality_classes"
	CauseTier        = "service_tier"
	CausePrice       = "price"
	CauseUnpriced    = "unpriced"
	CauseBoundary    = "day_boundary"
	CauseTest        = "test_traffic"
	CauseCredit      = "credit_or_discount"
	CauseUnmetered   = "not_metered"  // an item of the bill that no call has
	CauseUnread      = "unread_meter" // a meter of the report that is not known here
)

// Charge is an item of the provider's bill.
type Charge struct {
	Item     string        `json:"item"`
	Class    string        `json:"class,omitempty"`
	Tier     string        `json:"tier,omitempty"`
	Amount   metering.Cost `json:"amount_usd"`
	Quantity string        `json:"quantity,omitempty"`
	Unit     string        `json:"unit,omitempty"`
	// PerMillion is the price that it comes to, in dollars for a million.
	PerMillion string `json:"per_million_usd,omitempty"`
}
