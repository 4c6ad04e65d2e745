package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
)

var errDown = errors.New("the database is down")

// source is a database of keys in memory, shared by the replicas of a test.
type source struct {
	mu        sync.Mutex
	version   int64
	keys      []metering.Key
	customers []metering.Customer
	down      error
	hang      bool // answer only when the question is given up
	loads     int
	creations int
}

func (s *source) KeyringVersion(ctx context.Context) (int64, error) {
	if err := s.trouble(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, nil
}

func (s *source) trouble(ctx context.Context) error {
	s.mu.Lock()
	hang, down := s.hang, s.down
	s.mu.Unlock()
	if hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return down
}

func (s *source) Keyring(ctx context.Context) (int64, []metering.Principal, error) {
	if err := s.trouble(ctx); err != nil {
		return 0, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.loads++
	var out []metering.Principal
	for _, c := range s.customers {
		out = append(out, metering.Principal{Customer: c})
		for _, k := range s.keys {
			if k.Customer == c.ID {
				out = append(out, metering.Principal{Key: k, Customer: c})
			}
		}
	}
	return s.version, out, nil
}

func (s *source) Customer(ctx context.Context, org, ref string) (metering.Customer, error) {
	if err := s.trouble(ctx); err != nil {
		return metering.Customer{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, match := range []func(metering.Customer) bool{
		func(c metering.Customer) bool { return c.ID == ref },
		func(c metering.Customer) bool { return c.ExternalID == ref },
	} {
		for _, c := range s.customers {
			if c.Org == org && match(c) {
				return c, nil
			}
		}
	}
	return metering.Customer{}, metering.ErrNotFound
}

func (s *source) CreateCustomer(ctx context.Context, c metering.Customer) (metering.Customer, error) {
	if err := s.trouble(ctx); err != nil {
		return metering.Customer{}, err
	}
	if c.ExternalID == "\xff" {
		return c, fmt.Errorf("external id: %w", metering.ErrInvalid)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, have := range s.customers {
		if have.Org == c.Org && have.ExternalID == c.ExternalID {
			return c, metering.ErrConflict
		}
	}
	c.ID = fmt.Sprintf("id-%d", len(s.customers))
	s.customers = append(s.customers, c)
	s.creations++
	s.version++
	return c, nil
}

// change changes the database as the admin API would.
func (s *source) change(do func(*source)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s)
	s.version++
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = err
}

// add makes a key of a customer and returns its secret.
func (s *source) add(t testing.TB, customer string, change func(*metering.Key)) []byte {
	t.Helper()
	secret, hash, prefix, last4, err := keyring.Mint(false)
	if err != nil {
		t.Fatal(err)
	}
	k := metering.Key{Org: "org", ID: fmt.Sprintf("key-%d", len(s.keys)), Customer: customer, Hash: hash, Prefix: prefix, Last4: last4}
	if change != nil {
		change(&k)
	}
	s.change(func(s *source) { s.keys = append(s.keys, k) })
	return []byte(secret)
}

// stored is a source with two customers, of which the second is archived.
func stored() *source {
	return &source{version: 7, customers: []metering.Customer{
		{Org: "org", ID: "c1", ExternalID: "acme"},
		{Org: "org", ID: "c2", ExternalID: "gone", Archived: 1},
		{Org: "other", ID: "c3", ExternalID: "theirs"},
	}}
}

func loaded(t testing.TB, src keyring.Source, o keyring.Options) *keyring.Ring {
	t.Helper()
	r := keyring.New(src, o)
	if err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

// lines counts what is logged.
type lines struct {
	slog.Handler
	mu   sync.Mutex
	text []string
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, r.Level.String()+" "+r.Message)
	return nil
}

func (l *lines) logged() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.text...)
}
