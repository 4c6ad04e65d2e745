package sync

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
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

// Percent is how far the price moves, to a tenth, as "+12.5 %"; empty where
// there is nothing to compare.
func (c *Change) Percent() string {
	if c.Old == nil || c.New == nil {
		return ""
	}
	old, new := unit(&catalogue.Rate{Price: c.Old}), unit(&catalogue.Rate{Price: c.New})
	if old == nil || new == nil || old.Sign() == 0 {
		return ""
	}
	moved := new.Quo(new.Sub(new, old), old)
	sign := "+"
	if moved.Sign() < 0 {
		sign = "" // FloatString writes it
	}
	return sign + moved.Mul(moved, big.NewRat(100, 1)).FloatString(1) + " %"
}

// String is the change on one line: model, meter, conditions, prices, verdict.
func (c *Change) String() string {
	name := c.Provider + "/" + c.SKU
	if c.Meter == "" {
		name = "the document"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %s%s", c.ID, name, c.Meter, c.When.Key())
	if c.Meter != "" {
		fmt.Fprintf(&b, ": %s -> %s", priceText(c.Old), priceText(c.New))
	}
	if p := c.Percent(); p != "" {
		b.WriteString(" (" + p + ")")
	}
	if c.From != 0 {
		b.WriteString(" from " + c.From.String())
	}
	b.WriteString(", " + string(c.Verdict))
	if c.Reason != "" {
		b.WriteString(": " + c.Reason)
	}
	return b.String()
}

func priceText(s *string) string {
	if s == nil {
		return "none"
	}
	return *s
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

// WriteTo writes the outcome for people, the same for the same outcome.
func (o *Outcome) WriteTo(w io.Writer) (int64, error) {
	var b strings.Builder
	for _, warning := range o.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", warning)
	}
	for i := range o.Changes {
		fmt.Fprintln(&b, o.Changes[i].String())
	}
	b.WriteString(o.Summary() + "\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
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
