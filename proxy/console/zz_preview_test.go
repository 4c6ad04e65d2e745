package console

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

func TestPreview(t *testing.T) {
	if os.Getenv("PREVIEW") == "" {
		t.Skip()
	}
	d := newDesk(t)
	d.Move("2026-01-01T00:00:00Z")
	small := d.Product("LLM usage", []billing.Price{d.Price("0.01", 1000)}, func(p *billing.Product) { p.TrialDays = 0 })
	large := d.Product("Enterprise, negotiated", []billing.Price{d.Price("7.5", 1000000)}, func(p *billing.Product) { p.TrialDays = 14 })
	s := d.Contract(small, "2026-01-01T00:00:00Z")
	_, err := d.Store.AddPrice(d.Context(), metering.DefaultOrg, billing.Price{Product: small.ID, Meter: d.Meter, Model: billing.PerPackage, Currency: "USD", Amount: billingtest.Number("0.012"), Per: 1000, Included: billingtest.Number("10000"), From: billingtest.Instant("2026-02-15T00:00:00Z")}, d.At())
	d.Must(err)
	d.Card("declines")
	d.Grant(billing.Grant{Meter: d.Meter, Issued: billingtest.Number("34567"), Note: "start"})
	d.Grant(billing.Grant{Currency: "USD", Issued: billingtest.Number("2"), Note: "sorry for the outage", Expires: billingtest.Instant("2026-06-20T00:00:00Z")})
	d.Call("2026-01-10T12:00:00Z", "gpt-4o-mini", 1_234_567)
	ev := d.Call("2026-01-11T12:00:00Z", "claude-sonnet-4-5-20250929", 1_000_000, func(e *metering.Event) { e.Cost = metering.Cost{Micros: 15_000_000} })
	d.Move("2026-02-01T00:00:01Z")
	d.Settle()
	d.Card("works")
	d.Call("2026-02-10T12:00:00Z", "gpt-4o-mini", 2_234_567)
	d.Call("2026-02-20T12:00:00Z", "gpt-4o-mini", 5_234_567)
	d.Move("2026-03-01T00:00:01Z")
	d.Settle()
	_, err = d.Store.SwitchProduct(d.Context(), metering.DefaultOrg, s.ID, billing.Phase{From: billingtest.Instant("2026-04-01T00:00:00Z"), Product: large.ID}, d.At())
	d.Must(err)
	acme := d.Customer
	d.Customer = d.AddCustomer("globex-corporation-international")
	d.Contract(large, "2026-02-20T10:30:00Z")
	d.Use("2026-02-19T12:00:00Z", "4321")
	d.Call("2026-03-05T12:00:00Z", "o3-deep-research", 9_876_543)
	d.Customer = acme
	for i := range 12 {
		d.Call(fmt.Sprintf("2026-03-%02dT12:00:00Z", i+1), "gpt-4o-mini", int64(300_000+i*77_777))
		d.Call(fmt.Sprintf("2026-03-%02dT13:00:00Z", i+1), "claude-sonnet-4-5-20250929", int64(200_000+i*33_333), func(e *metering.Event) { e.Cost = metering.Cost{Micros: 3_000_000 + int64(i)*100000} })
	}
	d.Call("2026-03-11T13:00:00Z", "brand-new-model", 1000, func(e *metering.Event) { e.CostState, e.Cost = metering.CostUnpriced, metering.Cost{} })
	d.Move("2026-03-14T09:26:53Z")
	d.pages.PDF = func(billing.Account) ([]byte, error) { return nil, nil }
	mux := http.NewServeMux()
	mux.Handle("/console/", d.mux)
	mux.Handle("/assets/", page.Assets())
	mux.HandleFunc("POST /console/theme", d.pages.site.SetTheme)
	mux.HandleFunc("/console/block/event", func(w http.ResponseWriter, r *http.Request) {
		v, err := d.pages.event(r.Context(), metering.DefaultOrg, ev)
		if err != nil {
			d.pages.site.Fail(w, r, err)
			return
		}
		d.pages.site.Render(w, r, 200, "eventbilling", v)
	})
	mux.HandleFunc("/console/block/health", func(w http.ResponseWriter, r *http.Request) {
		v, err := d.pages.health(r.Context(), metering.DefaultOrg)
		if err != nil {
			d.pages.site.Fail(w, r, err)
			return
		}
		d.pages.site.Render(w, r, 200, "billinghealth", v)
	})
	list, _, err := d.Store.Invoices(d.Context(), metering.DefaultOrg, "", 10, "")
	d.Must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	d.Must(err)
	base := "http://" + l.Addr().String() + "/console"
	text := ""
	for name, path := range map[string]string{
		"products": "/products", "product": "/products/" + small.ID + "?quantity=1234567", "subscriptions": "/subscriptions", "subscription": "/subscriptions/" + s.ID,
		"customer": "/customers/acme/billing", "customer2": "/customers/globex-corporation-international/billing", "invoices": "/invoices",
		"invoice": "/invoices/" + list[0].Invoice.ID + "?audit=yes", "invoicefailed": "/invoices/" + list[1].Invoice.ID, "margin": "/margin?by=model", "marginday": "/margin?by=day", "margincustomer": "/margin", "event": "/block/event", "health": "/block/health",
	} {
		text += name + " " + base + path + "\n"
	}
	d.Must(os.WriteFile("/tmp/preview.txt", []byte(text), 0o600))
	_ = http.Serve(l, page.Secure(mux))
}
