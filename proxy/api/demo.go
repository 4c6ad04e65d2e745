package api

import (
	"context"
	"path/filepath"
	"time"
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
// billed: a sandbox is apart as a whole.
func EnsureDemo(ctx context.Context, store DemoStore, dir, org string, mint Mint, now time.Time) (string, error) {
	return EnsureKey(ctx, store, StandingKey{Org: org, ExternalID: DemoCustomer, Customer: "Demo customer", Name: "demo", File: filepath.Join(dir, demoKeyFile)}, mint, now)
}
