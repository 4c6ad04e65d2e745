package fault_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirhq/weir/metering/fault"
)

// TestNames_used holds that every point is passed by the product and that no
// two have one name: a test over all points would otherwise show nothing.
func TestNames_used(t *testing.T) {
	t.Parallel()
	var source strings.Builder
	for _, pattern := range []string{"../journal/*.go", "../ship/*.go", "../../proxy/*.go", "../../billing/work/*.go"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			source.Write(text)
		}
	}
	seen := make(map[string]bool)
	for _, name := range fault.Names() {
		if seen[name] {
			t.Errorf("%s is listed twice", name)
		}
		seen[name] = true
		if !strings.Contains(source.String(), "fault.At(fault."+constant(name)+")") {
			t.Errorf("nobody calls fault.At(fault.%s)", constant(name))
		}
	}
}

// constant is the Go name of a point: "ship.after_settle" is ShipAfterSettle.
func constant(name string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}
