package console_test

import (
	"context"
	"crypto/sha256"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/console"
)

var secretKey = regexp.MustCompile(`weir_(?:live|test)_[0-9A-Za-z]{20,}`)

// fresh is a key that is not among the known ones.
func (o *office) fresh(known ...string) metering.Key {
	o.Helper()
	keys, _, err := o.store.Keys(o.Context(), org, "", 100, "")
	o.must(err)
	for _, k := range keys {
		if !strings.Contains(strings.Join(known, " "), k.ID) {
			return k
		}
	}
	o.Fatal("no key was made")
	return metering.Key{}
}

// TestKeys: a key is shown once, works at once, is replaced with a grace period
// and revoked after its end was typed.
func TestKeys(t *testing.T) {
	t.Parallel()
	o := newOffice(t).enter()
	o.customer("acme", "Acme")
	made := o.send("/console/keys", url.Values{
		"customer": {"acme"}, "name": {"production"}, "models": {"gpt-4o, gpt-4o-mini"}, "days": {"30"}, "permit": {"attribute", "create", "root"},
	})
	want(t, "status", made.status, http.StatusCreated)
	want(t, "reads of the ring", o.loads, 1)
	secret := secretKey.FindString(read(made.byID("secret")))
	k := o.fresh()
	if k.Hash != sha256.Sum256([]byte(secret)) {
		t.Errorf("the key that is shown is not the one that works: %q", secret)
	}
	if strings.Count(made.body, secret) != 2 || !strings.Contains(made.body, "curl http://proxy.test:8080/v1/") {
		t.Error("no line to try")
	}
	if k.Name != "production" || len(k.Models) != 2 || len(k.Permits) != 2 || k.Expires != metering.MicrosOf(o.now.AddDate(0, 0, 30)) || k.Test {
		t.Errorf("key %+v", k)
	}
	for _, path := range []string{"/console/keys", "/console/keys/" + k.ID, "/console/keys.csv", "/console/keys.json"} {
		if strings.Contains(o.page(path).body, secret) {
			t.Errorf("%s shows the key again", path)
		}
	}
	turned := o.send("/console/keys/"+k.ID+"/rotate", url.Values{"grace": {"48"}})
	want(t, "replace", turned.status, http.StatusCreated)
	next := o.fresh(k.ID)
	if next.Hash != sha256.Sum256([]byte(secretKey.FindString(read(turned.byID("secret"))))) || next.Name != k.Name || len(next.Models) != 2 {
		t.Errorf("the replacement is %+v", next)
	}
	old, err := o.store.Key(t.Context(), org, k.ID)
	o.must(err)
	want(t, "grace", old.Expires, metering.MicrosOf(o.now.Add(48*time.Hour)))
	want(t, "state", strings.Contains(o.page("/console/keys/"+k.ID).body, "replaced"), true)
	for _, bad := range []string{"-1", "99999", "x"} {
		want(t, "grace "+bad, o.send("/console/keys/"+next.ID+"/rotate", url.Values{"grace": {bad}}).status, http.StatusUnprocessableEntity)
	}
	want(t, "revoked without the end", o.send("/console/keys/"+next.ID+"/revoke", url.Values{"confirm": {"nope"}}).status, http.StatusUnprocessableEntity)
	loads := o.loads
	want(t, "revoke", o.send("/console/keys/"+next.ID+"/revoke", url.Values{"confirm": {next.Last4}}).status, http.StatusSeeOther)
	want(t, "reads of the ring", o.loads, loads+1)
	gone, err := o.store.Key(t.Context(), org, next.ID)
	o.must(err)
	want(t, "revoked", gone.Revoked, metering.MicrosOf(o.now))
	want(t, "replace a revoked one", o.send("/console/keys/"+next.ID+"/rotate", url.Values{"grace": {"1"}}).status, http.StatusUnprocessableEntity)
	for _, form := range []url.Values{
		{"customer": {""}}, {"customer": {"nobody"}}, {"customer": {"acme"}, "permit": {"create"}}, {"customer": {"acme"}, "days": {"-1"}},
		{"customer": {"acme"}, "name": {strings.Repeat("x", 201)}}, {"customer": {"acme"}, "name": {"a\x00b"}}, {"customer": {"acme"}, "name": {"a\xffb"}},
	} {
		if got := o.send("/console/keys", form); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("form %v: %d", form, got.status)
		}
	}
}

// TestCustomers are added once, found, and archived after their id was typed.
func TestCustomers(t *testing.T) {
	t.Parallel()
	asked := ""
	o := newOffice(t, func(c *console.Options) {
		c.PortalLink = func(_ context.Context, c metering.Customer) (string, error) {
			asked = c.ExternalID
			return "https://portal.test/portal/login/xyz", nil
		}
	}).enter()
	made := o.send("/console/customers", url.Values{"external_id": {" acme<1> "}, "name": {"<b>Acme</b>"}, "on_loss": {"pass"}})
	want(t, "status", made.status, http.StatusSeeOther)
	c, err := o.store.Customer(t.Context(), org, "acme<1>")
	o.must(err)
	if c.Name != "<b>Acme</b>" || c.OnLoss != metering.LossPass || o.loads != 1 {
		t.Errorf("customer %+v", c)
	}
	if page := o.page(made.header.Get("Location")); strings.Contains(page.body, "<b>Acme") {
		t.Error("a name is markup")
	}
	for _, form := range []url.Values{{"external_id": {"acme<1>"}}, {"external_id": {""}}, {"external_id": {strings.Repeat("x", 129)}}, {"external_id": {"a\nb"}}} {
		if got := o.send("/console/customers", form); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("form %v: %d", form, got.status)
		}
	}
	want(t, "found", o.get("/console/customers?q=acme%3C1%3E").header.Get("Location"), "/console/customers/"+c.ID)
	if !strings.Contains(o.page("/console/customers?q=nobody").body, "There is no customer “nobody”") {
		t.Error("it does not say that there is none")
	}
	link := o.send("/console/customers/"+c.ID+"/portal", nil)
	want(t, "link to the portal", read(link.byID("link")), "https://portal.test/portal/login/xyz")
	want(t, "for whom", asked, "acme<1>")
	path := "/console/customers/" + c.ID + "/archive"
	want(t, "archive untyped", o.send(path, url.Values{"confirm": {"acme"}}).status, http.StatusUnprocessableEntity)
	want(t, "archive", o.send(path, url.Values{"confirm": {"acme<1>"}}).status, http.StatusSeeOther)
	c, err = o.store.Customer(t.Context(), org, c.ID)
	o.must(err)
	want(t, "archived", c.Archived, metering.MicrosOf(o.now))
	want(t, "a key of an archived one", o.send("/console/keys", url.Values{"customer": {c.ID}}).status, http.StatusUnprocessableEntity)
}

