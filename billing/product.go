package billing

import (
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// TrialRule says what becomes of usage during a trial.
type TrialRule string

// Trial rules.
const (
	// TrialFree never charges what was used during the trial.
	TrialFree TrialRule = "free"
	// TrialBilled charges it with the period that the trial is in.
	TrialBilled TrialRule = "billed"
)

// Product is what customers subscribe to: prices for meters, charged at the end
// of each period.
type Product struct {
	Org        string          `json:"-"`
	ID         string          `json:"id"`
	Name       string          `json:"name"`
	Months     int             `json:"months"`     // length of a period: 1, 3, 6 or 12
	TrialDays  int             `json:"trial_days"` // from the start of a subscription; 0: no trial
	TrialUsage TrialRule       `json:"trial_usage"`
	Created    metering.Micros `json:"created_at"`
	Archived   metering.Micros `json:"archived_at"` // zero: can be subscribed to
	Prices     []Price         `json:"prices"`      // every version, by meter and instant
}

const (
	maxName      = 256
	maxTrialDays = 366
)

// Validate reports what no product can be. Prices have their own.
func (p Product) Validate() error {
	n := utf8.RuneCountInString(p.Name)
	switch {
	case n == 0 || n > maxName:
		return fmt.Errorf("name has %d characters, not 1 to %d: %w", n, maxName, metering.ErrInvalid)
	case !slices.Contains([]int{1, 3, 6, 12}, p.Months):
		return fmt.Errorf("period of %d months, want 1, 3, 6 or 12: %w", p.Months, metering.ErrInvalid)
	case p.TrialDays < 0 || p.TrialDays > maxTrialDays:
		return fmt.Errorf("trial of %d days, want 0 to %d: %w", p.TrialDays, maxTrialDays, metering.ErrInvalid)
	case p.TrialUsage != TrialFree && p.TrialUsage != TrialBilled:
		return fmt.Errorf("trial_usage %.20q, want %s or %s: %w", string(p.TrialUsage), TrialFree, TrialBilled, metering.ErrInvalid)
	}
	return nil
}

// Versions returns the price versions of a meter.
func (p Product) Versions(meter string) []Price {
	var out []Price
	for _, v := range p.Prices {
		if v.Meter == meter {
			out = append(out, v)
		}
	}
	return out
}

// Meters lists the meters that the product has a price for.
func (p Product) Meters() []string {
	var out []string
	for _, v := range p.Prices {
		if !slices.Contains(out, v.Meter) {
			out = append(out, v.Meter)
		}
	}
	slices.Sort(out)
	return out
}
