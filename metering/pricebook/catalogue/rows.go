package catalogue

// Any as the SKU of a rate, or among those of a modifier, is every SKU of the
// provider. A rate of a single SKU wins over one of any.
const Any = "*"

// AllMeters as the meter of a rate without a price is every meter of the SKU:
// nothing of it can be priced, for the reason given.
const AllMeters = "*"

// Rows are the five tables of one layer. The zero value has none.
type Rows struct {
	SKUs      []SKU      `json:"skus,omitempty"`
	Matches   []Match    `json:"matches,omitempty"`
	Rates     []Rate     `json:"rates,omitempty"`
	Modifiers []Modifier `json:"modifiers,omitempty"`
	Calendars []Calendar `json:"calendars,omitempty"`
	// Plans say which plan the operator has with whom; they are no prices.
	Plans []Plan `json:"plans,omitempty"`
}

// Plan is the operator's plan with a provider: rates and modifiers of that plan
// hold.
type Plan struct {
	Provider string `json:"provider"`
	Plan     string `json:"plan"`
}

// SKU is something that a provider sells under one list of prices. Its id finds
// it without a match. Provider is whose prices these are, as presets name it.
type SKU struct {
	Provider string `json:"provider"`
	SKU      string `json:"sku"`            // the vendor's id of the model
	Kind     string `json:"kind,omitempty"` // chat, embedding, image, audio, video, rerank, moderation, tool; empty: not said
	Base     string `json:"base,omitempty"` // the model that this is a variant of, for people: no price is taken from it
	// Context and MaxOutput are limits in tokens; zero: not known.
	Context    int64   `json:"context,omitempty"`
	MaxOutput  int64   `json:"max_output,omitempty"`
	Released   Instant `json:"released,omitzero"`
	Deprecated Instant `json:"deprecated,omitzero"`
	Retired    Instant `json:"retired,omitzero"`
	// MovingAlias: the id means another model from time to time.
	MovingAlias bool `json:"moving_alias,omitempty"`
	// Replace takes out everything that lower layers say of this SKU: rates,
	// modifiers that name it alone, and matches that lead to it.
	Replace bool     `json:"replace,omitempty"`
	Sources []string `json:"sources,omitempty"`
	Note    string   `json:"note,omitempty"`
}

// MatchType is how a pattern is compared with an id.
type MatchType string

// Types of match, in the order in which they are tried: the first type that
// finds an SKU decides, within a type the higher layer, then the higher priority.
const (
	// MatchExact: the id is the pattern.
	MatchExact MatchType = "exact"
	// MatchDateSuffix: the id is the pattern and a date behind it, "-2026-03-05",
	// "-20260305" or "@20260305", and the id itself is neither an SKU nor an exact
	// pattern.
	MatchDateSuffix MatchType = "date_suffix"
	// MatchRegionPrefix: the id is the pattern, which is short and ends in a dot or
	// a slash ("us."), and behind it an id that one of the types above finds for
	// the SKU, or for any where SKU is Any.
	MatchRegionPrefix MatchType = "region_prefix"
	// MatchRegex: the whole id matches the pattern, an RE2 expression.
	MatchRegex MatchType = "regex"
)

// Match leads from ids to an SKU, from one instant to another.
type Match struct {
	Provider string    `json:"provider"`
	Type     MatchType `json:"type"`
	Pattern  string    `json:"pattern"`
	SKU      string    `json:"sku"`
	// Region and Endpoint are what such an id says about the call, as conditions
	// name it; empty: nothing.
	Region   string   `json:"region,omitempty"`
	Endpoint string   `json:"endpoint,omitempty"`
	Priority int      `json:"priority,omitempty"`
	From     Instant  `json:"from,omitzero"` // zero: since ever
	To       Instant  `json:"to,omitzero"`   // exclusive; zero: until further notice
	Sources  []string `json:"sources,omitempty"`
	Note     string   `json:"note,omitempty"`
}

// Status is what a rate is worth.
type Status string

