package metering

import "encoding/json"

// UsageState says what the numbers of a [Usage] are worth. Unknown is a state,
// never zero.
type UsageState string

const (
	// UsageNone: the exchange is of a kind that has no usage (a model list, an
	// error answer). The numbers are zero and that is the truth.
	UsageNone UsageState = "none"
	// UsageExact: the provider reported these numbers. An explicit zero is exact.
	UsageExact UsageState = "exact"
	// UsagePartial: the provider began to report and was cut off; what is there
	// is exact, the rest is estimated within the bounds.
	UsagePartial UsageState = "partial"
	// UsageEstimated: the provider reported nothing; numbers are ours, with the
	// method and the bounds stated.
	UsageEstimated UsageState = "estimated"
	// UsageUnknown: the process died, or the answer could not be read; the
	// numbers are what the last checkpoint saw.
	UsageUnknown UsageState = "unknown"
	// UsageCorrection: the numbers are what another event's differ by from what the
	// provider reported later, and that event is no estimate any more.
	UsageCorrection UsageState = "correction"
	// UsageAdjustment: the same of an event that was corrected before, was no
	// estimate, or stays one.
	UsageAdjustment UsageState = "adjustment"
)

// Flag marks an oddity in what the provider reported, by a stable name. A
// flagged usage is still recorded; it is never bent to look right.
type Flag string

// Flags that any dialect may set.
const (
	FlagTotalMismatch     Flag = "total_mismatch" // cells do not add up to the provider's total
	FlagCachedExceedInput Flag = "cached_exceeds_input"
	FlagReasoningExceeds  Flag = "reasoning_exceeds_output"
	FlagInvalidNumber     Flag = "invalid_number" // negative, fractional, text or beyond 1e9
	FlagAllZero           Flag = "all_zero"
	FlagUnknownField      Flag = "unknown_field" // the usage object has a count we do not know
	FlagRepeated          Flag = "repeated"      // more than one usage object, the last stands
	FlagTTLNotReported    Flag = "cache_write_ttl_not_reported"
	FlagUnreadable        Flag = "unreadable" // the body could not be parsed for usage
	FlagEarlierRequest    Flag = "usage_of_earlier_request"
	// FlagNotAsked and FlagAskRefused say why a stream has no usage: nobody asked
	// for it, or the upstream does not know how to be asked.
	FlagNotAsked   Flag = "usage_not_asked_for"
	FlagAskRefused Flag = "usage_request_refused"
	FlagBatchPrice Flag = "batch_price" // of a batch: its rates apply
	// FlagStatedInvalid: what stands for a cost is no number, below zero or absurdly
	// high, and nothing is made of it.
	FlagStatedInvalid Flag = "stated_cost_invalid"
	// FlagStatedRounded: the provider rounds what it states, by [StatedCost].Within at
	// most.
	FlagStatedRounded Flag = "stated_cost_rounded"
	// FlagStatedFee: the stated cost is the fee of a gateway alone; what the vendor
	// behind it bills to its customer's own key is [StatedCost].Vendor.
	FlagStatedFee Flag = "stated_cost_fee"
)

// Quantity is a count of something that is not a token, by a stable name:
// images, seconds of audio, searches.
type Quantity struct {
	Name   string `json:"name"`
	Amount Number `json:"amount"`
}

// ModelTokens is the share of one billed model where an exchange used several.
type ModelTokens struct {
	Model  string `json:"model"`
	Tokens Tokens `json:"tokens"`
	Input  int64  `json:"input"`  // inclusive, as the provider counts
	Output int64  `json:"output"` // inclusive, as the provider counts
}

// Estimate says how numbers that the provider did not report came about.
// Low and High bound the total number of tokens.
type Estimate struct {
	// Method is "bytes/4", "tiktoken/ENCODING" where the vendor's own encoding was
	// counted, "tiktoken/ENCODING*1.25" where another's was and a factor stands for
	// the difference, or two of them joined by "+".
	Method string `json:"method"`
	Low    int64  `json:"low"`
	High   int64  `json:"high"`
	// Input and Output are the estimated tokens in each direction, beside what was
	// reported.
	Input  int64 `json:"input,omitempty"`
	Output int64 `json:"output,omitempty"`
	// Withheld is the policy by which Input and Output are not in the tokens of the
	// usage: MissingZero, or MissingHold until somebody decides; empty: they are,
	// and are billed.
	Withheld MissingPolicy `json:"withheld,omitempty"`
}

