package pricebook_test

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/weirhq/weir/metering"
)

// TestCorpus_stated covers T41: for every recorded exchange whose provider states
// what it cost, the figure is what the book says, or the reason why not is known.
// It logs both with the reason, and how many there are of each.
func TestCorpus_stated(t *testing.T) {
	t.Parallel()
	b := embedded(t)
	var lines []string
	count, sums := map[string]int{}, map[string]*metering.StatedSums{}
	for id, e := range events(t) {
		if e.Usage.StatedCost == nil {
			continue
		}
		b.Price(e)
		s := metering.StatedOf(e, nil)
		said, why := stated(t, e.Usage.StatedCost), ""
		ours := "-"
		if s.Compared > 0 {
			ours = e.Cost.String()
		}
		switch off := new(big.Rat).Sub(said, dollars(t, e.Cost.String())); {
		case e.Usage.Flagged(metering.FlagStatedFee):
			why = "the fee alone, with a key of one's own: the vendor bills " + e.Usage.StatedCost.Vendor
		case s.Unpriced > 0:
			why = "no price: " + e.CostReason
		case off.Sign() == 0:
			why = "equal"
		case s.Rounded > 0 || s.Differing == 0 && e.Usage.StatedCost.Within != "":
			why = "equal but for the provider's rounding"
			if within := dollars(t, e.Usage.StatedCost.Within); off.Abs(off).Cmp(within) > 0 {
				t.Errorf("%s is %s off, and the rounding explains %s", id, off.FloatString(12), within.FloatString(12))
			}
		case said.Sign() == 0:
			why = "it states zero on a call that it bills"
		case e.CostState == metering.CostProvisional:
			why = "not certain: " + e.CostReason
		default:
			t.Errorf("%s: %s says %s usd, we say %s: %s", id, e.Provider, said.FloatString(12), e.Cost, e.CostState)
			why = "not explained"
		}
		kind, _, _ := strings.Cut(why, ":")
		count[kind]++
		name := e.Provider + ": " + kind
		if sums[name] == nil {
			sums[name] = new(metering.StatedSums)
		}
		sums[name].Add(&s)
		lines = append(lines, fmt.Sprintf("%s/%s\t%s\t%s\t%s\t%s", e.Provider, e.Model, said.FloatString(12), ours, id, why))
	}
	slices.Sort(lines)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER/MODEL\tSTATED USD\tCOMPUTED USD\tEXCHANGE\tWHY")
	for _, l := range lines {
		fmt.Fprintln(w, l)
	}
	fmt.Fprintln(w, "\nPROVIDER: WHY\tCALLS\tSTATED USD\tOF THE COMPARED\tCOMPUTED USD")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		s := sums[name]
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%s\n", name, s.Calls, s.Stated, s.StatedCompared, s.Computed)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
	// What providers state is the one price that is not a catalogue's: that so many
	// are equal is worth something only while as many are compared.
	for kind, least := range map[string]int{"equal": 21, "equal but for the provider's rounding": 3, "the fee alone, with a key of one's own": 2} {
		if count[kind] < least {
			t.Errorf("%d are %q, want %d", count[kind], kind, least)
		}
	}
}

// stated is the cost that an answer states, in dollars.
func stated(t *testing.T, c *metering.StatedCost) *big.Rat {
	t.Helper()
	said := dollars(t, c.Amount)
	switch c.Unit {
	case "usd":
	case "usd/1e10":
		said.Quo(said, big.NewRat(10_000_000_000, 1))
	default:
		t.Fatalf("a cost is in %q", c.Unit)
	}
	return said
}