// Statuses of rates. The zero value is StatusConfirmed.
const (
	// StatusConfirmed: the vendor charges it.
	StatusConfirmed Status = "confirmed"
	// StatusPromo: the vendor charges it for a while; Guaranteed says until when it
	// promised to.
	StatusPromo Status = "promo"
	// StatusScheduled: the vendor announced it for From. It holds from then on,
	// provisionally unless it was confirmed again less than 48 h before From or later.
	StatusScheduled Status = "scheduled"
	// StatusProvisional: nobody vouches for it. It prices, and says so.
	StatusProvisional Status = "provisional"
	// StatusRegional: the vendor charges it at one place, such as a global endpoint,
	// and something else at others. Where the place of a call is known, modifiers
	// and other rates say so and it is as good as confirmed; where it is not, the
	// rate prices provisionally.
	StatusRegional Status = "regional"
	// StatusCancelled: it was announced and will not be. It never holds.
	StatusCancelled Status = "cancelled"
)

// Rate is the price of one meter of one SKU.
type Rate struct {
	// ID is unique among all layers and for all time. Empty: it is made of what the
	// rate says, see [Rate.Identify].
	ID       string `json:"id,omitempty"`
	Provider string `json:"provider"`
	SKU      string `json:"sku"` // or Any
	// Meter is a class of tokens ("input", "cache_read.audio", "output"), a class
	// and ".*" for every modality that has no rate of its own, or another quantity
	// as the dialects name it ("web_search_requests", "audio_seconds", "images").
	Meter string `json:"meter"`
	// Price is an exact decimal for Per units. nil: there is a price and nobody
	// knows it, for Reason; without a reason, the rate of a lower layer is taken
	// out. "0" is free.
	Price    *string `json:"price"`
	Per      int64   `json:"per,omitempty"`      // zero: 1,000,000 for tokens, else 1
	Currency string  `json:"currency,omitempty"` // empty: USD, the only one there is
	Reason   string  `json:"reason,omitempty"`   // "condition: …" or "ambiguous: …"
	When     When    `json:"when,omitzero"`
	// Minimum is the least quantity that is charged where there is any; Step is what
	// quantities are rounded up to a multiple of. Empty: neither.
	Minimum string `json:"minimum,omitempty"`
	Step    string `json:"step,omitempty"`

	From       Instant `json:"from,omitzero"`             // zero: since ever
	To         Instant `json:"to,omitzero"`               // exclusive; zero: until the next
	Guaranteed Instant `json:"guaranteed_until,omitzero"` // exclusive; zero: nothing was promised
	Status     Status  `json:"status,omitempty"`
	Confirmed  Instant `json:"confirmed_at,omitzero"` // when a source last said so; zero: not said
	// Observed: From is when the price was first seen, not when the vendor says it
	// began.
	Observed   bool     `json:"observed,omitempty"`
	Supersedes string   `json:"supersedes,omitempty"` // id of the rate that this one corrects
	Sources    []string `json:"sources,omitempty"`
	Note       string   `json:"note,omitempty"`
}

