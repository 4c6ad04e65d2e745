package portal

import (
	"fmt"
	"net/http"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/metering"
)

// pricesPage lists the prices of a customer.
type pricesPage struct {
	Lists []priceList
}

// priceList are the prices of one subscription.
type priceList struct {
	Product, State, Kind string
	Since, Until         string // until empty: open-ended
	Trial                string // the rule of the trial
	Rows                 []priceRow
}

// priceRow is one version of a price.
type priceRow struct {
	billing.Price
	Product, MeterName string // Product empty: the only one of the list
	From, Until        string // in the zone of the subscription; empty: without a bound
	State, Kind        string
}

func fromText(m metering.Micros, c contract) string {
	if m == 0 {
		return ""
	}
	return instantText(m, c.zone())
}

// spanOfPrice is when a version holds for a contract: while its product does,
// until the next version of the meter.
func spanOfPrice(c contract, phase int, p billing.Price) (from, to metering.Micros) {
	from, to = c.Phases[phase].From, c.End
	if phase+1 < len(c.Phases) {
		to = earlier(to, c.Phases[phase+1].From)
	}
	from = max(from, p.From)
	for _, other := range c.Products[c.Phases[phase].Product].Versions(p.Meter) {
		if other.From > p.From {
			to = earlier(to, other.From)
		}
	}
	return from, to
}

// earlier is the earlier of two ends, of which zero is none.
func earlier(a, b metering.Micros) metering.Micros {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// list are the prices of a contract, by meter and instant.
func (t tariff) list(c contract, now metering.Micros) (priceList, error) {
	out := priceList{
		Product: c.Products[productAt(c, now)].Name, Since: instantText(c.Start, c.zone()), Until: fromText(c.End, c), State: "in force", Kind: "ok",
		Trial: trialText(c, c.Start, now),
	}
	switch {
	case c.Start > now:
		out.State, out.Kind = "begins later", "info"
	case !c.live(now):
		out.State, out.Kind = "ended", "plain"
	}
	for i, phase := range c.Phases {
		product := c.Products[phase.Product]
		for _, p := range product.Prices {
			from, to := spanOfPrice(c, i, p)
			if to != 0 && from >= to {
				continue // never in force for this subscription
			}
			meter, ok := t.meters[p.Meter]
			if !ok {
				return out, fmt.Errorf("meter %s of price %s is not known", p.Meter, p.ID)
			}
			row := priceRow{Price: p, MeterName: meter.Name, From: fromText(from, c), Until: fromText(to, c), State: "in force", Kind: "ok"}
			if len(c.Products) > 1 {
				row.Product = product.Name
			}
			switch {
			case from > now:
				row.State, row.Kind = "announced", "info"
			case to != 0 && to <= now:
				row.State, row.Kind = "past", "plain"
			}
			out.Rows = append(out.Rows, row)
		}
	}
	return out, nil
}

func (s *Server) showPrices(w http.ResponseWriter, r *http.Request) error {
	v := visitorOf(r)
	contracts, err := s.contracts(r.Context(), v)
	if err != nil {
		return err
	}
	t, err := s.tariff(r.Context(), v, contracts)
	if err != nil {
		return err
	}
	var out pricesPage
	for _, c := range contracts {
		list, err := t.list(c, s.at())
		if err != nil {
			return err
		}
		out.Lists = append(out.Lists, list)
	}
	s.site.Render(w, r, http.StatusOK, "prices", out)
	return nil
}
