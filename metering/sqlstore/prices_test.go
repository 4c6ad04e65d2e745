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
