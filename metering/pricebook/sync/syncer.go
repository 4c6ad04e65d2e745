package sync

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Options configure a syncer.
type Options struct {
	Org      string
	Main     Source   // whose prices are taken
	Checkers []Source // which may agree with it; their prices are not taken
	Every    time.Duration
	// Jitter is added to a wait, at most so much, so that replicas and installations
	// do not ask at one moment; nil: nothing is.
	Jitter  func(most time.Duration) time.Duration
	Shipped []*catalogue.Layer // what the program was built with
	Store   Store
	Client  *http.Client     // nil: http.DefaultClient
	Now     func() time.Time // nil: time.Now
	Logger  *slog.Logger     // nil: slog.Default
}

// Syncer asks the feeds and keeps what comes of it. Its methods are safe for
// concurrent use.
type Syncer struct {
	o Options

	one sync.Mutex // a look at a time

	mu     sync.Mutex
	status Status
}

// Status is how the looks of this process went.
type Status struct {
	Asked   time.Time // the last look
	Read    time.Time // the last that found a good document, or that it is unchanged
	Changed time.Time // the last that changed a price
	Err     error     // of the last look; nil: it went well
	Held    int       // changes that wait for a person, after the last good look
	Models  int       // that the document lists
}

// New returns a syncer; it asks nobody before Once or Run.
func New(o Options) (*Syncer, error) {
	o.Client, o.Logger = cmp.Or(o.Client, http.DefaultClient), cmp.Or(o.Logger, slog.Default())
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(time.Duration) time.Duration { return 0 }
	}
	if o.Every <= 0 {
		return nil, fmt.Errorf("sync of prices: every %s: %w", o.Every, metering.ErrInvalid)
	}
	for _, s := range append([]Source{o.Main}, o.Checkers...) {
		if _, err := ParseShape(string(s.Shape)); err != nil {
			return nil, fmt.Errorf("sync of prices: %s: %w", s.URL, err)
		}
	}
	return &Syncer{o: o}, nil
}

