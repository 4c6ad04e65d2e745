package redis

import (
	"context"
	_ "embed"

	goredis "github.com/redis/go-redis/v9"

	"github.com/weirhq/weir/metering"
)

var (
	//go:embed slot.lua
	slotSource string
	//go:embed admit.lua
	admitSource string
	//go:embed settle.lua
	settleSource string
	//go:embed restore.lua
	restoreSource string
	//go:embed totals.lua
	totalsSource string

	admitScript   = goredis.NewScript(slotSource + admitSource)
	settleScript  = goredis.NewScript(slotSource + settleSource)
	restoreScript = goredis.NewScript(slotSource + restoreSource)
	totalsScript  = goredis.NewScript(slotSource + totalsSource)
)

// run runs a script on a slot: by its digest, or by its text on a server that
// does not know it, which has then not run it.
func (c *Counter) run(ctx context.Context, script *goredis.Script, slot metering.Slot, args []any) *goredis.Cmd {
	keys := []string{slotKey(slot)}
	cmd := script.EvalSha(ctx, c.client, keys, args...)
	if unknown(cmd.Err()) {
		cmd = script.Eval(ctx, c.client, keys, args...)
	}
	return cmd
}

func unknown(err error) bool { return goredis.HasErrorPrefix(err, "NOSCRIPT") }
