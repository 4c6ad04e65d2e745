package console

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
)

// Bounds of the names that are kept, so that a page that polls does not ask for
// each of them each time.
const (
	labelsFor = 10 * time.Second
	maxLabels = 10_000
)

// labels are the names of customers and keys as pages show them.
type labels struct {
	mu    sync.Mutex
	since time.Time
	names map[string]string // by kind and id
}

func (l *labels) find(kind, id string, now time.Time, ask func() (string, error)) (string, error) {
	l.mu.Lock()
	if l.names == nil || now.Sub(l.since).Abs() > labelsFor || len(l.names) > maxLabels {
		l.names, l.since = make(map[string]string), now
	}
	name, ok := l.names[kind+id]
	l.mu.Unlock()
	if ok {
		return name, nil
	}
	name, err := ask()
	if err != nil {
		return "", err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.names[kind+id] = name
	return name, nil
}

// customerLabel is the name of a customer by its id. One that is gone, or that
// an event named before it existed, is its id.
func (s *Server) customerLabel(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	return s.labels.find("customer ", id, s.opts.SignIn(), func() (string, error) {
		c, err := s.opts.Store.Customer(ctx, s.opts.Org, id)
		if errors.Is(err, metering.ErrNotFound) {
			return id, nil
		}
		if err != nil {
			return "", fmt.Errorf("name of a customer: %w", err)
		}
		return nameOf(c), nil
	})
}

// nameOf is what a customer is called.
func nameOf(c metering.Customer) string {
	if c.Name != "" {
		return c.Name
	}
	return c.ExternalID
}

// keyLabel is what is shown of a key by its id.
func (s *Server) keyLabel(ctx context.Context, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	return s.labels.find("key ", id, s.opts.SignIn(), func() (string, error) {
		k, err := s.opts.Store.Key(ctx, s.opts.Org, id)
		if errors.Is(err, metering.ErrNotFound) {
			return id, nil
		}
		if err != nil {
			return "", fmt.Errorf("name of a key: %w", err)
		}
		return keyName(k), nil
	})
}

// keyName is a key as lists show it: its name, and the end that tells it apart.
func keyName(k metering.Key) string {
	if k.Name == "" {
		return k.Prefix + "…" + k.Last4
	}
	return k.Name + " …" + k.Last4
}

// groupLabel is the name of a group of usage: a customer's, a key's, or the
// value itself. What has no value says so.
func (s *Server) groupLabel(ctx context.Context, by, value string) (string, error) {
	label, err := value, error(nil)
	switch by {
	case "customer":
		label, err = s.customerLabel(ctx, value)
	case "key":
		label, err = s.keyLabel(ctx, value)
	}
	if label == "" {
		label = "(none)"
	}
	return label, err
}
