package pricebook_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
)

// TestRead_refused: what is not certain to be meant does not become a price.
func TestRead_refused(t *testing.T) {
	t.Parallel()
	good := "p,m,,,,,,,input=1,,test,\n"
	f := func(prices, fees, want string) {
		t.Helper()
		b, err := pricebook.Read(strings.NewReader(priceHead+prices), strings.NewReader(feeHead+fees))
		if b != nil || !errors.Is(err, metering.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q %q: %v, want ErrInvalid with %q", prices, fees, err, want)
		}
	}
	// A seventh decimal of a dollar is a fraction of a pico-dollar for a token.
	f("p,m,,,,,,,input=0.0000001,,test,\n", "", "not a whole number of pico-dollars")
	f("p,m,,,,,,,input=0.0375001,,test,\n", "", "not a whole number of pico-dollars")
	f("p,m,,,,,,,input=-1,,test,\n", "", "not 0 to 10000")
	f("p,m,,,,,,,input=10001,,test,\n", "", "not 0 to 10000")
	f("p,m,,,,,,,input=NaN,,test,\n", "", "number")
	f("p,m,,,,,,,input=1e-7,,test,\n", "", "whole number")
	f("p,m,,,,,,,input=,,test,\n", "", "number")
	f("p,m,,,,,,,input,,test,\n", "", "price")
	f("p,m,,,,,,,prompt=1,,test,\n", "", "token cell")
	f("p,m,,,,,,,prompt.*=1,,test,\n", "", "token cell")
	f("p,m,,,,,,,input=1 input=2,,test,\n", "", "twice")
	f("p,m,,,,,,,,,test,\n", "", "neither prices nor a reason")
	f("p,m,,,,,,,input=1,,,\n", "", "source")
	f(",m,,,,,,,input=1,,test,\n", "", "provider")
	f("p,m,,maybe,,,,,input=1,,test,\n", "", "dated")
	f("p,m,,,yesterday,,,,input=1,,test,\n", "", "neither a date nor an instant")
	f("p,m,,,,2026-13-01,,,input=1,,test,\n", "", "neither a date nor an instant")
	f("p,m,,,2026-02-01,2026-02-01,,,input=1,,test,\n", "", "ends before it begins")
	f("p,m,,,,,standard,,input=1,,test,\n", "", "tier")
	f("p,m,,,,,,0,input=1,,test,\n", "", "above")
	f("p,m,,,,,,1k,input=1,,test,\n", "", "above")
	f("p,m,,,,,flex,,input=1,,test,\n", "", "no standard prices")
	f("p,m,,,,,,,,nobody knows,test,\n", "", "unpriced")
	f("p,m,,,,,,,input=1,condition: x,test,\n", "", "unpriced and has prices")
	f(good+good, "", "twice")
	f(good+"p,m,,,2026-01-01,,,,input=2,,test,\n", "", "at one time")
	f(good+"p,n,m,,,,,,input=2,,test,\n", "", "at one time")
	f("p,m,,,2026-01-01,2026-03-01,,,input=1,,test,\np,m,,,2026-02-01,,,,input=2,,test,\n", "", "at one time")
	f(good+"p,m,alias,,,,flex,,input=1,,test,\n", "", "only the first line")
	f(good, "q,x,1,1000,,test,\n", "a provider with prices")
	f(good, "p,,1,1000,,test,\n", "quantity")
	f(good, "p,x,1,0,,test,\n", "per")
	f(good, "p,x,1,7,,test,\n", "whole number")
	f(good, "p,x,1,1000,other,test,\n", "no model")
	f(good, "p,x,1,1000,,test,\np,x,1,1000,,test,\n", "twice")
	for _, head := range []string{"provider,model\n", strings.Replace(priceHead, "tier", "Tier", 1)} {
		if _, err := pricebook.Read(strings.NewReader(head), strings.NewReader(feeHead)); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("columns %q: %v", head, err)
		}
	}
	for _, broken := range []string{priceHead + "p,m\n", priceHead + "\"", ""} {
		if b, err := pricebook.Read(strings.NewReader(broken), strings.NewReader(feeHead)); err == nil {
			t.Errorf("%q was read as %v", broken, b)
		}
	}
}

// TestRead_wide: a class for every modality yields to a modality of its own and
// does not reach into another class.
func TestRead_wide(t *testing.T) {
	t.Parallel()
	b := read(t, "p,m,,,,,,,input.*=1 input.audio=5 output=2,,test,\n")
	f := func(cell, want string) {
		t.Helper()
		costs(t, b, call(t, "p", "m", map[string]int64{cell: 1_000_000}), want)
	}
	f("input", "1")
	f("input.image", "1")
	f("input.document", "1")
	f("input.audio", "5")
	f("cache_read", "meter: cache_read")
	f("output.image", "meter: output.image")
	f("reasoning", "2")
	f("reasoning.audio", "meter: reasoning.audio")
	own := read(t, "p,m,,,,,,,output=2 reasoning=3,,test,\n")
	costs(t, own, call(t, "p", "m", map[string]int64{"reasoning": 1_000_000}), "3")
}
