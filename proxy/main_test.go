package proxy_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain holds I10: no goroutine is left when everything has ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
