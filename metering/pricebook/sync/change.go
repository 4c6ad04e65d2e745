package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Verdict is what becomes of a change.
type Verdict string

// Verdicts.
const (
	Apply    Verdict = "applied"
	Hold     Verdict = "held"
	Rejected Verdict = "rejected" // somebody said no, and the feed still asks
)

// Change is a price of a feed that is not the one in force.
type Change struct {
	ID       string // of the held change, whether it is held or not
	Provider string
	SKU      string
	Meter    string
	When     catalogue.When
	Old, New *string // for Per units; nil: there is no price
	Per      int64
	From     catalogue.Instant // when it begins or would
	Verdict  Verdict
	Reason   string // why, for people
}

// identify names a change by what it would change and into what. The present
// price is no part of it: what was rejected stays rejected until the feed says
// something else.
func (c *Change) identify(dated catalogue.Instant) {
	c.ID = digest(c.Provider, c.SKU, c.Meter, c.When.Key(), dated.String(), fmt.Sprint(c.Per), text(c.New))
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	return hex.EncodeToString(sum[:6])
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// held is the change as it waits.
func (c *Change) held(feed string, at metering.Micros) Held {
	return Held{
		ID: c.ID, Feed: feed, Provider: c.Provider, SKU: c.SKU, Meter: c.Meter, When: c.When, Old: c.Old, New: c.New, Per: c.Per,
		Reason: c.Reason, State: StateOpen, FirstSeen: at, LastSeen: at,
	}
}

// Outcome is what a document leads to.
type Outcome struct {
	Layer     catalogue.Rows // what Synced has then, all of it
	Unchanged bool           // it is what Synced has now
	Changes   []Change       // in the order of models, meters, conditions and beginnings
	Held      []Held         // those that wait
	Applied   []string       // ids of approved changes that Layer has
	Confirmed int            // rates that the feed says again
	Models    int            // that the document lists
	Skipped   int            // ids of regions and patterns, which the book prices by its rules
	Vanished  []string       // models that the document before listed
	Ignored   []string       // entries that could not be used, with why; at most 100
	Listing   []byte         // for Feed
	ETag      string         // of the document
	Warnings  []string       // feeds that could not be asked, with why
}

// Summary is the outcome in one line.
func (o *Outcome) Summary() string {
	var count [3]int
	for i := range o.Changes {
		switch o.Changes[i].Verdict {
		case Apply:
			count[0]++
		case Hold:
			count[1]++
		case Rejected:
			count[2]++
		}
	}
	s := fmt.Sprintf("%d models: %d prices applied, %d held, %d rejected before, %d confirmed, %d models gone", o.Models, count[0], count[1], count[2], o.Confirmed, len(o.Vanished))
	if o.Unchanged {
		s += "; nothing changes"
	}
	return s
}
