package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/reconcile"
	"github.com/weirhq/weir/metering/pricebook/reconcile/nightly"
	"github.com/weirhq/weir/proxy/api"
)

// TestCheckNightly: a night that failed, and one that nobody made, are said, with
// what to do; one that is not due yet is neither.
func TestCheckNightly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC) // the 19th was due at 6, and is missed from now on
	of := func(d string) reconcile.Day {
		day, err := reconcile.ParseDay(d)
		if err != nil {
			t.Fatal(err)
		}
		return day
	}
	good := nightly.State{Provider: "openai", Since: of("2026-11-01"), Succeeded: metering.MicrosOf(now), Day: of("2026-11-19"), Verdict: reconcile.VerdictDiffers, Gap: "-0.01"}
	late, failed, fresh, dead := good, good, good, good
	late.Day--
	failed.Failures, failed.Failure, failed.NotBefore, failed.Tried = 2, "2026-11-19: the provider answers 401", metering.MicrosOf(now.Add(time.Hour)), metering.MicrosOf(now)
	fresh.Succeeded, fresh.Day, fresh.Verdict, fresh.Gap, fresh.Since = 0, 0, "", "", of("2026-11-20")
	dead.Succeeded, dead.Day, dead.Since = 0, 0, of("2026-11-19")
	for _, tt := range []struct {
		name   string
		states []nightly.State
		now    time.Time
		status api.Status
		want   string
	}{
		{"well", []nightly.State{good}, now, api.StatusOK, "openai: 2026-11-19 is the last day compared, at 2026-11-20T14:00:00.000000Z: differs, -0.01 of what it says"},
		{"failed", []nightly.State{failed}, now, api.StatusWarn, "the last 2 tries failed, at 2026-11-20T14:00:00.000000Z: 2026-11-19: the provider answers 401"},
		{"late", []nightly.State{late}, now, api.StatusWarn, "2026-11-19 should have been"},
		{"not late yet", []nightly.State{late}, now.Add(-time.Microsecond), api.StatusOK, "2026-11-18 is the last day compared"},
		{"just begun", []nightly.State{fresh}, now, api.StatusOK, "openai: no day was compared yet"},
		{"never", []nightly.State{dead}, now, api.StatusWarn, "no day was compared yet; 2026-11-19 should have been"},
		{"not begun", nil, now, api.StatusOK, "openai: no day was compared yet"},
		{"another's", []nightly.State{{Provider: "anthropic", Failures: 3}}, now, api.StatusOK, "openai: no day was compared yet"},
	} {
		c := api.CheckNightly([]string{"openai"}, tt.states, 6*time.Hour, tt.now)
		if c.Status != tt.status || !strings.Contains(c.Measured, tt.want) || (c.Status == api.StatusWarn) != (c.Remedy != "") {
			t.Errorf("%s: %+v, want %s with %q", tt.name, c, tt.status, tt.want)
		}
	}
}

// TestMetrics_nightly: the gauges are there once a day was compared, and none that
// nobody knows.
func TestMetrics_nightly(t *testing.T) {
	t.Parallel()
	scrape := func(states ...nightly.State) string {
		w := httptest.NewRecorder()
		api.Metrics(func() api.Sample { return api.Sample{Nightly: states} }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := scrape(nightly.State{Provider: "openai", Succeeded: 1_793_600_000_500_000, Day: 20758, Gap: "-0.01"}, nightly.State{Provider: "anthropic", Failures: 3},
		nightly.State{Provider: "other", Succeeded: 1, Gap: ""})
	for _, want := range []string{
		`weir_reconcile_last_day_timestamp_seconds{provider="openai"} 1.7934912e+09`, `weir_reconcile_difference_ratio{provider="openai"} -0.01`,
		`weir_reconcile_last_success_timestamp_seconds{provider="openai"} 1.7936000005e+09`, `weir_reconcile_failures{provider="openai"} 0`, `weir_reconcile_failures{provider="anthropic"} 3`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{`weir_reconcile_last_day_timestamp_seconds{provider="anthropic"}`, `weir_reconcile_difference_ratio{provider="other"}`} {
		if strings.Contains(got, never) {
			t.Errorf("%s, which nobody knows", never)
		}
	}
	if strings.Contains(scrape(), "weir_reconcile") {
		t.Error("gauges without a night")
	}
}
