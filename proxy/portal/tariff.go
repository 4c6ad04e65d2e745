package portal

import (
	"context"
	"html/template"
	"math/big"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// tariff is what single calls of a customer cost, for lists of them: the same
// shares that the biller explains one call by, read once for all.
type tariff struct {
	contracts []contract
	meters    map[string]metering.Meter // of every price
}

func (s *Server) tariff(ctx context.Context, v visitor, contracts []contract) (tariff, error) {
	meters, err := s.meterNames(ctx, v.org, priced(contracts))
	return tariff{contracts, meters}, err
}

// share is what one call costs at its prices, before included units and credit.
type share struct {
	Amount   *big.Rat // nil: not known
	Currency billing.Currency
	Note     string // why there is no amount, or why it is nothing
}

// HTML is the share as it is read.
func (s share) HTML() (template.HTML, error) { return amountHTML(s.Amount, s.Currency) }

// Notes on a share.
const (
	noteTest    = "test key: never billed"
	noteTrial   = "free trial"
	noteNone    = "no price"
	noteShared  = "no share of its own" // of a meter that counts many calls as one
	noteSeveral = "in several currencies"
)

// of is what a call costs.
func (t tariff) of(e *metering.Event) share {
	if e.Test {
		return share{Note: noteTest}
	}
	out := share{Note: noteNone}
	for _, c := range t.contracts {
		product := c.Products[c.ProductAt(e.At)]
		for _, id := range product.Meters() {
			meter := t.meters[id]
			price, ok := billing.InForce(product.Versions(id), e.At)
			if !ok {
				continue
			}
			v, ok := meter.Measure(e)
			if !ok {
				continue
			}
			if c.Trial == billing.TrialFree && e.At < c.TrialEnd {
				out.add(new(big.Rat), price.Currency, noteTrial)
				continue
			}
			quantity := v.Num
			switch meter.Aggregate.Func {
			case metering.AggregateCount:
				quantity = metering.NumberOf(1)
			case metering.AggregateSum:
			default:
				out.add(nil, price.Currency, noteShared)
				continue
			}
			out.add(price.Share(quantity), price.Currency, "")
		}
	}
	return out
}

// add adds what one meter makes of the call.
func (s *share) add(amount *big.Rat, c billing.Currency, note string) {
	switch {
	case s.Note == noteNone:
		*s = share{amount, c, note}
	case s.Currency != c:
		*s = share{Note: noteSeveral}
	case amount == nil || s.Amount == nil:
		s.Amount, s.Note = nil, noteShared
	default:
		s.Amount = new(big.Rat).Add(s.Amount, amount)
		if note == "" {
			s.Note = ""
		}
	}
}
