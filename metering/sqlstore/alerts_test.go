package sqlstore_test

import (
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
)

func TestAlerts(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestAlerts(t, func(t *testing.T) (meteringtest.AlertStore, meteringtest.AlertStore) {
				url := url(t)
				return open(t, url), open(t, url)
			})
		})
	}
}
