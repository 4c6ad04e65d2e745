package api

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
)

// CheckNightly says how the nightly comparisons with the providers went, for whom
// they are configured, with the first look so long after a day has ended.
func CheckNightly(providers []string, states []nightly.State, after time.Duration, now time.Time) Check {
	at := metering.MicrosOf(now)
	expected := nightly.Expected(at, metering.Micros(after/time.Microsecond))
	check := Check{Status: StatusOK}
	var said []string
	for _, provider := range providers {
		state := nightly.State{Provider: provider, Since: reconcile.DayOf(at)}
		for _, s := range states {
			if s.Provider == provider {
				state = s
			}
		}
		text, remedy := tellNight(&state, expected)
		if remedy != "" {
			check.Status, check.Remedy = StatusWarn, remedy
		}
		said = append(said, provider+": "+text)
	}
	check.Measured = strings.Join(said, "; ")
	return check
}

// tellNight says how a provider's comparisons went, and what to do where they did
// not: one has failed, or a day was missed.
func tellNight(s *nightly.State, expected reconcile.Day) (text, remedy string) {
	text = "no day was compared yet"
	if s.Succeeded != 0 {
		text = fmt.Sprintf("%s is the last day compared, at %s: %s", s.Day, Instant(s.Succeeded), s.Verdict)
		if s.Gap != "" {
			text += ", " + s.Gap + " of what it says"
		}
	}
	missed := expected >= s.Since && (s.Succeeded == 0 || s.Day < expected)
	switch {
	case s.Failures > 0:
		text += fmt.Sprintf("; the last %d tries failed, at %s: %.300s", s.Failures, Instant(s.Tried), s.Failure)
		return text, fmt.Sprintf("it is tried again after %s; `weir reconcile --provider %s` tries at once and says what fails", Instant(s.NotBefore), s.Provider)
	case missed:
		return text + fmt.Sprintf("; %s should have been", expected), "no replica has the worker that compares, or the journals are behind: look at the configuration of all, and at their logs"
	}
	return text, ""
}

// nightlySeries are the metrics of the nightly comparisons, by provider.
type nightlySeries struct{ day, gap, success, failures *prometheus.Desc }

func newNightlySeries() nightlySeries {
	one := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("weir_reconcile_"+name, help, []string{"provider"}, nil)
	}
	return nightlySeries{
		day:      one("last_day_timestamp_seconds", "Beginning of the last day that was compared with what the provider says."),
		gap:      one("difference_ratio", "Difference of that day as a part of what the provider says: of the cost, or of all tokens where costs were not compared. Negative: less was recorded. Absent: the provider says that there was nothing."),
		success:  one("last_success_timestamp_seconds", "When a day was last compared with what the provider says."),
		failures: one("failures", "Tries in a row that failed."),
	}
}

func (s nightlySeries) describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.day, s.gap, s.success, s.failures} {
		out <- d
	}
}

// collect leaves out what is not known yet, because 0 would say that all is well.
func (s nightlySeries) collect(states []nightly.State, out chan<- prometheus.Metric) {
	for i := range states {
		x := &states[i]
		one := func(d *prometheus.Desc, v float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, x.Provider)
		}
		one(s.failures, float64(x.Failures))
		if x.Succeeded == 0 {
			continue
		}
		one(s.day, float64(x.Day.Start())/1e6)
		one(s.success, float64(x.Succeeded)/1e6)
		if gap, err := strconv.ParseFloat(x.Gap, 64); err == nil {
			one(s.gap, gap)
		}
	}
}
