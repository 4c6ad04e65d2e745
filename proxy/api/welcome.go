package api

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Greeting is what a newcomer to a sandbox is told.
type Greeting struct {
	Proxy string // URL of the data plane
	Key   string // of the demo customer
	Data  string // data directory
	Card  string // on file of the demo customer; empty: there is none
	Login string // one-use link into the console; empty: there is none
}

// Print tells what to try, from the first call to the proof of the invoice.
func (g Greeting) Print(out io.Writer) {
	weir, from := program(), dataFlag(g.Data)
	charged := "billed each month"
	if g.Card != "" {
		charged += " to the card on file, " + g.Card
	}
	fmt.Fprintf(out, `
A simulated provider answers; nothing leaves this machine and nothing costs money.
The customer %[1]q has the product %[2]q: 0.01 USD per 1,000 tokens,
%[3]s. Its key: %[4]s

Call it, as an SDK would:
  curl %[5]s/v1/chat/completions -H 'Authorization: Bearer %[4]s' -H 'Content-Type: application/json' \
    -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"What does a weir do?"}]}'
  (add "stream":true to see it streamed)

In another shell, see what it used and what it owes so far:
  %[6]s usage --customer %[1]s --by model --sync%[7]s
  %[6]s invoice estimate --customer %[1]s%[7]s
Let a month pass; the invoice is issued and charged:
  %[6]s clock advance 1mo%[7]s
Open the invoice, and have every figure of it computed again:
  %[6]s invoice list --customer %[1]s%[7]s
  %[6]s invoice audit INV-000001%[7]s
`, DemoCustomer, DemoProduct, charged, g.Key, g.Proxy, weir, from)
	if g.Login != "" {
		fmt.Fprintf(out, "All of it with pages, by a link that works once (%s login%s prints another):\n  %s\n", weir, from, g.Login)
	}
	fmt.Fprintf(out, "\nCtrl-C ends it; what was recorded stays in %s.\n", g.Data)
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
