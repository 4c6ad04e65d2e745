package sqlstore_test

import (
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
)

func TestPrices(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestPrices(t, func(t *testing.T) (meteringtest.Prices, meteringtest.Prices) {
				url := url(t)
				return open(t, url), open(t, url)
			})
		})
	}
}

func TestHeldPrices(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestHeldPrices(t, func(t *testing.T) (meteringtest.HeldPrices, meteringtest.HeldPrices) {
				url := url(t)
				return open(t, url), open(t, url)
			})
		})
	}
}