// TestCustomer compares the page of a customer with the rollups.
func TestCustomer(t *testing.T) {
	t.Parallel()
	o, keys := busy(t)
	_, totals := o.usage(day(10), day(26), keys[0].Customer)
	got := o.page("/console/customers/" + keys[0].Customer + "?from=2026-11-10&to=2026-11-26")
	want(t, "requests", got.tiles()["Requests"], str(totals.Requests))
	want(t, "cost", got.tiles()["Upstream cost"], totals.Cost.String())
	models := o.table(got.byID("models"))
	var costs, requests []string
	for _, row := range models[1 : len(models)-1] {
		requests, costs = append(requests, row[1]), append(costs, row[5])
	}
	want(t, "requests by model", o.sumOf(requests...), str(totals.Requests))
	want(t, "cost by model", o.sumOf(costs...), totals.Cost.String())
	want(t, "total", models[len(models)-1][5], totals.Cost.String())
	_, foot := got.chart()
	want(t, "chart", o.sumOf(foot[1:]...), totals.Cost.String())
}

// TestMeters are made from a form and show what the store counts.
func TestMeters(t *testing.T) {
	t.Parallel()
	o, _ := busy(t)
	made := o.send("/console/meters", url.Values{
		"name": {"Output of small models"}, "func": {"sum"}, "property": {"outputTokens"}, "conjunction": {"and"},
		"property0": {"name"}, "operator0": {"eq"}, "value0": {"llm-tokens"},
		"property1": {"model"}, "operator1": {"in"}, "value1": {"gpt-4o-mini, o3"},
		"property2": {"inputTokens"}, "operator2": {"gte"}, "value2": {"1000"},
	})
	want(t, "status", made.status, http.StatusSeeOther)
	m, err := o.store.Meter(t.Context(), org, "Output of small models")
	o.must(err)
	got := o.page("/console/meters/" + m.ID + "?from=2026-11-10&to=2026-11-26")
	rows, err := o.store.Quantities(t.Context(), metering.QuantityQuery{Org: org, Meter: m.ID, From: metering.MicrosOf(day(10)), To: metering.MicrosOf(day(26))})
	o.must(err)
	if rows[0].Events == 0 {
		t.Fatal("nothing was counted")
	}
	want(t, "quantity", read(got.byID("sum")), rows[0].Quantity)
	figure := o.table(got.figure())
	var days []string
	for _, row := range figure[1:] {
		if row[1] != "" {
			days = append(days, row[1])
		}
	}
	want(t, "days", o.sumOf(days...), rows[0].Quantity)
	want(t, "file", strings.Count(o.page("/console/meters/"+m.ID+"/quantities.csv?from=2026-11-10&to=2026-11-26").body, "\n"), 17)
	if list := o.page("/console/meters").body; !strings.Contains(list, "model is one of [&#34;gpt-4o-mini&#34;,&#34;o3&#34;]") || !strings.Contains(list, "inputTokens ≥ 1000") {
		t.Error("the list does not say what the meter counts")
	}
	for _, form := range []url.Values{
		{"name": {"x"}, "func": {"sum"}}, {"name": {"x"}, "func": {"moon"}, "property": {"y"}}, {"name": {""}, "func": {"count"}}, {"name": {"llm-tokens"}, "func": {"count"}},
		{"name": {"x"}, "func": {"count"}, "property": {"y"}}, {"name": {"x"}, "func": {"count"}, "property0": {"a"}, "operator0": {"gt"}, "value0": {"text"}},
		{"name": {"x"}, "func": {"count"}, "property0": {"a"}, "operator0": {"moon"}, "value0": {"1"}}, {"name": {"x"}, "func": {"count"}, "property0": {"a"}, "operator0": {"eq"}},
	} {
		if got := o.send("/console/meters", form); got.status != http.StatusUnprocessableEntity || !strings.Contains(got.body, `role="alert"`) {
			t.Errorf("form %v: %d", form, got.status)
		}
	}
	want(t, "archive untyped", o.send("/console/meters/"+m.ID+"/archive", url.Values{"confirm": {"x"}}).status, http.StatusUnprocessableEntity)
	want(t, "archive", o.send("/console/meters/"+m.ID+"/archive", url.Values{"confirm": {m.Name}}).status, http.StatusSeeOther)
	m, err = o.store.Meter(t.Context(), org, m.ID)
	o.must(err)
	want(t, "archived", m.Archived, metering.MicrosOf(o.now))
}
