package sqlstore_test

import (
	"fmt"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/meteringtest"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// layer is a layer of one model at a price.
func layer(t *testing.T, level catalogue.Level, price string) *catalogue.Layer {
	t.Helper()
	l, err := catalogue.NewLayer(level, catalogue.Rows{
		SKUs:  []catalogue.SKU{{Provider: "openai", SKU: "m"}},
		Rates: []catalogue.Rate{{Provider: "openai", SKU: "m", Meter: "input", Price: &price}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestPrices_lostReply: the reply to a COMMIT is lost, and the change of prices
// is made again from the start; it is there once. Row 10 of the failure matrix.
func TestPrices_lostReply(t *testing.T) {
	t.Parallel()
	again, address := meteringtest.Sever(t, meteringtest.Postgres(t))
	s := open(t, address)
	ctx, org := t.Context(), metering.DefaultOrg
	for n := range int64(3) {
		l := layer(t, catalogue.Operator, fmt.Sprint(n+1))
		again("keep a layer", func() error {
			k, err := s.KeepLayer(ctx, org, l, n, 1, "")
			if k.N != n+1 {
				t.Errorf("content %d, want %d", k.N, n+1)
			}
			return err
		})
	}
	book := []*catalogue.Layer{layer(t, catalogue.Embedded, "1"), layer(t, catalogue.Operator, "3")}
	again("keep a book", func() error { return s.KeepPriceBook(ctx, org, "b", book, 1) })
	held := pricesync.Held{ID: "h", Feed: "https://example.com", SKU: "m", State: pricesync.StateOpen, FirstSeen: 1, LastSeen: 1}
	result := pricesync.Result{Layer: layer(t, catalogue.Synced, "1"), At: 1, Held: []pricesync.Held{held}, Feed: pricesync.Feed{URL: held.Feed, Asked: 1}}
	again("keep what was read", func() error { return s.KeepSync(ctx, org, result) })
	again("decide", func() error {
		h, err := s.DecidePrice(ctx, org, "h", pricesync.StateApproved, "me", 2)
		if h.State != pricesync.StateApproved || h.Decided != 2 {
			t.Errorf("decided %+v", h)
		}
		return err
	})
	for level, want := range map[catalogue.Level]int{catalogue.Operator: 3, catalogue.Embedded: 1, catalogue.Synced: 1} {
		if history, err := s.LayerHistory(ctx, org, level, 0, 10); err != nil || len(history) != want {
			t.Errorf("layer %s was kept as %+v, %v, want %d contents", level, history, err, want)
		}
	}
	if got, err := s.PriceBook(ctx, org, "b"); err != nil || len(got) != len(book) {
		t.Errorf("book of %d layers, %v", len(got), err)
	}
}

// TestPrices_damaged: a stored layer that has changed is not used.
func TestPrices_damaged(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := url(t)
			s := open(t, address)
			if _, err := s.KeepLayer(t.Context(), metering.DefaultOrg, layer(t, catalogue.Operator, "1"), 0, 1, ""); err != nil {
				t.Fatal(err)
			}
			if _, err := s.KeepLayer(t.Context(), metering.DefaultOrg, layer(t, catalogue.Account, "2"), 0, 1, ""); err != nil {
				t.Fatal(err)
			}
			if _, err := beside(t, address).ExecContext(t.Context(), `UPDATE price_layers SET content = (SELECT o.content FROM price_layers o WHERE o.layer = 'account') WHERE layer = 'operator'`); err != nil {
				t.Fatal(err)
			}
			if l, _, err := s.LatestLayer(t.Context(), metering.DefaultOrg, catalogue.Operator); err == nil {
				t.Errorf("prices of another layer were read as %+v", l)
			}
			if layers, err := s.PriceLayers(t.Context(), metering.DefaultOrg); err == nil {
				t.Errorf("prices of another layer are in %+v", layers)
			}
		})
	}
}