// When is under which conditions a rate or a modifier holds; all of them must
// be met. The zero value is the usual call: standard tier, no region premium, any
// length, any time.
type When struct {
	// Tier is the service tier as the answer reports it; empty: the standard one.
	Tier string `json:"tier,omitempty"`
	// Region is the inference region or endpoint class ("us", "eu", "us-east5"); "*"
	// is any but the global one; empty: global.
	Region string `json:"region,omitempty"`
	// Endpoint is the kind of deployment ("data_zone", "provisioned"); empty: the usual.
	Endpoint string `json:"endpoint,omitempty"`
	// Speed is the speed mode as the answer reports it ("fast"); empty: standard.
	Speed string `json:"speed,omitempty"`
	// Above holds for calls with more than so many context tokens; zero: any
	// number, unless another rate of the meter has a threshold that is passed.
	Above int64 `json:"above,omitempty"`
	// Counts are the classes of tokens, or "input" and "output" for all of a
	// direction, that make the context; empty: all input, cached or not.
	Counts []string `json:"counts,omitempty"`
	// Marginal: only what is beyond Above is charged at this rate, counted within
	// the meter itself. False: the whole call is.
	Marginal bool `json:"marginal,omitempty"`
	// Calendar is the id of a calendar in whose hours the rate holds; empty: always,
	// unless another rate of the meter has a calendar that holds.
	Calendar string `json:"calendar,omitempty"`
	// Attributes are facts of the call by name, such as quality, size, resolution,
	// thinking, context_size, each of which must be one of the values.
	Attributes []Attribute `json:"attributes,omitempty"`
	// Volume is a band of what was used before in a window. nil: any.
	Volume *Volume `json:"volume,omitempty"`
	// Plan is the operator's plan with the provider; empty: any.
	Plan string `json:"plan,omitempty"`
	// Any are facts of which it does not matter what they are, among "tier",
	// "region", "endpoint" and "speed": a fee for a search is the same for a batch.
	Any []string `json:"any,omitempty"`
}

// Attribute is a fact that a rate is for.
type Attribute struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Volume is a band: it holds for units of a pool beyond From in one window, up
// to the next band of the same pool. A free allowance is a band from 0 at price 0.
type Volume struct {
	Pool   string `json:"pool"`           // rates of one pool share what was used
	Window string `json:"window"`         // "day" or "month"
	Zone   string `json:"zone,omitempty"` // IANA name of the zone that days begin in; empty: UTC
	From   int64  `json:"from"`           // units before the band
}

// Modifier multiplies rates where its conditions are met and no rate has them
// itself. One without conditions always holds, as a negotiated discount does.
type Modifier struct {
	ID       string `json:"id,omitempty"` // as for rates; see [Modifier.Identify]
	Provider string `json:"provider"`
	// SKUs are those it touches; empty or Any: all of the provider.
	SKUs []string `json:"skus,omitempty"`
	// Meters are those it touches, as in rates; "tokens" is every class of tokens,
	// "input" and "output" as such are text alone, "*" is everything. Empty: tokens.
	Meters   []string `json:"meters,omitempty"`
	Multiply string   `json:"multiply"` // exact decimal, 0.5 is half
	When     When     `json:"when,omitzero"`
	// Order is when it is applied among several; products do not depend on it, but
	// explanations do. Alone: it cannot be combined with another.
	Order int     `json:"order,omitempty"`
	Alone bool    `json:"alone,omitempty"`
	From  Instant `json:"from,omitzero"`
	To    Instant `json:"to,omitzero"`
	// Status is StatusProvisional where nobody vouches for the multiplier; empty or
	// StatusConfirmed otherwise.
	Status     Status   `json:"status,omitempty"`
	Supersedes string   `json:"supersedes,omitempty"`
	Sources    []string `json:"sources,omitempty"`
	Note       string   `json:"note,omitempty"`
}

// Calendar is hours of the week in a zone, without holidays.
type Calendar struct {
	ID   string `json:"id"`
	Zone string `json:"zone,omitempty"` // IANA name; empty: UTC
	// Days are those on which the ranges begin: mon, tue, wed, thu, fri, sat, sun;
	// empty: every day.
	Days []string `json:"days,omitempty"`
	// Ranges are "01:00-04:00", the end exclusive; "22:00-02:00" ends on the next
	// day, "00:00-24:00" is the whole day.
	Ranges []string `json:"ranges"`
	// Holidays are the days, as "2026-10-01", that have no hours. HolidaysTo is up
	// to when they are known, exclusive: later, whether the calendar holds is not
	// known within its hours. Zero: holidays do not matter.
	Holidays   []string `json:"holidays,omitempty"`
	HolidaysTo Instant  `json:"holidays_to,omitzero"`
	// Basis is the instant that counts: "request" (the authorisation, the default)
	// or "end" of the answer.
	Basis   string   `json:"basis,omitempty"`
	Sources []string `json:"sources,omitempty"`
	Note    string   `json:"note,omitempty"`
}
