package proxy

import (
	"sync"
)

// openSockets are the sockets that are open, with their keys: a key that has
// been revoked must not go on being used for as long as a socket lasts.
type openSockets struct {
	mu   sync.Mutex
	keys map[*client]string
}

func (o *openSockets) add(k *client, key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.keys == nil {
		o.keys = make(map[*client]string)
	}
	o.keys[k] = key
}

func (o *openSockets) remove(k *client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.keys, k)
}

// check looks every key up again, and cuts the sockets of those that would be
// refused now. A key that nobody can tell of is one of them: what is not
// current any more is trusted by no call.
func (o *openSockets) check(keys Keyring) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, key := range o.keys {
		if _, err := keys.Lookup([]byte(key)); err != nil {
			k.raise(signalRevoked)
			delete(o.keys, k)
		}
	}
}
