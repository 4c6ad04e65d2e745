package console_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/console"
)

// broken cannot read alerts.
type broken struct{ console.AlertStore }

func (broken) AlertCounts(context.Context, string) (map[metering.AlertKind]int64, error) {
	return nil, errors.New("no database")
}

// banner is the line above a page, empty: there is none.
func (r reply) banner() string {
	r.o.Helper()
	found := find(r.document(), func(n *html.Node) bool {
		for _, a := range n.Attr {
			if a.Key == "class" && strings.HasPrefix(a.Val, "banner") {
				return true
			}
		}
		return false
	})
	if len(found) == 0 {
		return ""
	}
	return read(found[0])
}

// alerts makes an office that keeps alerts.
func alerts(t *testing.T) *office {
	t.Helper()
	var o *office
	o = newOffice(t, func(c *console.Options) { c.Alerts = lazy{&o} })
	return o
}

// lazy is the store of an office that is being made.
type lazy struct{ o **office }

func (l lazy) Alerts(ctx context.Context, q metering.AlertQuery) ([]metering.Alert, error) {
	return (*l.o).store.Alerts(ctx, q)
}

func (l lazy) AlertCounts(ctx context.Context, org string) (map[metering.AlertKind]int64, error) {
	return (*l.o).store.AlertCounts(ctx, org)
}

// TestAlerts: what is open is on a page with what to do about it, and its number on
// every page, for who is signed in.
func TestAlerts(t *testing.T) {
	t.Parallel()
	o := alerts(t).enter()
	if got := o.page("/console/alerts"); !strings.Contains(got.body, "No alert is open") || got.banner() != "" {
		t.Errorf("without alerts the page says %q", got.banner())
	}
	raise := func(kind metering.AlertKind, subject string, severity metering.Severity) {
		t.Helper()
		_, err := o.store.RaiseAlert(t.Context(), metering.Alert{
			Org: org, Kind: kind, Subject: subject, Severity: severity, Detail: "seen <here>", Since: metering.MicrosOf(o.now.Add(-2 * time.Hour)), At: metering.MicrosOf(o.now),
		})
		o.must(err)
	}
	raise(metering.AlertUnpriced, "openrouter/x/gpt new", metering.SeverityCritical)
	want(t, "banner of one", o.page("/console/").banner(), "1 alert is open. What to do")
	raise(metering.AlertUnpriced, "openrouter/x/gpt new", metering.SeverityCritical)
	for _, kind := range metering.AlertKinds()[1:] {
		raise(kind, "subject of "+string(kind), metering.SeverityWarning)
	}
	raise(metering.AlertNegativeMargin, "customer:c1", metering.SeverityCritical)
	_, err := o.store.EndAlert(t.Context(), org, metering.AlertReconcile, "subject of reconcile", metering.MicrosOf(o.now)+1)
	o.must(err)

	open := len(metering.AlertKinds())
	for _, path := range []string{"/console/", "/console/usage", "/console/alerts", "/console/health", "/console/keys"} {
		want(t, "banner of "+path, o.page(path).banner(), str(int64(open))+" alerts are open. What to do")
	}
	got := o.page("/console/alerts")
	rows := o.table(got.document())[1:]
	want(t, "open alerts", len(rows), open)
	seen := map[string][]string{}
	for _, row := range rows {
		seen[row[0]] = row
		if row[6] != "seen <here>" || !strings.Contains(row[7], "weir ") {
			t.Errorf("%q does not say what to do", row)
		}
	}
	row := seen["openrouter/x/gpt new"]
	want(t, "kind", row[1], "Calls without a cost")
	want(t, "severity", strings.HasSuffix(row[2], "critical"), true)
	want(t, "since", row[3], "2 h ago")
	want(t, "how often", row[5], "2")
	for _, link := range []string{`href="/console/events?model=x%2Fgpt&#43;new"`, `href="/console/customers/c1"`, `href="/console/alerts" aria-current="page"`} {
		if !strings.Contains(got.body, link) {
			t.Errorf("the page has no %s", link)
		}
	}
	if strings.Contains(got.body, "subject of reconcile") {
		t.Error("what is over is among what is open")
	}
	if got := o.page("/console/alerts?ended=1"); !strings.Contains(got.body, "subject of reconcile") {
		t.Error("what is over is not shown")
	}
	o.cookie = nil
	if got := o.get("/console/login"); got.banner() != "" {
		t.Errorf("who is not signed in reads %q", got.banner())
	}
}

// TestAlerts_absent: without alerts there is no page of them, and an absent banner
// means that none is open: nobody knows is said.
func TestAlerts_absent(t *testing.T) {
	t.Parallel()
	o := newOffice(t).enter()
	want(t, "a console without alerts", o.get("/console/alerts").status, 404)
	if strings.Contains(o.page("/console/").body, "/console/alerts") {
		t.Error("the navigation leads to no page")
	}
	o = newOffice(t, func(c *console.Options) { c.Alerts = broken{} }).enter()
	want(t, "banner", o.page("/console/").banner(), "Alerts cannot be read. System health")
}
