package page

import "github.com/weirhq/weir/metering"

// UsageText says in a sentence what the numbers of an event are worth.
func UsageText(s metering.UsageState) string {
	switch s {
	case metering.UsageExact:
		return "The provider reported these numbers."
	case metering.UsagePartial:
		return "The provider began to report and was cut off; the rest is estimated."
	case metering.UsageEstimated:
		return "The provider reported nothing; the numbers are estimated."
	case metering.UsageUnknown:
		return "The answer could not be read to its end; the numbers are what was seen last."
	case metering.UsageCorrection:
		return "What the numbers of an estimated call differ by from what the provider reported later."
	case metering.UsageAdjustment:
		return "What the numbers of another call were changed by."
	default:
		return "An exchange of this kind has no usage."
	}
}
