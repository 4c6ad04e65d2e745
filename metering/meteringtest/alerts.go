package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
)

// AlertStore is what TestAlerts tests.
type AlertStore interface {
	RaiseAlert(ctx context.Context, a metering.Alert) (opened bool, err error)
	EndAlert(ctx context.Context, org string, kind metering.AlertKind, subject string, at metering.Micros) (ended bool, err error)
	Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error)
	AlertCounts(ctx context.Context, org string) (map[metering.AlertKind]int64, error)
}

// TestAlerts is the conformance suite of a store of alerts. open returns two
// stores over one empty database, as two replicas have them.
func TestAlerts(t *testing.T, open func(t *testing.T) (AlertStore, AlertStore)) {
	for _, tt := range []struct {
		name string
		test func(*alertTest)
	}{
		{"raised, counted, ended and begun anew", alertLife},
		{"what was seen before the end does not open it again", alertLate},
		{"replicas that raise it together open it once", alertRace},
		{"S26 nothing is found from another organisation", alertTenancy},
		{"S30 text that cannot be stored is bent, what is no alert is refused", alertText},
		{"no more are kept than there is room for", alertBound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, b := open(t)
			tt.test(&alertTest{T: t, AlertStore: a, other: b})
		})
	}
}

type alertTest struct {
	*testing.T
	AlertStore
	other AlertStore // another replica
}

func alarm(kind metering.AlertKind, subject string, at metering.Micros) metering.Alert {
	return metering.Alert{Org: home, Kind: kind, Subject: subject, Severity: metering.SeverityWarning, Detail: "detail", At: at}
}

func (t *alertTest) raise(a metering.Alert, want bool) {
	t.Helper()
	opened, err := t.RaiseAlert(t.Context(), a)
	if err != nil || opened != want {
		t.Fatalf("raise %s %s: opened %t, %v, want %t", a.Kind, a.Subject, opened, err, want)
	}
}

func (t *alertTest) end(kind metering.AlertKind, subject string, at metering.Micros, want bool) {
	t.Helper()
	ended, err := t.other.EndAlert(t.Context(), home, kind, subject, at)
	if err != nil || ended != want {
		t.Fatalf("end %s %s: ended %t, %v, want %t", kind, subject, ended, err, want)
	}
}

func (t *alertTest) list(q metering.AlertQuery, want ...metering.Alert) {
	t.Helper()
	got, err := t.other.Alerts(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("alerts (-want +got):\n%s", d)
	}
}

func alertLife(t *alertTest) {
	a := alarm(metering.AlertUnpriced, "openai/m", noon)
	a.Since = noon - 5
	t.raise(a, true)
	again := alarm(metering.AlertUnpriced, "openai/m", noon+10)
	again.Detail, again.Severity = "later", metering.SeverityCritical
	t.raise(again, false)
	b := alarm(metering.AlertPriceFeed, "https://example.com/", noon+3)
	t.raise(b, true)
	b.Since, b.Count = b.At, 1
	again.Since, again.Count = noon-5, 2
	t.list(metering.AlertQuery{Org: home}, b, again)
	t.list(metering.AlertQuery{Org: home, Kind: metering.AlertUnpriced}, again)
	t.list(metering.AlertQuery{Org: home, Limit: 1}, b)

	t.end(metering.AlertPriceFeed, "https://example.com/", noon+20, true)
	t.end(metering.AlertPriceFeed, "https://example.com/", noon+21, false)
	t.end(metering.AlertProvisional, "none such", noon+21, false)
	b.Ended = noon + 20
	t.list(metering.AlertQuery{Org: home}, again)
	t.list(metering.AlertQuery{Org: home, Ended: true}, again, b)
	counts, err := t.AlertCounts(t.Context(), home)
	if d := cmp.Diff(map[metering.AlertKind]int64{metering.AlertUnpriced: 1}, counts); d != "" || err != nil {
		t.Errorf("counts, %v (-want +got):\n%s", err, d)
	}

	b = alarm(metering.AlertPriceFeed, "https://example.com/", noon+30)
	t.raise(b, true)
	b.Since, b.Count = b.At, 1
	t.list(metering.AlertQuery{Org: home, Ended: true}, b, again)
}

