package pricebook_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// FuzzCompile makes books of any rows that are accepted and prices calls with
// them: nothing breaks, a cost is what its lines add up to and never below zero,
// and without one there is a reason.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{
		"rate p m input=1 output=2 tier:flex\nmodifier p 0.5 tier:batch\nmatch p regex m-.* m",
		"calendar c days:fri ranges:22:00-02:00 holidays:2026-10-01\nrate p m input=1 calendar:c\nrate p * search=2 per:1000 minimum:5 step:2",
		"rate p m input.*=3 marginal:10\nrate p m search=0 pool:x\nrate p m search=4 pool:x beyond:3 window:month\nsku p m replace",
		"rate p m input=1 above:3 counts:input,output guaranteed:2026-01-01 status:promo\nmatch p region_prefix us. * region:us",
	} {
		rows := rows(f, text)
		json, err := rows.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(json, "m", "batch", "us", int64(1000), "search", int64(3))
	}
	f.Fuzz(func(t *testing.T, text []byte, model, tier, region string, tokens int64, quantity string, amount int64) {
		rows, err := catalogue.Decode(text)
		if err != nil {
			return
		}
		l, err := catalogue.NewLayer(catalogue.Operator, rows)
		if err != nil {
			return
		}
		b, err := pricebook.Compile(l)
		if err != nil {
			return
		}
		e := &metering.Event{}
		e.Provider, e.Model, e.Metered, e.At = "p", model, true, at(t, "2026-11-20")
		e.Usage = metering.Usage{
			State: metering.UsageExact, ServiceTier: tier, Region: region,
			Quantities: []metering.Quantity{{Name: quantity, Amount: metering.NumberOf(amount)}},
		}
		for i := range e.Usage.Tokens {
			e.Usage.Tokens[i] = tokens >> i
		}
		b.Price(e)
		again := *e
		if b.Price(&again); !cmp.Equal(*e, again) {
			t.Errorf("priced again it differs:\n%s", cmp.Diff(*e, again))
		}
		if e.CostState == metering.CostUnpriced {
			if e.CostReason == "" || !e.Cost.IsZero() || e.Rates != nil {
				t.Errorf("unpriced for %q with %s by %v", e.CostReason, e.Cost, e.Rates)
			}
			return
		}
		var sum metering.Cost
		for _, line := range b.Explain(e) {
			sum = sum.Add(line.Amount)
			if line.Amount.Micros < 0 {
				t.Errorf("a line below zero: %+v", line)
			}
		}
		if sum != e.Cost.Normal() || (e.CostState == metering.CostProvisional) != (e.CostReason != "") {
			t.Errorf("%s: lines add up to %s", outcome(e), sum)
		}
		if trial := b.Try(e); trial.Cost != e.Cost || trial.State != e.CostState || trial.Reason != e.CostReason {
			t.Errorf("tried it is %s %s", trial.State, trial.Cost)
		}
	})
}
