package sync

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Question is what a document is compared with.
type Question struct {
	Feed     string // URL of the document
	Document *Document
	Checkers []*Document // of other feeds
	Shipped  []*catalogue.Layer
	Synced   *catalogue.Layer // the layer in force; nil: none
	Listing  []byte           // of the document before, as Outcome has it; nil: there was none
	Decided  map[string]State // what somebody said of held changes, by id
	At       metering.Micros
}

// maxHeld bounds the changes that wait. A document that has more of them is not
// one that somebody will read through.
const maxHeld = 1000

// Compare decides what of a document takes effect. It is pure; equal questions
// have equal outcomes. ErrInvalid says that the document cannot be used at all.
func Compare(q Question) (*Outcome, error) {
	c, err := newComparison(&q)
	if err != nil {
		return nil, fmt.Errorf("compare prices of %s: %w", q.Document.Shape, err)
	}
	if proceed := c.vanished(); !proceed {
		return c.out, nil
	}
	for _, t := range c.targets() {
		c.target(t)
	}
	if err := c.finish(); err != nil {
		return nil, fmt.Errorf("compare prices of %s: %w", q.Document.Shape, err)
	}
	return c.out, nil
}

// comparison is an outcome in the making.
type comparison struct {
	q       *Question
	now     catalogue.Instant
	names   *names
	others  *opinions
	lower   *shelf // the layers below Synced
	present *shelf // Synced as it is
	rows    catalogue.Rows
	index   map[string]int               // of a rate among rows, by id
	applied map[slot]*catalogue.Rate     // what has taken effect now
	ends    map[slot]catalogue.Instant   // when the feed says that the present price ends
	said    map[slot][]catalogue.Instant // beginnings that the feed announces
	fresh   map[string]catalogue.SKU     // new SKUs with a rate, by provider and id
	listed  map[string]bool              // SKUs that the document has, by provider and id
	out     *Outcome
}

func newComparison(q *Question) (*comparison, error) {
	layers := slices.Clone(q.Shipped)
	var lower []*catalogue.Layer
	for _, l := range q.Shipped {
		if l.Level < catalogue.Synced {
			lower = append(lower, l)
		}
	}
	c := &comparison{
		q: q, now: catalogue.Instant(q.At), lower: shelve(lower...), present: shelve(),
		index: make(map[string]int), applied: make(map[slot]*catalogue.Rate), ends: make(map[slot]catalogue.Instant),
		said: make(map[slot][]catalogue.Instant), fresh: make(map[string]catalogue.SKU), listed: make(map[string]bool),
	}
	if q.Synced != nil {
		layers = append(layers, q.Synced)
		c.present = shelve(q.Synced)
		c.rows = q.Synced.Rows
		c.rows.SKUs, c.rows.Matches, c.rows.Rates = slices.Clone(c.rows.SKUs), slices.Clone(c.rows.Matches), slices.Clone(c.rows.Rates)
	}
	for i := range c.rows.Rates {
		c.index[c.rows.Rates[i].ID] = i
	}
	book, err := pricebook.Compile(layers...)
	if err != nil {
		return nil, err
	}
	c.names = newNames(book, q.Document, q.At)
	c.others = newOpinions(q.Checkers, c.names, c.now)
	c.out = &Outcome{Layer: c.rows, Unchanged: true, Models: len(q.Document.Rows.SKUs), Ignored: q.Document.Ignored, Listing: q.Listing}
	return c, nil
}

// vanished holds the whole document if too much is gone from it.
func (c *comparison) vanished() (proceed bool) {
	before, err := unpackListing(c.q.Listing)
	if err != nil {
		before = nil // it is made again from this document
	}
	c.out.Vanished = missing(before, listing(c.q.Document))
	reason := vanishedHold(len(before), c.out.Vanished)
	if reason == "" {
		return true
	}
	change := Change{ID: digest(append([]string{"vanished"}, c.out.Vanished...)...), Verdict: Hold, Reason: reason}
	c.decide(&change)
	c.out.Changes = append(c.out.Changes, change)
	return change.Verdict == Apply
}