func alertLate(t *alertTest) {
	a := alarm(metering.AlertUnpriced, "openai/m", noon)
	t.raise(a, true)
	t.end(a.Kind, a.Subject, noon+10, true)
	a.At = noon + 9
	t.raise(a, false)
	t.list(metering.AlertQuery{Org: home})
	a.At = noon + 10
	t.raise(a, true)
}

func alertRace(t *alertTest) {
	var opened, ended atomic.Int64
	var wg sync.WaitGroup
	for _, s := range []AlertStore{t.AlertStore, t.other, t.AlertStore, t.other} {
		wg.Go(func() {
			ok, err := s.RaiseAlert(t.Context(), alarm(metering.AlertReconcile, "openai", noon))
			if err != nil {
				t.Error(err)
			}
			if ok {
				opened.Add(1)
			}
		})
	}
	wg.Wait()
	t.list(metering.AlertQuery{Org: home}, metering.Alert{
		Org: home, Kind: metering.AlertReconcile, Subject: "openai", Severity: metering.SeverityWarning, Detail: "detail", Since: noon, At: noon, Count: 4,
	})
	for _, s := range []AlertStore{t.AlertStore, t.other} {
		wg.Go(func() {
			ok, err := s.EndAlert(t.Context(), home, metering.AlertReconcile, "openai", noon+1)
			if err != nil {
				t.Error(err)
			}
			if ok {
				ended.Add(1)
			}
		})
	}
	wg.Wait()
	if opened.Load() != 1 || ended.Load() != 1 {
		t.Errorf("opened %d times and ended %d times, want once each", opened.Load(), ended.Load())
	}
}

func alertTenancy(t *alertTest) {
	t.raise(alarm(metering.AlertUnpriced, "openai/m", noon), true)
	t.list(metering.AlertQuery{Org: "other"})
	if ended, err := t.EndAlert(t.Context(), "other", metering.AlertUnpriced, "openai/m", noon); ended || err != nil {
		t.Errorf("another organisation ended it: %t, %v", ended, err)
	}
	counts, err := t.AlertCounts(t.Context(), "other")
	if len(counts) != 0 || err != nil {
		t.Errorf("another organisation counts %v, %v", counts, err)
	}
}

func alertText(t *alertTest) {
	a := alarm(metering.AlertUnpriced, "a\x00b\xff"+strings.Repeat("ä", 300), noon)
	a.Detail = strings.Repeat("d", 2000)
	t.raise(a, true)
	t.raise(a, false)
	t.end(a.Kind, a.Subject, noon+1, true)
	for _, edit := range []func(*metering.Alert){
		func(a *metering.Alert) { a.Org = "" },
		func(a *metering.Alert) { a.Kind = "other" },
		func(a *metering.Alert) { a.Subject = "" },
		func(a *metering.Alert) { a.Severity = "" },
		func(a *metering.Alert) { a.At = 0 },
	} {
		a := alarm(metering.AlertUnpriced, "s", noon)
		edit(&a)
		if _, err := t.RaiseAlert(t.Context(), a); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("raise %+v: %v", a, err)
		}
	}
}

func alertBound(t *alertTest) {
	for i := range metering.MaxAlerts {
		t.raise(alarm(metering.AlertUnpriced, fmt.Sprint(i), noon+metering.Micros(i)), true)
	}
	t.raise(alarm(metering.AlertUnpriced, "one more", noon), true)
	t.raise(alarm(metering.AlertUnpriced, "another", noon), false)
	t.raise(alarm(metering.AlertUnpriced, "7", noon+metering.MaxAlerts), false)
	counts, err := t.AlertCounts(t.Context(), home)
	if err != nil || counts[metering.AlertUnpriced] != metering.MaxAlerts+1 {
		t.Errorf("%v are open, %v", counts, err)
	}
	t.end(metering.AlertUnpriced, "3", noon+2000, true)
	t.raise(alarm(metering.AlertPriceHeld, "fresh", noon), true)
	all, err := t.Alerts(t.Context(), metering.AlertQuery{Org: home, Ended: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.Subject == "3" {
			t.Errorf("what is over was kept: %+v", a)
		}
	}
}
