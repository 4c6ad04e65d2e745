package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/weirhq/weir/metering"
)

// Me is what the data plane tells the holder of a key about it.
type Me struct {
	Customer string `json:"customer"` // external id
	Key      string `json:"key"`      // what may be shown of it
	Test     bool   `json:"test"`
	// From and To are the current calendar month in UTC, To exclusive.
	From  Instant     `json:"from"`
	To    Instant     `json:"to"`
	Usage UsageTotals `json:"usage"` // of this key alone
	// Limits and balance appear here once the key has some.
	Limits []struct{} `json:"limits"`
}

// ShowMe returns the body of /-/me: a key's own usage of the month, as far
// as it has been shipped, and what it is charged. A nil biller charges nothing.
func ShowMe(ctx context.Context, store EventStore, biller Charger, p *metering.Principal, now time.Time) ([]byte, error) {
	from := time.Date(now.UTC().Year(), now.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	to := from.AddDate(0, 1, 0)
	q := metering.UsageQuery{
		Org: p.Key.Org, Customer: p.Customer.ID, From: metering.MicrosOf(from), To: metering.MicrosOf(to), By: []string{"key"},
	}
	rows, _, err := store.Usage(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("usage of a key: %w", err)
	}
	charges, err := chargesOf(ctx, biller, q, rows)
	if err != nil {
		return nil, err
	}
	me := Me{
		Customer: p.Customer.ExternalID, Key: p.Key.Prefix + "…" + p.Key.Last4, Test: p.Key.Test,
		From: Instant(metering.MicrosOf(from)), To: Instant(metering.MicrosOf(to)), Limits: []struct{}{},
		Usage: showTotals(metering.UsageTotals{}, "0", charges.Currency),
	}
	for i, r := range rows {
		if r.Group["key"] == p.Key.ID {
			me.Usage = showTotals(r.UsageTotals, charges.Rows[i], charges.Currency)
		}
	}
	body, err := json.Marshal(me)
	if err != nil {
		return nil, fmt.Errorf("encode usage of a key: %w", err)
	}
	return append(body, '\n'), nil
}
