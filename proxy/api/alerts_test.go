package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/api"
)

// walkAlerts succeeds with the operation about alerts.
func walkAlerts(s *server) {
	_, err := s.client.Alerts(s.t.Context(), "unpriced", true)
	s.must("alerts", err)
}

// TestAlerts: the API, the command and doctor tell what is open; --check is for
// scripts.
func TestAlerts(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.says("alert list --check", "No alert is open.")
	at := metering.MicrosOf(began())
	raise := func(kind metering.AlertKind, subject string, severity metering.Severity) {
		_, err := s.store.RaiseAlert(t.Context(), metering.Alert{Org: metering.DefaultOrg, Kind: kind, Subject: subject, Severity: severity, Detail: "no price of the model", At: at})
		s.must("raise", err)
	}
	raise(metering.AlertNegativeMargin, "model:m", metering.SeverityCritical)
	raise(metering.AlertUnpriced, "openai/m", metering.SeverityWarning)
	s.says("alert list", "unpriced openai/m warning 2026-01-31T12:00:00.000000Z", "negative_margin model:m critical")
	s.says("alert list --kind price_feed --check", "No alert is open.")
	if status, _, _ := s.weir("alert", "list", "--check"); status != api.ExitRefused {
		t.Errorf("with open alerts --check exits with %d", status)
	}
	s.says("doctor", "2 are open, such as negative_margin of model:m since 2026-01-31T12:00:00.000000Z")
	for subject, kind := range map[string]metering.AlertKind{"openai/m": metering.AlertUnpriced, "model:m": metering.AlertNegativeMargin} {
		_, err := s.store.EndAlert(t.Context(), metering.DefaultOrg, kind, subject, at+1)
		s.must("end", err)
	}
	s.says("alert list --check --ended", "openai/m")
	if code, problem, _ := s.request("GET", "/api/v1/alerts?kind=colour", "", nil); code != 422 || problem != api.CodeInvalid {
		t.Errorf("unknown kind: %d %s", code, problem)
	}
}

// TestMetrics_alerts: every kind has a series, and none while nobody knows.
func TestMetrics_alerts(t *testing.T) {
	t.Parallel()
	scrape := func(counts map[metering.AlertKind]int64) string {
		w := httptest.NewRecorder()
		api.Metrics(func() api.Sample { return api.Sample{Alerts: counts} }).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	got := scrape(map[metering.AlertKind]int64{metering.AlertUnpriced: 3})
	for _, want := range []string{`weir_alerts{kind="unpriced"} 3`, `weir_alerts{kind="negative_margin"} 0`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(scrape(nil), "weir_alerts{") {
		t.Error("alerts are counted though the database did not answer")
	}
}
