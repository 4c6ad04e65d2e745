package sqlstore

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/weirhq/weir/metering"
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
	"github.com/weirhq/weir/metering/sqldb"
)

// Bounds of what is kept of a feed, in bytes.
const (
	maxFeedURL  = 2000
	maxFeedText = 1000
	maxListing  = 4 << 20
)

// PriceFeeds returns what is known of the feeds, by URL.
func (s *Store) PriceFeeds(ctx context.Context, org string) ([]pricesync.Feed, error) {
	return sqldb.All(ctx, s.db.Read(), "list price feeds", func(r *sql.Rows) (pricesync.Feed, error) {
		var f pricesync.Feed
		err := r.Scan(&f.URL, &f.Shape, &f.ETag, &f.Digest, &f.Models, &f.Bytes, &f.Asked, &f.Read, &f.Confirmed, &f.Failure, &f.Failures, &f.Listing)
		return f, err
	}, `SELECT url, shape, etag, digest, models, bytes, asked_at, read_at, confirmed_at, failure, failures, listing FROM price_feeds WHERE org_id = $1 ORDER BY url`, org)
}

// KeepPriceFeed replaces what is known of the feed with that URL.
func (s *Store) KeepPriceFeed(ctx context.Context, org string, f pricesync.Feed) error {
	if err := storableFeed(org, &f); err != nil {
		return err
	}
	return s.write(ctx, "keep price feed", func(tx querier) error { return keepFeed(ctx, tx, org, &f) })
}

func storableFeed(org string, f *pricesync.Feed) error {
	if err := sqldb.Storable(org, f.URL, string(f.Shape), f.ETag, f.Digest, f.Failure); err != nil {
		return fmt.Errorf("price feed: %w", err)
	}
	if f.URL == "" || len(f.URL) > maxFeedURL || len(f.ETag) > maxFeedText || len(f.Failure) > maxFeedText || len(f.Listing) > maxListing {
		return fmt.Errorf("price feed %.100q: its address, tag or failure is longer than what is kept, or there is no address: %w", f.URL, metering.ErrInvalid)
	}
	return nil
}

func keepFeed(ctx context.Context, tx querier, org string, f *pricesync.Feed) error {
	_, err := tx.Exec(ctx, `INSERT INTO price_feeds (org_id, url, shape, etag, digest, models, bytes, asked_at, read_at, confirmed_at, failure, failures, listing)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (org_id, url) DO UPDATE SET shape = excluded.shape, etag = excluded.etag, digest = excluded.digest, models = excluded.models, bytes = excluded.bytes,
			asked_at = excluded.asked_at, read_at = excluded.read_at, confirmed_at = excluded.confirmed_at, failure = excluded.failure, failures = excluded.failures,
			listing = excluded.listing`,
		org, f.URL, string(f.Shape), f.ETag, f.Digest, int64(f.Models), f.Bytes, int64(f.Asked), int64(f.Read), int64(f.Confirmed), f.Failure, int64(f.Failures), f.Listing)
	if err != nil {
		return fmt.Errorf("feed %s: %w", f.URL, err)
	}
	return nil
}
