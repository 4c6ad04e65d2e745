package sqlstore_test

import (
	"testing"

	"github.com/weirhq/weir/metering/meteringtest"
)

func TestAccounts(t *testing.T) {
	for name, url := range engines() {
		t.Run(name, func(t *testing.T) {
			meteringtest.TestAccounts(t, func(t *testing.T) (meteringtest.Accounts, meteringtest.Accounts) {
				url := url(t)
				return open(t, url), open(t, url)
			})
		})
	}
}