// decide replaces the verdict of a held change by what somebody said of it, and
// notes it as held otherwise.
func (c *comparison) decide(change *Change) {
	if change.Verdict != Hold {
		return
	}
	switch c.q.Decided[change.ID] {
	case StateApproved:
		change.Verdict, change.Reason = Apply, "approved: "+change.Reason
		c.out.Applied = append(c.out.Applied, change.ID)
	case StateRejected:
		change.Verdict = Rejected
	default:
		c.out.Held = append(c.out.Held, change.held(c.q.Feed, c.q.At))
	}
}

// entry is one model of the document.
type entry struct {
	sku   catalogue.SKU
	rates []catalogue.Rate
}

// target is an SKU with what the document says of it.
type target struct {
	provider, sku string
	how           reading
	own           *entry  // under the SKU's own id
	others        []entry // under other ids that the book takes for it
}

// targets sorts the models of the document by what the book takes them for.
func (c *comparison) targets() []*target {
	rates := byModel(c.q.Document.Rows.Rates)
	byKey := make(map[string]*target)
	for _, s := range c.q.Document.Rows.SKUs {
		sku, how := c.names.read(s.Provider, s.SKU)
		if how == elsewhere {
			c.out.Skipped++
			continue
		}
		key := s.Provider + " " + sku
		t := byKey[key]
		if t == nil {
			t = &target{provider: s.Provider, sku: sku, how: how}
			byKey[key] = t
		}
		e := entry{s, rates[s.Provider+" "+s.SKU]}
		if how == alias {
			t.others = append(t.others, e)
		} else {
			t.own, t.how = &e, how
		}
	}
	all := make([]*target, 0, len(byKey))
	for _, t := range byKey {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *target) int {
		return cmp.Or(strings.Compare(a.provider, b.provider), strings.Compare(a.sku, b.sku))
	})
	return all
}

// target decides about one SKU. Where the document lists it under other ids
// alone, and all of them alike, they speak for it.
func (c *comparison) target(t *target) {
	c.listed[t.provider+" "+t.sku] = true
	speaks := t.own
	if speaks == nil && alike(t.others) {
		speaks = &t.others[0]
	}
	if speaks != nil {
		c.model(t, speaks)
	}
	for i := range t.others {
		if o := &t.others[i]; speaks == nil || o != speaks && !samePrices(o.rates, speaks.rates) {
			c.apart(t, o)
		}
	}
}

func alike(list []entry) bool {
	for i := 1; i < len(list); i++ {
		if !samePrices(list[0].rates, list[i].rates) {
			return false
		}
	}
	return true
}

// samePrices compares rates of two ids.
func samePrices(a, b []catalogue.Rate) bool {
	return slices.EqualFunc(a, b, func(x, y catalogue.Rate) bool {
		return slotOf(&x).of("") == slotOf(&y).of("") && x.From == y.From && x.To == y.To && samePrice(&x, &y)
	})
}

// finish completes the layer and holds that it makes a book.
func (c *comparison) finish() error {
	if n := len(c.out.Held); n > maxHeld {
		return fmt.Errorf("%d changes would have to be looked at, more than %d: %w", n, maxHeld, metering.ErrInvalid)
	}
	c.cancel()
	c.bound()
	c.describe()
	l, err := catalogue.NewLayer(catalogue.Synced, c.rows)
	if err != nil {
		return err
	}
	c.out.Layer = l.Rows
	switch {
	case c.q.Synced != nil:
		c.out.Unchanged = c.q.Synced.Version == l.Version
	default:
		c.out.Unchanged = len(l.Rates) == 0
	}
	if _, err := pricebook.Compile(append(slices.Clone(c.q.Shipped), l)...); err != nil {
		return err
	}
	if c.out.Listing, err = packListing(listing(c.q.Document)); err != nil {
		return err
	}
	slices.SortStableFunc(c.out.Changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.SKU, b.SKU), strings.Compare(a.Meter, b.Meter),
			strings.Compare(a.When.Key(), b.When.Key()), cmp.Compare(a.From, b.From))
	})
	return c.unlike()
}

// unlike holds that no two held changes have one id.
func (c *comparison) unlike() error {
	seen := make(map[string]bool, len(c.out.Held))
	var errs []error
	for i := range c.out.Held {
		if h := &c.out.Held[i]; seen[h.ID] {
			errs = append(errs, fmt.Errorf("two changes of %s/%s are called %s: %w", h.Provider, h.SKU, h.ID, metering.ErrInvalid))
		}
		seen[c.out.Held[i].ID] = true
	}
	return errors.Join(errs...)
}
