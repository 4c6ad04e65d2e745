package proxytest

import (
	"sync"
	"time"
)

// shortest is the shortest prefix that a vendor caches, in tokens.
const shortest = 1024

// mostCached bounds how many prefixes are remembered.
const mostCached = 100_000

// cache remembers prefixes of prompts and until when a vendor would keep them.
type cache struct {
	mu    sync.Mutex
	until map[prefix]time.Time
}

type prefix struct {
	model string
	name  [16]byte
}

// keep makes room for one more prefix and stores it.
func (c *cache) keep(p prefix, until, now time.Time) {
	if c.until == nil {
		c.until = make(map[prefix]time.Time)
	}
	if len(c.until) >= mostCached {
		for old, end := range c.until {
			if !end.After(now) {
				delete(c.until, old)
			}
		}
	}
	if len(c.until) >= mostCached {
		clear(c.until) // a cache may forget at any time
	}
	c.until[p] = until
}

// implicit returns how many tokens of a prompt are read from a cache that needs
// no marks, and leaves the prompt there for five minutes.
func (c *cache) implicit(model string, p *prompt, now time.Time) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	var hit int64
	for i, name := range p.blocks {
		at := int64(i+1) * block
		if at < shortest || at >= p.count { // the last token is always read anew
			continue
		}
		key := prefix{model, name}
		if c.until[key].After(now) {
			hit = at
		}
		c.keep(key, now.Add(5*time.Minute), now)
	}
	return hit
}

// explicit returns how many tokens are read up to the marks of a prompt, and how
// many are written there for five minutes and for an hour.
func (c *cache) explicit(model string, p *prompt, now time.Time) (read, minutes, hour int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range p.marks {
		if m.at >= shortest && c.until[prefix{model, m.name}].After(now) {
			read = m.at
		}
	}
	written := read
	for _, m := range p.marks {
		if m.at < shortest {
			continue
		}
		c.keep(prefix{model, m.name}, now.Add(m.keep), now) // reading keeps it too
		if m.at <= written {
			continue
		}
		if m.keep > 5*time.Minute {
			hour += m.at - written
		} else {
			minutes += m.at - written
		}
		written = m.at
	}
	return read, minutes, hour
}
