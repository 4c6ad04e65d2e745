package meteringtest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/keyring"
)

// together runs n functions at once, alternating between the replicas.
func (t *accountTest) together(n int, do func(i int, on Accounts)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		on := t.Accounts
		if i%2 == 1 {
			on = t.other
		}
		wg.Go(func() {
			<-start
			do(i, on)
		})
	}
	close(start)
	wg.Wait()
}

func customerRace(t *accountTest) {
	for round := range 5 {
		external := fmt.Sprintf("new-%d", round)
		var mu sync.Mutex
		var made []string
		t.together(8, func(_ int, on Accounts) {
			c, err := on.CreateCustomer(t.Context(), metering.Customer{Org: home, ExternalID: external})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				made = append(made, c.ID)
			case !errors.Is(err, metering.ErrConflict):
				t.Errorf("create: %v", err)
			}
		})
		got, err := t.Customer(t.Context(), home, external)
		t.must(err)
		if len(made) != 1 || made[0] != got.ID {
			t.Errorf("made %v, found %s", made, got.ID)
		}
	}
}

// reservationRace: whoever is first, the events and the customer have one id.
func reservationRace(t *accountTest) {
	for round := range 10 {
		external := fmt.Sprintf("new-%d", round)
		events := make([]*metering.Event, 6)
		for i := range events {
			id, err := metering.NewID()
			t.must(err)
			events[i] = &metering.Event{
				Call: metering.Call{ID: id, Org: home, At: noon}, Name: "work", ExternalCustomer: external, Properties: []byte(`{}`),
				Usage: metering.Usage{State: metering.UsageNone},
			}
		}
		t.together(len(events)+1, func(i int, on Accounts) {
			if i == len(events) {
				if _, err := on.CreateCustomer(t.Context(), metering.Customer{Org: home, ExternalID: external}); err != nil {
					t.Errorf("create: %v", err)
				}
				return
			}
			if got, err := on.Ingest(t.Context(), home, events[i:i+1]); err != nil || got.Inserted != 1 {
				t.Errorf("ingest: %+v, %v", got, err)
			}
		})
		c, err := t.Customer(t.Context(), home, external)
		t.must(err)
		for _, e := range events {
			if e.Customer != c.ID {
				t.Errorf("round %d: the customer is %s, an event is of %s", round, c.ID, e.Customer)
			}
		}
	}
}

func revocationRace(t *accountTest) {
	acme := t.customer(home, "acme")
	for range 5 {
		k := t.key(acme)
		t.together(7, func(i int, on Accounts) {
			if i == 3 {
				if err := on.RevokeKey(t.Context(), home, k.ID, noon); err != nil {
					t.Errorf("revoke: %v", err)
				}
				return
			}
			update := k
			update.Name = fmt.Sprint("update ", i)
			if err := on.UpdateKey(t.Context(), update); err != nil && !errors.Is(err, metering.ErrConflict) {
				t.Errorf("update: %v", err)
			}
		})
		if got, err := t.Key(t.Context(), home, k.ID); err != nil || got.Revoked != noon {
			t.Errorf("after the revocation: %+v, %v", got, err)
		}
	}
}

// revocationEverywhere runs the rings of two replicas over the real database,
// whose time is real.
func revocationEverywhere(t *accountTest) {
	acme := t.customer(home, "acme")
	secret, hash, prefix, last4, err := keyring.Mint(false)
	t.must(err)
	k := t.fresh(acme)
	k.Hash, k.Prefix, k.Last4 = hash, prefix, last4
	k.Permits = []metering.Permit{metering.PermitAttribute, metering.PermitCreate}
	k, err = t.CreateKey(t.Context(), k)
	t.must(err)

	rings := []*keyring.Ring{keyring.New(t.Accounts, keyring.Options{}), keyring.New(t.other, keyring.Options{})}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for _, r := range rings {
		t.must(r.Load(ctx))
		wg.Go(func() {
			if err := r.Run(ctx); err != nil {
				t.Errorf("run: %v", err)
			}
		})
	}
	var ids [2]string
	for i, r := range rings {
		p, err := r.Lookup([]byte(secret))
		t.must(err)
		named, err := r.Attribute(ctx, p, "made by a call")
		t.must(err)
		ids[i] = named.Customer.ID
	}
	if ids[0] != ids[1] {
		t.Errorf("two replicas attribute one name to %v", ids)
	}
	t.must(t.RevokeKey(t.Context(), home, k.ID, metering.MicrosOf(time.Now())))
	since := time.Now()
	for i, r := range rings {
		for {
			_, err := r.Lookup([]byte(secret))
			if errors.Is(err, keyring.ErrRevoked) {
				break
			}
			if took := time.Since(since); err != nil || took > time.Second {
				t.Errorf("replica %d after %s: %v", i, took, err)
				break
			}
			time.Sleep(time.Millisecond) // the database's clock is not ours to move
		}
	}
	t.Logf("refused by both after %s", time.Since(since))
}
