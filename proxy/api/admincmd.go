package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// AdminCmd groups the commands about people who sign in to the console.
type AdminCmd struct {
	Add AdminAdd `cmd:"" aliases:"create" help:"Give a person a password for the console, read from standard input."`
}

// AdminAdd gives a person a password, in the place of the one before.
type AdminAdd struct {
	Common `embed:""`
	Email  string `required:"" placeholder:"ADDRESS" help:"Whom."`
}

// Run runs the command.
func (c *AdminAdd) Run(ctx context.Context, env *Env) error {
	fmt.Fprintf(env.Stderr, "Password for %s, at least %d characters: ", c.Email, minPassword)
	line, err := bufio.NewReader(io.LimitReader(env.Stdin, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the password: %w", err)
	}
	password := strings.TrimRight(line, "\r\n")
	if password == "" {
		return &UsageError{errors.New("the password is read from standard input, and there is none")}
	}
	return ask(ctx, c.Common, env, func(cl *Client) (Admin, error) { return cl.SetPassword(ctx, c.Email, password) },
		func(p *printer, a Admin) { p.line("%s signs in at /console/login", a.Email) })
}
