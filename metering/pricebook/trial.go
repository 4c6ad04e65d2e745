package pricebook

import (
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// Trial is how a call was priced, for people.
type Trial struct {
	State  metering.CostState
	Reason string // why there is no cost, or why it is not certain
	Cost   metering.Cost
	Book   string // version of the book
	// Matches is one for each model that was used.
	Matches []TrialMatch
	Lines   []TrialLine
	// Rejected are rates of what was used that do not hold.
	Rejected []Rejection
}

// TrialMatch is how a model was found.
type TrialMatch struct {
	SKU   catalogue.SKU
	Match catalogue.Match // of an id that is the SKU's own, an exact one
	Level catalogue.Level // of the match
}

// TrialLine is a line with the rows that made it.
type TrialLine struct {
	Line
	Row       catalogue.Rate
	Level     catalogue.Level
	Modifiers []catalogue.Modifier
}

// Rejection is a rate that does not hold, and why.
type Rejection struct {
	Item   string
	Row    catalogue.Rate
	Level  catalogue.Level
	Reason string
}

// Try prices a call and says how. The event stays as it is; lines before what
// has no price are kept.
func (b *Book) Try(e *metering.Event) Trial {
	t := &trail{}
	c := charge{book: b, event: e, trail: t}
	t.State, t.Reason = c.run(func(*step) {})
	t.Book = b.version
	if t.State != metering.CostUnpriced {
		t.Cost = c.total
	}
	return t.Trial
}

// trail notes what a charge does; a nil one notes nothing.
type trail struct {
	Trial
	now string // the item being charged
}

func (t *trail) matched(s *sku, m *match) {
	if t == nil {
		return
	}
	t.Matches = append(t.Matches, TrialMatch{SKU: *s.row, Match: *m.row, Level: m.level})
}

func (t *trail) item(name string) {
	if t != nil {
		t.now = name
	}
}

func (t *trail) priced(s *step) {
	if t == nil {
		return
	}
	l := TrialLine{Line: s.line(), Row: *s.rate.row, Level: s.rate.level}
	for _, m := range s.mods {
		l.Modifiers = append(l.Modifiers, *m.row)
	}
	t.Lines = append(t.Lines, l)
}

func (t *trail) note(r *rate, why string) {
	if t == nil {
		return
	}
	t.Rejected = append(t.Rejected, Rejection{Item: t.now, Row: *r.row, Level: r.level, Reason: why})
}

// reject notes why a slot does not hold; the reason is worked out only if
// somebody asks.
func (t *trail) reject(s *slot, r *rate, f *facts, above int64, plan string) {
	if t == nil {
		return
	}
	w := &s.cond.when
	differs := dims(0)
	for _, x := range []struct {
		want, have string
		dim        dims
	}{{w.Tier, f.tier, dimTier}, {w.Region, f.region, dimRegion}, {w.Endpoint, f.endpoint, dimEndpoint}, {w.Speed, f.speed, dimSpeed}} {
		if x.want != "" && x.want != x.have {
			differs |= x.dim
		}
	}
	if s.cond.inRegion(f.region) {
		differs &^= dimRegion
	}
	switch {
	case r == nil:
		for _, b := range s.bands {
			for _, r := range b.rates {
				t.note(r, "not in force at "+f.at.Time().Format("2006-01-02T15:04:05Z"))
			}
		}
	case differs != 0:
		t.note(r, "is for "+(&facts{tier: w.Tier, region: w.Region, endpoint: w.Endpoint, speed: w.Speed}).describe(differs, 0))
	case w.Above > above:
		t.note(r, "is for longer contexts")
	case w.Above < above:
		t.note(r, "is for shorter contexts")
	default:
		t.note(r, "is for other conditions: "+s.cond.missing(f, plan))
	}
}
