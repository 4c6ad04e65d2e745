package redis

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/admission"
)

const (
	// factsPerCall bounds how long one script holds up the server.
	factsPerCall = 32
	// pipelined is how many scripts are sent before their answers are read.
	pipelined = 128
)

// settleCall is one run of the script: facts of one slot, in order.
type settleCall struct {
	slot  metering.Slot
	args  []any
	facts []int // their places in the batch
}

// group puts the facts of a slot together. What can never be applied gets its
// result here and is not sent.
func (c *Counter) group(batch []metering.Settlement, results []error) []*settleCall {
	var calls []*settleCall
	open := make(map[metering.Slot]*settleCall)
	names := make(map[metering.Window]string) // most facts are in the same few windows
	for i := range batch {
		f := &batch[i]
		if err := admission.CheckSettlement(f); err != nil {
			results[i] = fmt.Errorf("settle: %w", err)
			continue
		}
		call := open[f.Slot]
		if call == nil || len(call.facts) == factsPerCall {
			call = &settleCall{slot: f.Slot, args: []any{micros(c.opts.Grace), c.opts.Idle.Milliseconds(), admission.MaxEntries}}
			open[f.Slot] = call
			calls = append(calls, call)
		}
		call.args = append(call.args, f.Journal, f.Prev, f.Seq, hex.EncodeToString(f.ID[:]), len(f.Add))
		for j := range f.Add {
			w := &f.Add[j].Window
			name, known := names[*w]
			if !known {
				name = field(w)
				names[*w] = name
			}
			call.args = append(call.args, name, int64(w.End), f.Add[j].Amount)
		}
		call.facts = append(call.facts, i)
	}
	return calls
}

// send runs calls in one pipeline, and again by their text those that the
// server did not know: they have not run.
func (c *Counter) send(ctx context.Context, calls []*settleCall, results []error) error {
	cmds, err := c.pipeline(ctx, calls, func(p goredis.Pipeliner, keys []string, args []any) *goredis.Cmd {
		return settleScript.EvalSha(ctx, p, keys, args...)
	})
	if err != nil {
		return err
	}
	var again []*settleCall
	for i, cmd := range cmds {
		if unknown(cmd.Err()) {
			again = append(again, calls[i])
		} else if err := calls[i].read(cmd, results); err != nil {
			return err
		}
	}
	if len(again) == 0 {
		return nil
	}
	cmds, err = c.pipeline(ctx, again, func(p goredis.Pipeliner, keys []string, args []any) *goredis.Cmd {
		return settleScript.Eval(ctx, p, keys, args...)
	})
	if err != nil {
		return err
	}
	for i, cmd := range cmds {
		if err := again[i].read(cmd, results); err != nil {
			return err
		}
	}
	return nil
}

// pipeline fails if the server could not be talked to; what it answered to each
// call is for the caller to read.
func (c *Counter) pipeline(ctx context.Context, calls []*settleCall, add func(goredis.Pipeliner, []string, []any) *goredis.Cmd) ([]*goredis.Cmd, error) {
	p := c.client.Pipeline()
	cmds := make([]*goredis.Cmd, len(calls))
	for i, call := range calls {
		cmds[i] = add(p, []string{slotKey(call.slot)}, call.args)
	}
	var answered goredis.Error
	if _, err := p.Exec(ctx); err != nil && !errors.As(err, &answered) {
		return nil, err
	}
	return cmds, nil
}

// read sets the results of the call's facts.
func (c *settleCall) read(cmd *goredis.Cmd, results []error) error {
	statuses, err := cmd.Int64Slice()
	if err != nil {
		return err
	}
	if len(statuses) != len(c.facts) {
		return fmt.Errorf("script answered %d results for %d facts", len(statuses), len(c.facts))
	}
	for i, status := range statuses {
		switch status {
		case statusDone:
		case statusLost:
			results[c.facts[i]] = metering.ErrSlotLost
		case statusFull:
			results[c.facts[i]] = admission.ErrFull
		default:
			return fmt.Errorf("script answered status %d", status)
		}
	}
	return nil
}
