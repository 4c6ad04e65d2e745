package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/weirhq/weir/metering"
)

// Mint makes a proxy key.
type Mint = func(test bool) (secret string, hash [32]byte, prefix, last4 string, err error)

// StandingKey is a key that this process itself needs, with its customer.
type StandingKey struct {
	Org        string
	ExternalID string // of the customer, made if there is none
	Customer   string // its name
	Name       string // of the key
	Permits    []metering.Permit
	File       string // holds the key, because the database has only its hash
}

// EnsureKey makes sure that the customer and the key are there, and returns the
// key. One that was lost or revoked is replaced.
func EnsureKey(ctx context.Context, store DemoStore, k StandingKey, mint Mint, now time.Time) (string, error) {
	owner, err := store.Customer(ctx, k.Org, k.ExternalID)
	if errors.Is(err, metering.ErrNotFound) {
		owner, err = store.CreateCustomer(ctx, metering.Customer{
			Org: k.Org, ExternalID: k.ExternalID, Name: k.Customer, OnLoss: metering.LossRefuse, Created: metering.MicrosOf(now),
		})
	}
	if err != nil {
		return "", fmt.Errorf("make customer %s: %w", k.ExternalID, err)
	}
	have, err := os.ReadFile(k.File)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("read key %s: %w", k.Name, err)
	}
	if secret := strings.TrimSpace(string(have)); secret != "" {
		live, err := usable(ctx, store, k.Org, owner.ID, secret)
		if err != nil {
			return "", fmt.Errorf("look up key %s: %w", k.Name, err)
		}
		if live {
			return secret, nil
		}
	}
	secret, hash, prefix, last4, err := mint(false)
	if err != nil {
		return "", fmt.Errorf("mint key %s: %w", k.Name, err)
	}
	// As with the first access token, the file comes first.
	if err := writePrivate(k.File, []byte(secret+"\n")); err != nil {
		return "", err
	}
	_, err = store.CreateKey(ctx, metering.Key{
		Org: k.Org, Customer: owner.ID, Name: k.Name, Hash: hash, Prefix: prefix, Last4: last4, Permits: k.Permits,
		Created: metering.MicrosOf(now),
	})
	if err != nil {
		return "", fmt.Errorf("create key %s: %w", k.Name, err)
	}
	return secret, nil
}

// usable reports whether the customer still has that key and it works.
func usable(ctx context.Context, store DemoStore, org, customer, secret string) (bool, error) {
	hash, cursor := sha256.Sum256([]byte(secret)), ""
	for {
		keys, next, err := store.Keys(ctx, org, customer, maxLimit, cursor)
		if err != nil {
			return false, err
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
