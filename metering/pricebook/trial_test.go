package pricebook_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// TestBook_Try: it says how the model was found, which rates hold, which do not
// and why, and comes to what Price does.
func TestBook_Try(t *testing.T) {
	t.Parallel()
	b := book(t, `
		rate p m input=10 output=20
		rate p m input=4 tier:flex
		rate p m input=9 from:2027-01-01
		rate p m input=15 above:200000
		rate p m images=1 quality:high
		rate p m images=2 quality:low
		modifier p 1.1 region:us
		match p region_prefix us. m region:us`, "rate p m output=18")
	e := call(t, "p", "us.m", map[string]int64{"input": 1_000_000 / 10, "output": 1_000_000})
	e.Usage.Quantities = []metering.Quantity{{Name: "images", Amount: metering.NumberOf(1)}}
	e.Usage.Attributes = []metering.Tag{{Name: "quality", Value: "low"}}
	got := b.Try(e)
	if e.CostState != "" {
		t.Error("the event has been changed")
	}
	if got.State != metering.CostUnpriced || got.Reason != "condition: region us" {
		t.Errorf("%s, %q", got.State, got.Reason) // images are no tokens: the modifier does not touch them
	}
	if len(got.Matches) != 1 || got.Matches[0].SKU.SKU != "m" || got.Matches[0].Match.Type != catalogue.MatchRegionPrefix {
		t.Errorf("found by %+v", got.Matches)
	}
	var lines, rejected []string
	for _, l := range got.Lines {
		lines = append(lines, l.Item+" "+l.Rate+" "+l.Level.String()+" "+strings.Join(l.Multiply, "×")+" "+l.Amount.String())
	}
	for _, r := range got.Rejected {
		rejected = append(rejected, r.Item+" "+r.Row.ID+" "+r.Reason)
	}
	want := []string{
		"input p/m/input p/*/x1.1+region=us embedded 1.1 1.1",
		"output operator:p/m/output p/*/x1.1+region=us operator 1.1 19.8",
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
	want = []string{
		"input p/m/input+flex is for service tier flex",
		"input p/m/input>200000 is for longer contexts",
		"images p/m/images+quality=high is for other conditions: quality low",
		"images p/m/images+quality=low says nothing of region us",
	}
	if diff := cmp.Diff(want, rejected); diff != "" {
		t.Errorf("rejected (-want +got)\n%s", diff)
	}
	e.Usage.Quantities = nil
	got = b.Try(e)
	b.Price(e)
	if got.State != e.CostState || got.Cost != e.Cost || got.Cost.String() != "20.9" {
		t.Errorf("tried it costs %s, priced %s", got.Cost, e.Cost)
	}
	if rate, level, ok := b.Rate("operator:p/m/output"); !ok || level != catalogue.Operator || *rate.Price != "18" {
		t.Errorf("the rate is %+v of %s", rate, level)
	}
	if m, level, ok := b.Modifier("p/*/x1.1+region=us"); !ok || level != catalogue.Embedded || m.Multiply != "1.1" {
		t.Errorf("the modifier is %+v of %s", m, level)
	}
}

// TestBook_Rates: what is in force, what is over what, and what is only said for
// another time.
func TestBook_Rates(t *testing.T) {
	t.Parallel()
	b := book(t, "rate p m input=10 output=20\nrate p m input=9 from:2027-01-01\nrate p * search=1\nrate p m fetch=2 id:old\nrate p m cache_read=1",
		"rate p m output=18\nrate p m fetch=3 supersedes:old\nrate p m cache_read=1")
	var got []string
	for _, e := range b.Rates("p", "m", at(t, "2026-11-20")) {
		line := e.Level.String() + " " + e.Rate.ID
		if e.InForce {
			line += " in force"
		}
		if e.Over != "" {
			line += " over " + e.Over
		}
		got = append(got, line)
	}
	want := []string{
		"embedded p/m@2027-01-01/input",
		"embedded p/m/input in force",
		"operator operator:p/m/cache_read in force",
		"embedded p/m/cache_read",
		"operator operator:p/m/output in force over p/m/output",
		"embedded p/m/output",
		"operator operator:p/m/fetch in force",
		"embedded p/*/search in force",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(b.Providers()) != 1 || len(b.SKUs("p")) != 1 || b.SKUs("q") != nil || b.Rates("p", "n", 0) != nil {
		t.Errorf("providers %v, SKUs %v", b.Providers(), b.SKUs("p"))
	}
}