// Status is how the last look of this process went.
func (s *Syncer) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Once asks the feeds now. dry: nothing is kept, and the document is read even if
// it is the one that was read last. Without a document that can be used the layer
// stays as it is, and the error says why.
func (s *Syncer) Once(ctx context.Context, dry bool) (*Outcome, error) {
	s.one.Lock()
	defer s.one.Unlock()
	l := look{s: s, dry: dry, at: metering.MicrosOf(s.o.Now())}
	out, err := l.run(ctx)
	if err != nil {
		err = fmt.Errorf("sync of prices: %w", err)
	}
	if dry {
		return out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	st := &s.status
	st.Asked, st.Err = l.at.Time(), err
	if err == nil {
		st.Read, st.Held = l.at.Time(), l.held
		st.Models = out.Models
		if !out.Unchanged {
			st.Changed = l.at.Time()
		}
	}
	return out, err
}

// look is one time of asking.
type look struct {
	s       *Syncer
	dry     bool
	at      metering.Micros
	feeds   map[string]Feed
	layer   *catalogue.Layer
	number  int64
	decided map[string]State
	open    int
	pending bool // something was approved
	held    int
}

func (l *look) run(ctx context.Context) (*Outcome, error) {
	if err := l.load(ctx); err != nil {
		return nil, err
	}
	o := &l.s.o
	feed := l.feed(o.Main)
	etag := ""
	if l.skippable(feed) {
		etag = feed.ETag
	}
	a, err := fetch(ctx, o.Client, o.Main.URL, etag)
	if err != nil {
		return nil, l.failed(ctx, feed, err)
	}
	sum := sha256.Sum256(a.text)
	if digest := hex.EncodeToString(sum[:]); a.unchanged || l.skippable(feed) && digest == feed.Digest {
		l.held = l.open
		return &Outcome{Unchanged: true, Models: feed.Models, ETag: a.etag, Listing: feed.Listing, Layer: l.rows()}, l.kept(ctx, feed)
	}
	doc, err := o.Main.read(a.text)
	if err != nil {
		return nil, l.failed(ctx, feed, err)
	}
	checkers, warnings := l.checkers(ctx)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out, err := Compare(Question{
		Feed: o.Main.URL, Document: doc, Checkers: checkers, Shipped: o.Shipped, Synced: l.layer,
		Listing: feed.Listing, Decided: l.decided, At: l.at,
	})
	if err != nil {
		return nil, l.failed(ctx, feed, err)
	}
	out.ETag, out.Warnings = a.etag, warnings
	feed.ETag, feed.Digest, feed.Models, feed.Bytes = a.etag, hex.EncodeToString(sum[:]), out.Models, int64(len(a.text))
	feed.Listing, feed.Confirmed = out.Listing, l.at
	l.held = len(out.Held)
	return out, l.keep(ctx, feed, out)
}

// load reads what was kept.
func (l *look) load(ctx context.Context) (err error) {
	o := &l.s.o
	if l.layer, l.number, err = o.Store.LatestLayer(ctx, o.Org, catalogue.Synced); err != nil {
		return err
	}
	feeds, err := o.Store.PriceFeeds(ctx, o.Org)
	if err != nil {
		return err
	}
	l.feeds = make(map[string]Feed, len(feeds))
	for _, f := range feeds {
		l.feeds[f.URL] = f
	}
	held, err := o.Store.HeldPrices(ctx, o.Org, StateOpen, StateApproved, StateRejected)
	if err != nil {
		return err
	}
	l.decided = make(map[string]State)
	for _, h := range held {
		switch h.State {
		case StateOpen:
			l.open++
		case StateApproved, StateRejected:
			l.decided[h.ID] = h.State
			l.pending = l.pending || h.State == StateApproved
		}
	}
	return nil
}

func (l *look) rows() catalogue.Rows {
	if l.layer == nil {
		return catalogue.Rows{}
	}
	return l.layer.Rows
}

// feed is what is known of a source.
func (l *look) feed(s Source) Feed {
	f := l.feeds[s.URL]
	if f.Shape != s.Shape {
		f = Feed{}
	}
	f.URL, f.Shape, f.Asked = s.URL, s.Shape, l.at
	return f
}

// skippable reports whether a document that is as it was would change nothing:
// nothing waits, on a person or a second feed, and its prices were confirmed less
// than a day ago.
func (l *look) skippable(f Feed) bool {
	return !l.dry && l.open == 0 && !l.pending && f.Digest != "" && l.at-f.Confirmed < confirmEvery
}

// checkers reads the other feeds. One that cannot be read agrees with nothing.
func (l *look) checkers(ctx context.Context) (docs []*Document, warnings []string) {
	for _, source := range l.s.o.Checkers {
		feed := l.feed(source)
		a, err := fetch(ctx, l.s.o.Client, source.URL, "")
		var doc *Document
		if err == nil {
			doc, err = source.read(a.text)
		}
		if err != nil {
			warnings = append(warnings, l.failed(ctx, feed, err).Error())
			continue
		}
		sum := sha256.Sum256(a.text)
		feed.ETag, feed.Digest, feed.Models, feed.Bytes = a.etag, hex.EncodeToString(sum[:]), len(doc.Rows.SKUs), int64(len(a.text))
		if err := l.kept(ctx, feed); err != nil {
			warnings = append(warnings, err.Error())
		}
		docs = append(docs, doc)
	}
	return docs, warnings
}

// failed notes why a feed could not be read, and returns it. A look that was
// broken off says nothing of the feed.
func (l *look) failed(ctx context.Context, f Feed, err error) error {
	if l.dry || ctx.Err() != nil {
		return err
	}
	const most = 1000
	f.Failure, f.Failures = strings.ToValidUTF8(fmt.Sprintf("%.*s", most/4, err.Error()), "?"), f.Failures+1
	return errors.Join(err, l.s.o.Store.KeepPriceFeed(ctx, l.s.o.Org, f))
}

// kept notes that a feed was read.
func (l *look) kept(ctx context.Context, f Feed) error {
	if l.dry {
		return nil
	}
	f.Read, f.Failure, f.Failures = l.at, "", 0
	return l.s.o.Store.KeepPriceFeed(ctx, l.s.o.Org, f)
}

// keep keeps an outcome.
func (l *look) keep(ctx context.Context, f Feed, out *Outcome) error {
	if l.dry {
		return nil
	}
	f.Read, f.Failure, f.Failures = l.at, "", 0
	r := Result{Expected: l.number, Note: out.Summary(), At: l.at, Held: out.Held, Applied: out.Applied, Feed: f}
	if !out.Unchanged {
		layer, err := catalogue.NewLayer(catalogue.Synced, out.Layer)
		if err != nil {
			return err
		}
		r.Layer = layer
	}
	if err := l.s.o.Store.KeepSync(ctx, l.s.o.Org, r); err != nil {
		return fmt.Errorf("keep the prices: %w", err)
	}
	return nil
}
