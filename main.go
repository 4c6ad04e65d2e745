// Command weir is a transparent LLM reverse proxy that meters and bills. This
// file is its composition root.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"github.com/weirhq/weir/config"
)

// cli is the command line.
type cli struct {
	Check checkCmd `cmd:"" help:"Validate the configuration: every problem at once, with its path."`
}

// checkCmd is `weir check`.
type checkCmd struct {
	Config string `help:"Configuration file; without one, the defaults are checked." placeholder:"FILE"`
}

// Run prints every problem and warning; any problem is exit status 1.
func (c checkCmd) Run() error {
	conf, err := config.Load(c.Config, os.LookupEnv)
	if err != nil {
		return err
	}
	for _, w := range conf.Warnings() {
		fmt.Println("warning:", w)
	}
	fmt.Println("the configuration is valid")
	return nil
}

func main() {
	var c cli
	parser, err := kong.New(&c, kong.Name("weir"), kong.Description("Meters and bills LLM calls."))
	if err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		os.Exit(2)
	}
	ctx, err := parser.Parse(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "weir:", err)
		os.Exit(2)
	}
	if err := ctx.Run(); err != nil {
		var problems *config.Error
		if errors.As(err, &problems) {
			fmt.Fprintln(os.Stderr, problems)
		} else {
			fmt.Fprintln(os.Stderr, "weir:", err)
		}
		os.Exit(1)
	}
}
