package metering_test

import (
	"errors"
	"testing"

	"github.com/weirhq/weir/metering"
)

// TestStatedCost covers T41: what a provider states is read to the pico-dollar,
// whatever its notation, and nothing becomes zero because it could not be read.
func TestStatedCost(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ amount, unit, want string }{
		{"0.0000305", "usd", "0.0000305"},
		{"1.4e-05", "usd", "0.000014"},
		{"1E-12", "usd", "0.000000000001"},
		{"0.0000000000005", "usd", "0.000000000001"},   // half a pico-dollar
		{"0.00000000000049", "usd", "0"},               // less than half of one
		{"0.00021960000000000003", "usd", "0.0002196"}, // a float that was printed
		{"0", "usd", "0"},
		{"158500", "usd/1e10", "0.00001585"},
		{"31.4", "usd/1e2", "0.314"},
		{"999999.999999999999", "usd", "999999.999999999999"},
	} {
		got, err := (&metering.StatedCost{Amount: tt.amount, Unit: tt.unit}).Cost()
		if err != nil || got.String() != tt.want {
			t.Errorf("%s %s is %s, %v, want %s", tt.amount, tt.unit, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ amount, unit string }{
		{"-0.1", "usd"}, {"", "usd"}, {"free", "usd"}, {"1/3", "usd"}, {"NaN", "usd"}, {"1e400", "usd"}, {"1000001", "usd"},
		{"1", "eur"}, {"1", "usd/1e99"}, {"1", ""}, {"0x10", "usd"},
	} {
		e := metering.Event{Usage: metering.Usage{StatedCost: &metering.StatedCost{Amount: tt.amount, Unit: tt.unit}}}
		if got, err := e.Usage.StatedCost.Cost(); !errors.Is(err, metering.ErrInvalid) {
			t.Errorf("%s %s is %s, %v", tt.amount, tt.unit, got, err)
		}
		if got, ok := e.Stated(); ok {
			t.Errorf("%s %s is stated as %s", tt.amount, tt.unit, got)
		}
	}
	if _, ok := new(metering.Event).Stated(); ok {
		t.Error("nothing is stated as something")
	}
}
