package console

import (
	"net/http"
	"strings"
	"testing"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/billingtest"
	"github.com/weirhq/weir/metering"
)

// TestBillingPages_product goes from nothing to a product with two versions of
// its price, and rates a quantity with both.
func TestBillingPages_product(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	page, at := d.done("/products", "name", "Tokens", "months", "1", "trial_days", "14", "trial_usage", "free",
		"meter", d.Meter, "amount", "0.01", "per", "1,000", "model", "per_unit", "included", "1_000", "currency", "usd")
	page.wants("The product was made", "$0.01 USD per 1,000", "10 per million", "1,000", "the beginning", "further notice", "in force", "14 days")
	id := strings.TrimPrefix(strings.Split(at, "?")[0], "/products/")

	page, _ = d.done("/products/"+id+"/prices", "meter", d.Meter, "amount", "0.012", "per", "1000", "model", "per_package",
		"included", "500", "currency", "USD", "from", "2026-03-01T00:00")
	page.wants("comes into force", "2026-03-01 00:00:00 UTC", "exact fraction → whole packages", "0.01 per 1000 → 0.012 per 1000 (+20.0 %)", "included 1000 → 500", "in force")

	d.Run("a quantity at both versions", func(t *testing.T) {
		// 1,234,567: of version 1, 1,000 are included and 1,233,567 cost 12.33567; of
		// version 2, 500 are included and 1,235 packages are begun.
		page := d.open("/products/" + id + "?quantity=1,234,567&meter=" + d.Meter)
		page.wants("1,233,567", "12.33567", "0.00433", "$12.34 USD", "1,234,067", "14.82", "$14.82 USD")
		d.open("/products/" + id + "?quantity=a+lot").wants("Number \"alot\"")
		d.open("/products/" + id + "?quantity=0").wants("$0.00 USD")
	})
	d.Run("what cannot be", func(t *testing.T) {
		d.refused("/products/"+id+"/prices", http.StatusUnprocessableEntity, "in the past", "meter", d.Meter, "amount", "1", "per", "1", "currency", "USD", "from", "2020-01-01T00:00")
		d.refused("/products/"+id+"/prices", http.StatusConflict, "another price comes into force at that instant", "meter", d.Meter, "amount", "1", "per", "1", "currency", "USD", "from", "2026-03-01T00:00")
		d.refused("/products/"+id+"/prices", http.StatusUnprocessableEntity, "are in USD", "meter", d.Meter, "amount", "1", "per", "1", "currency", "EUR")
		d.refused("/products/"+id+"/prices", http.StatusUnprocessableEntity, "0 is one", "meter", d.Meter, "amount", " ", "per", "1", "currency", "USD")
		d.refused("/products/"+id+"/archive", http.StatusUnprocessableEntity, "tick the box")
		// What was typed is there still.
		a := d.refused("/products", http.StatusConflict, "another product of this name", "name", "Tokens", "meter", d.Meter, "amount", "7.25", "currency", "USD")
		if !strings.Contains(a.body, `value="7.25"`) {
			t.Error("what was typed is gone")
		}
		for name, pairs := range map[string][]string{
			"has 0 characters": {"name", "", "meter", d.Meter, "amount", "1", "currency", "USD"},
			"not in ISO 4217":  {"name", "x", "meter", d.Meter, "amount", "1", "currency", "XXX"},
			"more than twelve": {"name", "x", "meter", d.Meter, "amount", "0.0000000000001", "currency", "USD"},
			"is negative":      {"name", "x", "meter", d.Meter, "amount", "-1", "currency", "USD"},
			"want 1, 3, 6":     {"name", "x", "months", "2", "meter", d.Meter, "amount", "1", "currency", "USD"},
			"1, 3, 6 or 12":    {"name", "x", "months", "9999999999", "meter", d.Meter, "amount", "1", "currency", "USD"},
			"there is none":    {"name", "x", "meter", "no such", "amount", "1", "currency", "USD"},
		} {
			d.refused("/products", http.StatusUnprocessableEntity, name, pairs...)
		}
	})
	page, _ = d.done("/products/"+id+"/rename", "name", "LLM tokens")
	page.wants("renamed", "LLM tokens")
	page, _ = d.done("/products/"+id+"/archive", "confirm", "yes")
	page.wants("archived", "subscriptions to it go on")
	d.open("/products").wants("LLM tokens", "archived", "$0.01 USD per 1,000", "1,000 included")
	got, err := d.Store.Product(d.Context(), metering.DefaultOrg, id)
	d.Must(err)
	if got.Archived == 0 || len(got.Prices) != 2 {
		t.Errorf("the product is %+v", got)
	}
}

// TestPriceDiff says what a version changed.
func TestPriceDiff(t *testing.T) {
	t.Parallel()
	number := billingtest.Number
	for _, tt := range []struct {
		name    string
		was, is billing.Price
		want    string
	}{
		{"dearer", billing.Price{Amount: number("10"), Per: 1000000}, billing.Price{Amount: number("12.5"), Per: 1000000}, "10 per 1000000 → 12.5 per 1000000 (+25.0 %)"},
		{"cheaper by another unit", billing.Price{Amount: number("10"), Per: 1000000}, billing.Price{Amount: number("0.005"), Per: 1000}, "10 per 1000000 → 0.005 per 1000 (-50.0 %)"},
		{"from nothing", billing.Price{Per: 1}, billing.Price{Amount: number("1"), Per: 1}, "0 per 1 → 1 per 1"},
		{"the same", billing.Price{Amount: number("1"), Per: 1}, billing.Price{Amount: number("1"), Per: 1}, "no change"},
	} {
		if got := strings.Join(priceDiff(tt.was, tt.is), "; "); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestBillingPages_manyProducts pages through what does not fit one page.
func TestBillingPages_manyProducts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range listed + 1 {
		d.Product(strings.Repeat("p", i+1), []billing.Price{d.Price("1", 1)})
	}
	page := d.open("/products")
	last := strings.Repeat("p", listed+1)
	if strings.Contains(page.body, ">"+last+"<") {
		t.Fatal("the first page has all of them")
	}
	for _, link := range page.links() {
		if strings.Contains(link, "cursor=") {
			d.open(strings.TrimPrefix(link, "/console")).wants(last)
			return
		}
	}
	t.Error("nothing leads to the second page")
}
