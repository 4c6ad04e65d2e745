package examples_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/weirhq/weir/deploy/clients/box"
)

func TestNextjs(t *testing.T) {
	program(t)
	node := box.Node(t, "nextjs/node_modules")
	next, err := filepath.Abs("nextjs/node_modules/next/dist/bin/next")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	build := exec.CommandContext(ctx, node, next, "build")
	build.Dir, build.Env = "nextjs", append(box.Environment(), "NEXT_TELEMETRY_DISABLED=1")
	build.WaitDelay = 5 * time.Second
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("next build: %v\n%s", err, out)
	}
	application{
		dir: "nextjs", args: []string{node, next, "start", "-H", "127.0.0.1", "-p", "0"},
		ready:    regexp.MustCompile(`(?s)Local:\s+(http://127\.0\.0\.1:\d+)\s.*Ready in`),
		generate: "/api/generate", stream: "/api/stream",
	}.test(t)
}
