package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/period"
	"github.com/weirhq/weir/metering"
)

// DemoProduct is the name of the product that the demo customer has: 0.01 USD
// per 1,000 tokens, billed each month.
const DemoProduct = "LLM usage"

// DemoUsageStore is what EnsureDemoBilling needs of the metering database.
type DemoUsageStore interface {
	CustomerStore
	MeterStore
}

// DemoBillingStore is what it needs of the billing database.
type DemoBillingStore interface {
	ProductStore
	SubscriptionStore
	CardStore
}

// EnsureDemoBilling makes sure that the demo customer, whom EnsureDemo has made,
// is subscribed to the demo product and has a card on file, and returns what the
// card is called. Each step is made where it is missing, so that a start that
// died between two is repaired by the next. What somebody has changed since
// stays: a product that was archived, a subscription that was ended or switched.
//
// card returns a card of the sandbox's payment provider that can be charged; nil:
// there is no provider, and no card.
func EnsureDemoBilling(ctx context.Context, store DemoUsageStore, bills DemoBillingStore, card func(ctx context.Context, customerID string) (billing.PaymentMethod, error), org string, now time.Time) (label string, err error) {
	owner, err := store.Customer(ctx, org, DemoCustomer)
	if err != nil {
		return "", fmt.Errorf("find the demo customer: %w", err)
	}
	product, err := ensureDemoProduct(ctx, store, bills, org, metering.MicrosOf(now))
	if err != nil {
		return "", fmt.Errorf("make the demo product: %w", err)
	}
	if err := ensureDemoSubscription(ctx, bills, owner, product, metering.MicrosOf(now)); err != nil {
		return "", fmt.Errorf("subscribe the demo customer: %w", err)
	}
	if card == nil {
		return "", nil
	}
	if label, err = ensureDemoCard(ctx, bills, owner, card, metering.MicrosOf(now)); err != nil {
		return "", fmt.Errorf("put a card on file for the demo customer: %w", err)
	}
	return label, nil
}

func ensureDemoProduct(ctx context.Context, store MeterStore, bills ProductStore, org string, now metering.Micros) (billing.Product, error) {
	p, err := bills.Product(ctx, org, DemoProduct)
	if !errors.Is(err, metering.ErrNotFound) {
		return p, err
	}
	m, err := store.Meter(ctx, org, metering.MeterLLM)
	if err != nil {
		return p, err
	}
	const cent = metering.PicosPerUnit / 100
	return bills.CreateProduct(ctx, billing.Product{
		Org: org, Name: DemoProduct, Months: 1, TrialUsage: billing.TrialFree, Created: now,
		Prices: []billing.Price{{Meter: m.ID, Model: billing.PerUnit, Currency: billing.USD, Amount: metering.Number{Picos: cent}, Per: 1000}},
	})
}

func ensureDemoSubscription(ctx context.Context, bills SubscriptionStore, owner metering.Customer, p billing.Product, now metering.Micros) error {
	have, _, err := bills.Subscriptions(ctx, owner.Org, owner.ID, 1, "")
	if err != nil || len(have) > 0 || p.Archived != 0 {
		return err
	}
	start := metering.MicrosOf(now.Time().Truncate(24 * time.Hour)) // a period of whole days reads better
	_, err = bills.CreateSubscription(ctx, billing.Subscription{
		Org: owner.Org, Customer: owner.ID, Anchor: period.AnchorAt(start, time.UTC, p.Months), Start: start, Trial: p.TrialUsage,
		Phases: []billing.Phase{{From: start, Product: p.ID}}, Created: now,
	})
	return err
}

func ensureDemoCard(ctx context.Context, bills CardStore, owner metering.Customer, card func(context.Context, string) (billing.PaymentMethod, error), now metering.Micros) (string, error) {
	have, err := bills.Method(ctx, owner.Org, owner.ID)
	if !errors.Is(err, metering.ErrNotFound) {
		return have.Label, err
	}
	m, err := card(ctx, owner.ID)
	if err != nil {
		return "", err
	}
	m.Org, m.Customer, m.Created = owner.Org, owner.ID, now
	saved, err := bills.SaveMethod(ctx, m)
	return saved.Label, err
}
