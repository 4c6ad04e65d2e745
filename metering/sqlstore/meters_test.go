package sqlstore_test

import (
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
)

func TestMeters(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestMeters(t, func(t *testing.T) (meteringtest.Meters, meteringtest.Meters) {
				url := url(t)
				return open(t, url), open(t, url)
			})
		})
	}
}
