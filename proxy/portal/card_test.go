package portal_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/portal"
)

// TestCard_setup leads to the provider's page: at once where the policy lets a
// form go there, else by a link.
func TestCard_setup(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.signIn(d.Customer.ID)
	want := "https://bank.example/setup?customer=" + d.Customer.ID + "&back=" + url.QueryEscape("http://example.com/portal/card/return")
	d.open("/card").wants("None.", "Enter a card")
	a := d.send("/card")
	if a.status != http.StatusOK || !strings.Contains(strings.Join(a.links(), " "), want) {
		t.Errorf("%d, links %q", a.status, a.links())
	}
	d = newDesk(t, func(o *portal.Options) {
		o.CardPages, o.URL, o.Secure = []string{"https://bank.example"}, "https://usage.example/", true
	})
	d.signIn(d.Customer.ID)
	a = d.send("/card")
	if at := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasSuffix(at, url.QueryEscape("https://usage.example/portal/card/return")) {
		t.Errorf("%d to %s", a.status, at)
	}
	if policy := d.open("/card").header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' https://bank.example;") {
		t.Errorf("policy %q", policy)
	}
}

// TestCard_return puts the card on file and charges what waited for one, P16.
// Loaded again it charges nothing.
func TestCard_return(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "declines")
	d.open("/card").wants("card declines", "Unpaid", acc.Invoice.Number)
	d.bank.setups[d.Customer.ID+" s1"] = "works"
	back := func(setup string) answer {
		t.Helper()
		a := d.get("/card/return?setup=" + setup)
		if a.status != http.StatusSeeOther {
			t.Fatalf("%d %s", a.status, a.text())
		}
		return d.open(strings.TrimPrefix(a.header.Get("Location"), "/portal"))
	}
	back("s1").wants("The card is on file.", "card works").lacks("Unpaid")
	back("s1")
	if minor, charges := d.Bank.Taken(); minor != 1235 || charges != 1 || d.Bank.Asked != 2 {
		t.Errorf("%d taken by %d charges, %d were sent", minor, charges, d.Bank.Asked)
	}
	m, err := d.Store.Method(d.Context(), metering.DefaultOrg, d.Customer.ID)
	d.Must(err)
	if m.Token != "works" || m.Provider != "bank" || m.Created != d.At() {
		t.Errorf("method %+v", m)
	}
	d.open("/invoices/" + acc.Invoice.ID).wants("It is paid.")
}

// TestCard_returnOfAnother: what another customer has set up is nobody else's
// card, S26.
func TestCard_returnOfAnother(t *testing.T) {
	t.Parallel()
	d, _ := billed(t, "declines")
	d.bank.setups[d.AddCustomer("globex").ID+" s1"] = "works"
	for _, setup := range []string{"s1", "", "nothing"} {
		if a := d.get("/card/return?setup=" + setup); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.text(), "The one on file stays.") {
			t.Errorf("setup %q: %d", setup, a.status)
		}
	}
	m, err := d.Store.Method(d.Context(), metering.DefaultOrg, d.Customer.ID)
	d.Must(err)
	if m.Token != "declines" || d.Bank.Asked != 1 {
		t.Errorf("method %+v, %d charges were sent", m, d.Bank.Asked)
	}
}

// TestCard_declinedAgain: a new card that is declined is on file, and a reload
// does not try it again.
func TestCard_declinedAgain(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "")
	d.bank.setups[d.Customer.ID+" s1"] = "declines"
	for range 2 {
		if a := d.get("/card/return?setup=s1"); a.status != http.StatusSeeOther {
			t.Fatal(a.status)
		}
	}
	d.open("/card?saved=yes").wants("What could not be charged to it is below", acc.Invoice.Number, "declined")
	if d.Bank.Asked != 1 {
		t.Errorf("%d charges were sent", d.Bank.Asked)
	}
}

// TestCard_chargeFails: the card is on file whatever comes of charging it, and
// the log says why nothing did.
func TestCard_chargeFails(t *testing.T) {
	t.Parallel()
	d, acc := billed(t, "", func(o *portal.Options) {
		o.Pay = func(context.Context, string, string) (billing.Payment, error) {
			return billing.Payment{}, errors.New("canary")
		}
	})
	d.bank.setups[d.Customer.ID+" s1"] = "works"
	if a := d.get("/card/return?setup=s1"); a.status != http.StatusSeeOther {
		t.Fatal(a.status)
	}
	d.open("/card?saved=yes").wants("card works", "Unpaid", acc.Invoice.Number).lacks("canary")
	if !strings.Contains(d.log.String(), "canary") {
		t.Errorf("the log does not say why:\n%s", d.log)
	}
	if a := d.send("/invoices/"+acc.Invoice.ID+"/pay", "confirm", "yes"); a.status != http.StatusInternalServerError || strings.Contains(a.body, "canary") {
		t.Errorf("%d %s", a.status, a.text())
	}
}
