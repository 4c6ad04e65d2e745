package api

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Welcome tells a newcomer what to try in a sandbox whose data plane is at
// proxy, with the demo customer's key.
func Welcome(out io.Writer, proxy, key, data string) {
	fmt.Fprintf(out, `
A simulated provider answers; nothing leaves this machine and nothing costs money.
The demo customer's key: %[2]s

Call it, as an SDK would:
  curl %[1]s/v1/chat/completions -H 'Authorization: Bearer %[2]s' -H 'Content-Type: application/json' \
    -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What does a weir do?"}]}'
  (add "stream":true to see it streamed)

See what it used, in another shell:
  %[6]s usage --customer %[3]s --by model%[4]s

Ctrl-C ends it; what was recorded stays in %[5]s.
`, proxy, key, DemoCustomer, dataFlag(data), data, program())
}

// program is how this program was called: it may have no name of its own yet.
func program() string {
	if strings.Contains(os.Args[0], string(filepath.Separator)+"go-build") {
		return "go run ."
	}
	return "weir"
}

// dataFlag is what a command needs to find the server of a directory.
func dataFlag(data string) string {
	if filepath.Clean(data) == filepath.Base(sandboxData) {
		return ""
	}
	return " --data " + quoted(data)
}
