package meteringtest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checked is a test with the checks that all suites of stores make.
type checked struct{ *testing.T }

func (t checked) must(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (t checked) want(what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func (t checked) same(what string, got, want any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}
