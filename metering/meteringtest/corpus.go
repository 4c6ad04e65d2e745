package meteringtest

import (
	"os"
	"path/filepath"
	"testing"
)

// CorpusFiles lists the recorded exchanges, which stand beside the repository.
// Where they are not the test is skipped with one loud line, and in continuous
// integration it fails.
func CorpusFiles(t testing.TB) []string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			break
		}
		if filepath.Dir(root) == root {
			t.Fatal("this test is not run in its repository")
		}
		root = filepath.Dir(root)
	}
	files, err := filepath.Glob(filepath.Join(root, "..", "shared", "corpus", "exchanges", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case len(files) > 0:
	case os.Getenv("CI") == "true":
		t.Fatal("the corpus of recorded exchanges is not beside this repository, and CI=true forbids skipping")
	default:
		t.Skip("SKIPPED: the corpus of recorded exchanges is not beside this repository")
	}
	return files
}
