package metering

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"
)

// AlertKind says what an alert is about, by a stable name.
type AlertKind string

// Alert kinds, and what their subject is.
const (
	AlertUnpriced       AlertKind = "unpriced"        // provider/model whose calls have no cost
	AlertProvisional    AlertKind = "provisional"     // provider/model whose cost is not certain
	AlertNegativeMargin AlertKind = "negative_margin" // customer:ID or model:NAME that earns less than is asked for
	AlertPriceFeed      AlertKind = "price_feed"      // URL of a catalogue that cannot be read, or was not for long
	AlertPriceHeld      AlertKind = "price_held"      // URL of a catalogue whose changes wait for a person
	AlertReconcile      AlertKind = "reconcile"       // provider whose own report differs from what was recorded
)

// AlertKinds are all kinds.
func AlertKinds() []AlertKind {
	return []AlertKind{
		AlertUnpriced, AlertProvisional, AlertNegativeMargin, AlertPriceFeed, AlertPriceHeld, AlertReconcile,
	}
}

// Severity says how much an alert matters.
type Severity string

// Severities.
const (
	SeverityWarning  Severity = "warning"  // a person should look at it some time
	SeverityCritical Severity = "critical" // money is being lost, or counted wrongly
)

// Alert is a condition that a person should know of, from when it was first seen
// until it is over. There is one for each kind and subject of an organisation:
// seen again, it counts; seen after it was over, it begins anew.
type Alert struct {
	Org      string    `json:"-"`
	Kind     AlertKind `json:"kind"`
	Subject  string    `json:"subject"` // what it is about, as the kind says; the text is cut to [MaxAlertSubject]
	Severity Severity  `json:"severity"`
	Detail   string    `json:"detail"`   // for people; the latest one holds, cut to [MaxAlertDetail]
	Since    Micros    `json:"since"`    // when it was first seen; zero when it is raised: At
	At       Micros    `json:"at"`       // when it was last seen
	Count    int64     `json:"count"`    // how often it was raised since
	Ended    Micros    `json:"ended_at"` // when it was over; zero: it is open
}

// Bounds of an alert, in bytes, and of how many alerts an organisation has.
const (
	MaxAlertSubject = 400
	MaxAlertDetail  = 1000
	// MaxAlerts is how many alerts are kept, those that are over included: these go
	// first. While all are open, a further one counts towards AlertOthers of its
	// kind.
	MaxAlerts = 1000
	// AlertOthers is the subject of all that there is no room for.
	AlertOthers = "others"
)

// AlertSubject is the subject as it is kept: a text that every engine keeps, of
// at most [MaxAlertSubject] bytes.
func AlertSubject(s string) string { return storable(s, MaxAlertSubject) }

// AlertDetail is the detail as it is kept.
func AlertDetail(s string) string { return storable(s, MaxAlertDetail) }

// storable bends a text that a client may have made up: NUL and what is not
// UTF-8 is replaced, because PostgreSQL refuses both.
func storable(s string, most int) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}

// UnsureModel is a model with calls whose cost is unknown, or not certain.
type UnsureModel struct {
	Provider, Model string
	State           CostState // CostUnpriced or CostProvisional
	Calls           int64
	First           Micros // when the first of them was authorised
}

// Valid reports whether the alert can be raised, but for its text.
func (a *Alert) Valid() bool {
	return a.Org != "" && a.Subject != "" && a.At != 0 && slices.Contains(AlertKinds(), a.Kind) && (a.Severity == SeverityWarning || a.Severity == SeverityCritical)
}

// Alerts takes what people should know of. Raising what is raised already, and
// clearing what is not, are no errors: who watches a condition says how it is,
// each time.
type Alerts interface {
	// Raise opens an alert, or counts that it is open still. A zero At is now.
	Raise(ctx context.Context, a Alert) error
	// Clear ends an alert.
	Clear(ctx context.Context, org string, kind AlertKind, subject string) error
}

// AlertQuery lists alerts: the open ones first, of those the latest.
type AlertQuery struct {
	Org   string
	Kind  AlertKind // empty: all
	Ended bool      // with those that are over
	Limit int       // zero: MaxAlerts
}
