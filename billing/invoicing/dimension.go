package invoicing

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// MarginQuery asks what was earned and what it cost, by combinations of dimensions.
type MarginQuery struct {
	Org string
	// From is inclusive, To exclusive; zero is unbounded.
	From, To metering.Micros
	// By lists dimensions in the order in which totals are opened: each of
	// Dimensions at most once, or "tag:NAME".
	By []string
	// Only are filters that all hold: by any dimension but "day" and "hour", once
	// each. Customers and keys are ids, products names.
	Only []metering.UsageFilter
	Zone *time.Location // of days; nil is UTC
	// Top is how many groups are told apart, those with the lowest margin; the rest
	// is one row. 0: all.
	Top int
}

// MaxDimensions bounds the dimensions of one question.
const MaxDimensions = 4

// Dimensions are what margins and costs can be grouped by, beside labels
// ("tag:NAME"). Values of "hour" are its start in UTC, those of "period" the start
// and the end of a billing period.
func Dimensions() []string {
	return []string{"customer", "key", "model", "provider", "upstream", "product", "period", "run", "day", "hour"}
}

// isDimension reports whether there is such a dimension.
func isDimension(by string) bool {
	label, ok := strings.CutPrefix(by, "tag:")
	return ok && label != "" || slices.Contains(Dimensions(), by)
}

// ofContracts reports whether a dimension is known of what customers have agreed
// to, and not of their calls.
func ofContracts(by string) bool { return by == "product" || by == "period" }

// CheckDimensions says what is wrong with dimensions to group by, wrapping
// metering.ErrInvalid.
func CheckDimensions(by []string) error {
	if len(by) == 0 || len(by) > MaxDimensions {
		return fmt.Errorf("want 1 to %d dimensions, not %d: %w", MaxDimensions, len(by), metering.ErrInvalid)
	}
	for i, d := range by {
		switch {
		case !isDimension(d):
			return fmt.Errorf("%.60q is no dimension; want some of %s, or tag:NAME: %w", d, strings.Join(Dimensions(), ", "), metering.ErrInvalid)
		case slices.Contains(by[:i], d):
			return fmt.Errorf("%.60q is there twice: %w", d, metering.ErrInvalid)
		}
	}
	if slices.Contains(by, "hour") && slices.Contains(by, "day") {
		return fmt.Errorf("an hour tells its day: want one of day and hour: %w", metering.ErrInvalid)
	}
	return nil
}

// CheckFilters says what is wrong with filters, wrapping metering.ErrInvalid.
func CheckFilters(only []metering.UsageFilter) error {
	seen := make(map[string]bool)
	for _, f := range only {
		switch {
		case f.By == "day" || f.By == "hour":
			return fmt.Errorf("one %s is chosen by the span of time: %w", f.By, metering.ErrInvalid)
		case !isDimension(f.By):
			return fmt.Errorf("%.60q is no dimension; want some of %s, or tag:NAME: %w", f.By, strings.Join(Dimensions(), ", "), metering.ErrInvalid)
		case seen[f.By]:
			return fmt.Errorf("nothing has two values of %.60q: %w", f.By, metering.ErrInvalid)
		case f.Value == metering.GroupUnknown && f.By != "run" && f.By != "upstream":
			return fmt.Errorf("%.60q is known of every call; run and upstream are not known of old ones: %w", f.By, metering.ErrInvalid)
		}
		seen[f.By] = true
	}
	return nil
}

// plan is a query taken apart: what contracts tell, and what calls do.
type plan struct {
	MarginQuery
	calls    []string               // dimensions of By that only calls tell
	only     []metering.UsageFilter // filters that only calls tell
	customer string                 // the only one; empty: any
	noneOf   bool                   // only what belongs to no customer
	contract map[string]string      // filters that contracts tell
	agreed   bool                   // contracts are needed for what was spent
}

func (q MarginQuery) compile() (plan, error) {
	p := plan{MarginQuery: q, contract: make(map[string]string)}
	if err := CheckDimensions(q.By); err != nil {
		return p, err
	}
	if err := CheckFilters(q.Only); err != nil {
		return p, err
	}
	for _, by := range q.By {
		p.agreed = p.agreed || ofContracts(by)
		if !ofContracts(by) && by != "customer" {
			p.calls = append(p.calls, by)
		}
	}
	for _, f := range q.Only {
		switch {
		case ofContracts(f.By):
			p.contract[f.By], p.agreed = f.Value, true
		case f.By == "customer" && f.Value == "":
			p.noneOf = true
		case f.By == "customer":
			p.customer = f.Value
		default:
			p.only = append(p.only, f)
		}
	}
	return p, nil
}

// divides reports whether what a contract earned has to be shared among calls.
func (p *plan) divides() bool { return len(p.calls)+len(p.only) > 0 }

// admits reports whether the filters by what contracts tell hold.
func (p *plan) admits(of map[string]string) bool {
	for by, value := range p.contract {
		if of[by] != value {
			return false
		}
	}
	return true
}

// usage is the question what was used, by what calls tell.
func (p *plan) usage() metering.UsageQuery {
	q := metering.UsageQuery{Org: p.Org, Customer: p.customer, From: p.From, To: p.To, By: p.calls, Zone: p.Zone}
	if slices.Contains(p.By, "customer") {
		q.By = append(slices.Clone(p.calls), "customer")
	}
	q.Only = append(slices.Clone(p.only), metering.UsageFilter{By: "test", Value: "false"})
	if p.noneOf {
		q.Only = append(q.Only, metering.UsageFilter{By: "customer"})
	}
	return q
}

// values are those of the dimensions, in their order.
func (p *plan) values(of ...map[string]string) []string {
	out := make([]string, len(p.By))
	for i, by := range p.By {
		for _, known := range of {
			if v, ok := known[by]; ok {
				out[i] = v
			}
		}
	}
	return out
}

// periodText names a billing period.
func periodText(s period.Span) string {
	if s == (period.Span{}) {
		return ""
	}
	return s.Start.Time().Format(time.RFC3339Nano) + "/" + s.End.Time().Format(time.RFC3339Nano)
}
