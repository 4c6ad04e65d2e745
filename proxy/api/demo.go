package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Names of what a sandbox has from the start.
const (
	DemoCustomer = "demo"
	demoKeyFile  = "demo-key"
)

// DemoStore is what EnsureDemo needs of the database.
type DemoStore interface {
	CustomerStore
	KeyStore
}

// EnsureDemo makes sure that the organisation has the demo customer with a key,
// and returns the key. It is a live key, because what test keys use is never
// billed: a sandbox is apart as a whole. It is kept in the data directory, because
// the database has only its hash; a key that was lost or revoked is replaced.
func EnsureDemo(ctx context.Context, store DemoStore, dir, org string, mint func(test bool) (secret string, hash [32]byte, prefix, last4 string, err error), now time.Time) (string, error) {
	owner, err := store.Customer(ctx, org, DemoCustomer)
	if errors.Is(err, metering.ErrNotFound) {
		owner, err = store.CreateCustomer(ctx, metering.Customer{
			Org: org, ExternalID: DemoCustomer, Name: "Demo customer", OnLoss: metering.LossRefuse, Created: metering.MicrosOf(now),
		})
	}
	if err != nil {
		return "", fmt.Errorf("make the demo customer: %w", err)
	}
	name := filepath.Join(dir, demoKeyFile)
	have, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read the demo key: %w", err)
	}
	if secret := strings.TrimSpace(string(have)); secret != "" {
		live, err := usable(ctx, store, org, owner.ID, secret)
		if err != nil || live {
			return secret, err
		}
	}
	secret, hash, prefix, last4, err := mint(false)
	if err != nil {
		return "", fmt.Errorf("mint the demo key: %w", err)
	}
	// As with the first access token, the file comes first.
	if err := writePrivate(name, []byte(secret+"\n")); err != nil {
		return "", err
	}
	_, err = store.CreateKey(ctx, metering.Key{
		Org: org, Customer: owner.ID, Name: "demo", Hash: hash, Prefix: prefix, Last4: last4,
		Created: metering.MicrosOf(now),
	})
	if err != nil {
		return "", fmt.Errorf("create the demo key: %w", err)
	}
	return secret, nil
}

// usable reports whether the customer still has that key and it works.
func usable(ctx context.Context, store DemoStore, org, customer, secret string) (bool, error) {
	hash, cursor := sha256.Sum256([]byte(secret)), ""
	for {
		keys, next, err := store.Keys(ctx, org, customer, maxLimit, cursor)
		if err != nil {
			return false, fmt.Errorf("look up the demo key: %w", err)
		}
		for _, k := range keys {
			if k.Hash == hash && !k.Test && k.Revoked == 0 && k.Expires == 0 {
				return true, nil
			}
		}
		if next == "" {
			return false, nil
		}
		cursor = next
	}
}
