package objects

import (
	"sync"

	"github.com/weirhq/weir/metering/dialect"
)

type cacheKey struct {
	org, provider string
	object        dialect.Object
}

// owner is who is known to have created an object. It is sure if the database
// says so, else it is what this process has seen pass.
type owner struct {
	customer string
	sure     bool
}

// cache remembers the objects that were used last: two generations of at most
// half of its size each, of which the older one goes when the newer is full.
type cache struct {
	mu       sync.Mutex
	half     int
	new, old map[cacheKey]owner
}

func newCache(size int) cache {
	return cache{half: size / 2, new: make(map[cacheKey]owner), old: make(map[cacheKey]owner)}
}

func (c *cache) get(k cacheKey) (owner, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o, ok := c.new[k]; ok {
		return o, true
	}
	o, ok := c.old[k]
	if ok {
		c.add(k, o)
	}
	return o, ok
}

// put remembers an owner. What only passed does not replace what is known.
func (c *cache) put(k cacheKey, o owner) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !o.sure {
		if _, ok := c.new[k]; ok {
			return
		}
		if known, ok := c.old[k]; ok {
			o = known
		}
	}
	c.add(k, o)
}

func (c *cache) add(k cacheKey, o owner) {
	if len(c.new) >= c.half {
		c.old, c.new = c.new, make(map[cacheKey]owner)
	}
	c.new[k] = o
}

func (c *cache) drop(k cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.new, k)
	delete(c.old, k)
}
