package catalogue_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

func priceOf(meter, price string, from catalogue.Instant) catalogue.Rate {
	return catalogue.Rate{Provider: "p", SKU: "m", Meter: meter, Price: &price, From: from}
}

// amend adds rows and holds what is new.
func amend(t *testing.T, base *catalogue.Layer, rows catalogue.Rows, want catalogue.Amendment) *catalogue.Layer {
	t.Helper()
	var before []byte
	if base != nil {
		var err error
		if before, err = base.Encode(); err != nil {
			t.Fatal(err)
		}
	}
	l, got, err := catalogue.Amend(catalogue.Operator, base, rows)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("amendment (-want +got):\n%s", d)
	}
	if base != nil {
		after, err := base.Encode()
		if err != nil || string(after) != string(before) {
			t.Errorf("the layer before was written to: %v", err)
		}
	}
	return l
}

// TestAmend: a layer only grows; what is said of the same thing again supersedes,
// and what is said twice is there once.
func TestAmend(t *testing.T) {
	t.Parallel()
	const since = catalogue.Instant(1_770_000_000_000_000)
	first := amend(t, nil, catalogue.Rows{
		SKUs:      []catalogue.SKU{{Provider: "p", SKU: "m"}},
		Rates:     []catalogue.Rate{priceOf("input", "1", 0), priceOf("output", "2", 0)},
		Modifiers: []catalogue.Modifier{{Provider: "p", Multiply: "0.9"}},
	}, catalogue.Amendment{Added: []string{"operator:p/m/input", "operator:p/m/output", "operator:p/*/x0.9"}, Described: 1})

	same := amend(t, first, first.Rows, catalogue.Amendment{})
	if same.Version != first.Version {
		t.Errorf("the same rows came to version %s, not %s", same.Version, first.Version)
	}
	amend(t, first, catalogue.Rows{Rates: []catalogue.Rate{priceOf("input", "1", 0)}}, catalogue.Amendment{}) // without its id

	second := amend(t, first, catalogue.Rows{
		SKUs:      []catalogue.SKU{{Provider: "p", SKU: "m", Context: 1000}},
		Rates:     []catalogue.Rate{priceOf("input", "3", 0), priceOf("output", "4", since), priceOf("input", "5", 0)},
		Modifiers: []catalogue.Modifier{{Provider: "p", Multiply: "0.8"}},
	}, catalogue.Amendment{
		Added:      []string{"operator:p/m/input~2", "operator:p/m@2026-02-02T02:40:00Z/output", "operator:p/m/input~3", "operator:p/*/x0.8"},
		Superseded: []string{"operator:p/m/input", "operator:p/m/input~2", "operator:p/*/x0.9"}, Described: 1,
	})
	if len(second.Rates) != 5 || len(second.SKUs) != 1 || second.SKUs[0].Context != 1000 {
		t.Errorf("the layer has %d rates and SKUs %+v", len(second.Rates), second.SKUs)
	}
	// A price that was superseded can hold again.
	third := amend(t, second, catalogue.Rows{Rates: []catalogue.Rate{priceOf("input", "1", 0)}},
		catalogue.Amendment{Added: []string{"operator:p/m/input~4"}, Superseded: []string{"operator:p/m/input~3"}})
	if _, err := catalogue.NewLayer(catalogue.Operator, third.Rows); err != nil {
		t.Error(err)
	}
}

// TestAmend_refused: what cannot be meant leaves no layer.
func TestAmend_refused(t *testing.T) {
	t.Parallel()
	first := amend(t, nil, catalogue.Rows{Rates: []catalogue.Rate{priceOf("input", "1", 0)}}, catalogue.Amendment{Added: []string{"operator:p/m/input"}})
	edited := priceOf("input", "2", 0)
	edited.ID = "operator:p/m/input"
	for what, rate := range map[string]catalogue.Rate{"never edited": edited, "no decimal": priceOf("output", "cheap", 0)} {
		l, _, err := catalogue.Amend(catalogue.Operator, first, catalogue.Rows{Rates: []catalogue.Rate{rate}})
		if !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), what) || l != nil {
			t.Errorf("%s: %v, %v", what, l, err)
		}
	}
}
