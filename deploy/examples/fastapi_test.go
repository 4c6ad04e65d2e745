package examples_test

import (
	"regexp"
	"testing"

	"github.com/weirhq/weir/deploy/clients/box"
)

func TestFastAPI(t *testing.T) {
	program(t)
	application{
		dir: "fastapi", args: []string{box.Python(t, "../clients/python/.venv"), "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0"},
		ready:    regexp.MustCompile(`Uvicorn running on (http://127\.0\.0\.1:\d+)\s`),
		generate: "/generate", stream: "/stream",
	}.test(t)
}
