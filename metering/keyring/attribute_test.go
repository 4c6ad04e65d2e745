package keyring_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
)

var (
	attribute = []metering.Permit{metering.PermitAttribute}
	create    = []metering.Permit{metering.PermitAttribute, metering.PermitCreate}
)

func principal(t *testing.T, r *keyring.Ring, secret []byte) *metering.Principal {
	t.Helper()
	p, err := r.Lookup(secret)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestRing_Attribute(t *testing.T) {
	t.Parallel()
	src := stored()
	plain := src.add(t, "c1", func(k *metering.Key) { k.Permits = attribute })
	maker := src.add(t, "c1", func(k *metering.Key) { k.Permits = create })
	r := loaded(t, src, keyring.Options{})
	f := func(secret []byte, external string, want error) {
		t.Helper()
		before := *principal(t, r, secret)
		p, err := r.Attribute(t.Context(), principal(t, r, secret), external)
		if !errors.Is(err, want) || err == nil && (p.Customer.ExternalID != external || p.Customer.Org != "org" || p.Key.ID != before.Key.ID) {
			t.Errorf("%q: got %+v, %v; want %v", external, p, err, want)
		}
		if after := principal(t, r, secret); after.Customer != before.Customer {
			t.Errorf("%q: the key now belongs to %+v", external, after.Customer)
		}
	}
	f(plain, "acme", nil)
	f(plain, "gone", keyring.ErrArchived)
	f(plain, "new", keyring.ErrUnknownCustomer)
	f(plain, "theirs", keyring.ErrUnknownCustomer) // of another organisation
	if src.creations != 0 {
		t.Fatal("a key without permission made a customer")
	}
	f(maker, "acme", nil)
	f(maker, "gone", keyring.ErrArchived)
	f(maker, "new", nil)
	f(maker, "new", nil)
	f(maker, "theirs", nil) // a customer of this organisation that is called so too
	f(maker, "\xff", metering.ErrInvalid)
	f(maker, "c1", nil) // a customer that is called like another one's id
	if src.creations != 3 {
		t.Errorf("%d customers were made", src.creations)
	}
	if src.loads != 1 {
		t.Errorf("making customers read all keys %d times", src.loads-1)
	}
	f(plain, "new", nil)
}

// TestRing_Attribute_unavailable: that nobody can be asked is not that there is
// no such customer.
func TestRing_Attribute_unavailable(t *testing.T) {
	t.Parallel()
	src := stored()
	maker := src.add(t, "c1", func(k *metering.Key) { k.Permits = create })
	r := loaded(t, src, keyring.Options{})
	p := principal(t, r, maker)
	src.fail(errDown)
	var u *keyring.UnavailableError
	if _, err := r.Attribute(t.Context(), p, "new"); !errors.As(err, &u) || !errors.Is(err, errDown) {
		t.Errorf("got %v", err)
	}
	if _, err := r.Attribute(t.Context(), p, "acme"); err != nil {
		t.Errorf("one that is in memory: %v", err)
	}
}

// TestRing_Attribute_elsewhere: another replica was first, and its snapshot or
// ours does not have the customer yet.
func TestRing_Attribute_elsewhere(t *testing.T) {
	t.Parallel()
	src := stored()
	maker := src.add(t, "c1", func(k *metering.Key) { k.Permits = create })
	rings := []*keyring.Ring{loaded(t, src, keyring.Options{}), loaded(t, src, keyring.Options{})}
	var mu sync.Mutex
	ids := make(map[string]int)
	var wg sync.WaitGroup
	for i := range 20 {
		r := rings[i%2]
		p := principal(t, r, maker)
		wg.Go(func() {
			got, err := r.Attribute(t.Context(), p, "new")
			if err != nil {
				t.Errorf("attribute: %v", err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[got.Customer.ID]++
		})
	}
	wg.Wait()
	if len(ids) != 1 || src.creations != 1 {
		t.Errorf("20 calls belong to %v, %d customers were made", ids, src.creations)
	}
	// One that has been archived since is found, and refused.
	src.change(func(s *source) {
		s.customers = append(s.customers, metering.Customer{Org: "org", ID: "c9", ExternalID: "old", Archived: 1})
	})
	if _, err := rings[0].Attribute(t.Context(), principal(t, rings[0], maker), "old"); !errors.Is(err, keyring.ErrArchived) {
		t.Errorf("got %v", err)
	}
}

// TestRing_Attribute_archived: a customer that this replica made and another
// archived is refused within a second.
func TestRing_Attribute_archived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		src := stored()
		maker := src.add(t, "c1", func(k *metering.Key) { k.Permits = create })
		r := loaded(t, src, keyring.Options{})
		stop := running(t, r)
		p := principal(t, r, maker)
		if _, err := r.Attribute(t.Context(), p, "new"); err != nil {
			t.Fatal(err)
		}
		src.change(func(s *source) { s.customers[len(s.customers)-1].Archived = 1 })
		time.Sleep(time.Second)
		if _, err := r.Attribute(t.Context(), p, "new"); !errors.Is(err, keyring.ErrArchived) {
			t.Errorf("got %v", err)
		}
		stop()
	})
}
