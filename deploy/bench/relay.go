package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
)

// The relay is a peer in Go that reads nothing of what it passes on: what the
// network alone costs a program in Go on this machine, whatever it is for.

// startRelay starts this program again, as the relay.
func startRelay(ctx context.Context, _, upstream string, _ options) (*peer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	// The relay changes no header: its clients send what the upstream wants.
	p := &peer{name: "relay", key: upstreamKey, calls: addr, streams: addr, cmd: exec.Command(self, "--relay", addr, "--relay-to", upstream)}
	p.cmd.Stderr = &p.log
	if err := startPinned(p.cmd, proxyCPU); err != nil {
		p.stop()
		return nil, err
	}
	p.pids = []int{p.cmd.Process.Pid}
	if err := p.await(ctx, addr); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// relay passes what comes on connections to addr on to the upstream, over one of
// its own for each, and back, until ctx has ended.
func relay(ctx context.Context, addr, upstream string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	for {
		client, err := ln.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		go between(ctx, client, upstream)
	}
}

// between serves one client. It ends when either side has closed.
func between(ctx context.Context, client net.Conn, upstream string) {
	defer client.Close()
	server, err := dial(ctx, upstream)
	if err != nil {
		return // the client sees its connection closed
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() {
		pass(server, client)
		server.Close()
	})
	pass(client, server)
	client.Close()
	both.Wait()
}

// pass copies one read at a time, each with a write of its own, as a proxy does
// that looks at what it passes: io.Copy would leave the copying to the kernel.
func pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// relaying is what this program does when it was started as the relay.
func relaying(ctx context.Context, o options) error {
	if o.relayTo == "" {
		return errors.New("--relay needs --relay-to, the upstream")
	}
	return relay(ctx, o.relay, o.relayTo)
}