// StatedCost is a cost that the provider put into its answer, kept verbatim.
type StatedCost struct {
	Amount string `json:"amount"` // the text of the number
	Unit   string `json:"unit"`   // "usd", or "usd/1e10"
	Field  string `json:"field"`  // where it stood
	// Within is by how much the provider's own rounding can have changed Amount, in
	// the same unit; empty: it is not known to round.
	Within string `json:"within,omitempty"`
	// Vendor is what the vendor behind a gateway bills to its customer's own key
	// beside Amount, in the same unit; empty: there is no such key, or nothing is
	// known.
	Vendor string `json:"vendor,omitempty"`
}

// UpstreamError is an error that the provider reported, in the body of an error
// answer or inside a stream that began with 200. Each text is cut at 256 bytes.
type UpstreamError struct {
	Where   string `json:"where"` // body, stream, response, choice
	Type    string `json:"type,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"-"` // may quote the prompt: it is never stored
}

// Usage is what one exchange used, as the provider reported it.
type Usage struct {
	State  UsageState `json:"state"`
	Tokens Tokens     `json:"tokens"`

	// Input and Output are the provider's own inclusive counts: cached input is
	// inside Input, reasoning inside Output. They equal the sums of the cells
	// unless a flag says otherwise.
	Input  int64 `json:"input"`
	Output int64 `json:"output"`
	// Total is the provider's own total; HasTotal says whether it gave one.
	Total    int64 `json:"total,omitempty"`
	HasTotal bool  `json:"has_total,omitempty"`

	Quantities []Quantity `json:"quantities,omitempty"`
	// Attributes are facts of the exchange that are no amounts and that meters
	// filter by, or that prices depend on: the bucket and the key of an object; size,
	// quality and resolution of what was made, context_size of a search, thinking.
	// Sorted by name.
	Attributes []Tag         `json:"attributes,omitempty"`
	ByModel    []ModelTokens `json:"by_model,omitempty"` // complete split, only where it differs from Model alone
	Flags      []Flag        `json:"flags,omitempty"`
	Estimate   *Estimate     `json:"estimate,omitempty"`
	StatedCost *StatedCost   `json:"stated_cost,omitempty"`

	Model       string `json:"model,omitempty"` // as the response reports it, the last value in a stream
	ServiceTier string `json:"service_tier,omitempty"`
	// Region is where the model ran: the inference geography as reported, else the
	// region in the path or the host that was called; "global" is said of endpoints
	// that may run anywhere, "" is unknown.
	Region string `json:"region,omitempty"`
	// Speed is the speed mode in which the answer was made, at a price of its own:
	// "fast" of Anthropic, "optimized" of Bedrock's latency; "" is the standard one.
	Speed string `json:"speed,omitempty"`
	// Deployment is the kind of capacity that served: "provisioned" is paid by the
	// hour, "byok" with the caller's own account at a vendor, "flex" and
	// "priority" are Vertex's on-demand classes, anything else is as reported; ""
	// is the usual one, shared and paid by use.
	Deployment string         `json:"deployment,omitempty"`
	ObjectID   string         `json:"object_id,omitempty"` // of the object that the usage belongs to
	Finish     string         `json:"finish,omitempty"`    // finish or stop reason, or status
	Terminal   string         `json:"terminal,omitempty"`  // how the answer ended: "json", "[DONE]", "message_stop", "eof", …
	Objects    int            `json:"objects,omitempty"`   // places that carried a usage object
	Error      *UpstreamError `json:"error,omitempty"`

	// Raw is the usage object verbatim, so that a parser fix can re-rate history.
	// It is at most 4 KiB and holds no content.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// Flagged reports whether u carries f.
func (u *Usage) Flagged(f Flag) bool {
	for _, have := range u.Flags {
		if have == f {
			return true
		}
	}
	return false
}

// Flag adds f once.
func (u *Usage) Flag(f Flag) {
	if !u.Flagged(f) {
		u.Flags = append(u.Flags, f)
	}
}

// Reconcile flags a total that the cells do not add up to.
func (u *Usage) Reconcile() {
	if u.HasTotal && u.Total != u.Tokens.Input()+u.Tokens.Output() {
		u.Flag(FlagTotalMismatch)
	}
}
