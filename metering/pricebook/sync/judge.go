package sync

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// group is the prices of one model under one condition and beginning, as a feed
// has them and as they are: some slips show only when prices are seen together.
type group struct {
	feed, now map[string]*big.Rat // for one unit, by meter
	fault     map[string]string   // by meter, why its price is not plausible
}

// newGroup looks at prices together.
func newGroup(feed, now map[string]*big.Rat) *group {
	g := &group{feed, now, make(map[string]string)}
	in, out := feed["input"], feed["output"]
	if was, wasOut := now["input"], now["output"]; in != nil && out != nil && was != nil && wasOut != nil &&
		in.Cmp(wasOut) == 0 && out.Cmp(was) == 0 && in.Cmp(out) != 0 {
		g.fault["input"], g.fault["output"] = "input and output are swapped", "input and output are swapped"
	}
	for meter, read := range feed {
		modality, ok := strings.CutPrefix(meter, "cache_read")
		if !ok {
			continue
		}
		whole := feed["input"+modality]
		if whole == nil {
			whole = in
		}
		if whole != nil && read.Cmp(whole) > 0 {
			g.fault[meter] = "cached input costs more than input"
			g.fault["input"+modality] = g.fault[meter]
		}
	}
	return g
}

// claim is a rate of a feed, with what there is to judge it by.
type claim struct {
	rate  *catalogue.Rate // of the feed, for the SKU that it is about
	now   *catalogue.Rate // in force; nil: none
	meter string          // without modalities that are all alike
	group *group
	agree []string // other feeds that say the same
	other []string // those that say something quite different
	void  string   // why a lower layer deliberately has no price; empty: it does not
}

// judge says whether the claim applies itself, and why or why not.
func (c *claim) judge() (Verdict, string) {
	also := ""
	if len(c.agree) > 0 {
		also = "; " + strings.Join(c.agree, " and ") + " the same"
	}
	if fault := c.group.fault[c.meter]; fault != "" {
		return Hold, fault + also
	}
	old, price := unit(c.now), unit(c.rate)
	if old == nil {
		if c.void != "" && len(c.agree) == 0 {
			return Hold, "there is no price, on purpose (" + c.void + "), and no second feed has this one"
		}
		if len(c.other) > 0 && len(c.agree) == 0 {
			return Hold, "new, and " + strings.Join(c.other, ", ")
		}
		return Apply, "new" + also
	}
	switch {
	case price.Sign() == 0:
		return Hold, "it would become free" + also
	case old.Sign() == 0:
		return Hold, "it would be free no more" + also
	case muchMore(price, old):
		return Hold, "it would cost three times as much or more" + also
	case muchMore(old, price):
		return Hold, "it would cost a third or less" + also
	case len(c.agree) > 0:
		return Apply, strings.Join(c.agree, " and ") + agrees(c.agree)
	}
	moved := new(big.Rat).Sub(price, old)
	if moved.Abs(moved).Cmp(new(big.Rat).Mul(old, big.NewRat(1, 5))) < 0 {
		return Apply, "it moves by less than a fifth"
	}
	return Hold, "it moves by a fifth or more and no second feed says so"
}

func agrees(list []string) string {
	if len(list) == 1 {
		return " agrees"
	}
	return " agree"
}

// unvouched reports whether a price of zero is the feed's word alone: catalogues
// write zero for prices that they do not know, and for what is part of a
// subscription. Where the id itself says free it is meant.
func (c *claim) unvouched() bool {
	return unit(c.rate).Sign() == 0 && len(c.agree) == 0 && !strings.HasSuffix(c.rate.SKU, ":free")
}

// vanishedHold is why a document from which so much is gone is held; empty if it
// is not. A fiftieth is the limit.
func vanishedHold(before int, gone []string) string {
	if before == 0 || len(gone)*50 <= before {
		return ""
	}
	const named = 5
	list := strings.Join(gone[:min(named, len(gone))], ", ")
	if len(gone) > named {
		list += ", …"
	}
	return fmt.Sprintf("%d of %d models are gone: %s", len(gone), before, list)
}
