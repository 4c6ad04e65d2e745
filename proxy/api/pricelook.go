package api

import (
	pricesync "github.com/weirhq/weir/metering/pricebook/sync"
)

// mostDiffs is how many changes an answer lists.
const mostDiffs = 1000

// NewPriceSync is what a look at a feed led to, for an answer. What failed is said
// of the feed. book is the version that prices from now on.
func NewPriceSync(feed string, out *pricesync.Outcome, err error, dry bool, book string) PriceSync {
	look := FeedLook{URL: feed}
	answer := PriceSync{DryRun: dry, Book: book, Changes: []PriceDiff{}}
	if err != nil {
		look.Failure = err.Error()
	}
	if out != nil {
		look.Changed, look.Models, look.Held = !out.Unchanged, out.Models, len(out.Held)
		for i := range out.Changes {
			c := &out.Changes[i]
			if len(answer.Changes) == mostDiffs {
				answer.More = len(out.Changes) - i
				break
			}
			d := PriceDiff{Provider: c.Provider, SKU: c.SKU, Meter: c.Meter, When: c.When, Old: c.Old, New: c.New, Per: c.Per}
			if c.Verdict != pricesync.Apply {
				d.Held = c.Reason
			}
			answer.Changes = append(answer.Changes, d)
		}
	}
	answer.Feeds = []FeedLook{look}
	return answer
}
