package api_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
	"github.com/weirhq/weir/metering/pricebook/rerate"
	"github.com/weirhq/weir/proxy/api"
)

// TestRerate covers T40: a call of a model that nobody knew is priced when its
// price has come, and shows both figures; doing so again does nothing.
func TestRerate(t *testing.T) {
	t.Parallel()
	s := newServer(t, func(o *api.Options) {
		shelf := o.Prices.Books.Shelf()
		o.Pricer = shelf
		o.ExplainNow = func(ctx context.Context, e *metering.Event, corrections []*metering.Event) (out []api.Line, err error) {
			lines, err := shelf.ExplainNow(ctx, e, corrections)
			for _, l := range lines {
				out = append(out, api.Line{Item: l.Item, Quantity: l.Quantity.String(), Price: l.Price, Per: l.Per, Rate: l.Rate, Amount: l.Amount})
			}
			return out, err
		}
	})
	ctx := t.Context()
	_, err := s.client.Ingest(ctx, []byte(`{"events":[{"name":"llm-tokens","external_customer_id":"acme","external_id":"e1","metadata":{"_llm":{"vendor":"openai","model":"gpt-new","input_tokens":1000,"output_tokens":10,"total_tokens":1010}}}]}`))
	s.must("ingest", err)
	rate := func(meter, price string) catalogue.Rate {
		return catalogue.Rate{Provider: "openai", SKU: "gpt-new", Meter: meter, Price: &price}
	}
	again := func(dry bool, repriced, unpriced int, added string) {
		t.Helper()
		got, err := s.client.Rerate(ctx, api.RerateRequest{DryRun: dry})
		s.must("price again", err)
		if got.Repriced != repriced || got.Unpriced != unpriced || got.Added.String() != added || got.NextCursor != "" {
			t.Errorf("priced again it is %+v", got)
		}
	}
	again(false, 0, 1, "0")
	_, err = s.client.AddPrices(ctx, api.NewPrices{Rows: catalogue.Rows{Rates: []catalogue.Rate{rate("input", "3")}}, Layer: catalogue.Operator})
	s.must("add a price for one side", err)
	again(false, 0, 1, "0")
	_, err = s.client.AddPrices(ctx, api.NewPrices{Rows: catalogue.Rows{Rates: []catalogue.Rate{rate("output", "100")}}, Layer: catalogue.Operator})
	s.must("add the other", err)
	again(true, 1, 0, "0.004")
	again(false, 1, 0, "0.004")
	again(false, 0, 0, "0")
	e, err := s.client.Event(ctx, "e1")
	s.must("show", err)
	if e.CostState != metering.CostUnpriced || e.Cost != nil || e.CostReason != "model: gpt-new" || len(e.Corrections) != 1 {
		t.Errorf("it was recorded as %s %v %q with %v", e.CostState, e.Cost, e.CostReason, e.Corrections)
	}
	if e.Now == nil || e.Now.Cost == nil || e.Now.Cost.String() != "0.004" || e.Now.State != metering.CostExact {
		t.Errorf("now it costs %+v", e.Now)
	}
	made, err := s.client.Event(ctx, e.Corrections[0])
	s.must("show the adjustment", err)
	if made.CostState != metering.CostPriced || made.Cost.String() != "0.004" || made.Corrects != e.ID || len(made.Rates) != 2 {
		t.Errorf("the adjustment is %+v", made)
	}
	if len(e.Now.Lines) != 2 || e.Now.Lines[0].Amount.Add(e.Now.Lines[1].Amount) != *e.Now.Cost || e.Now.Book != made.Book || e.Now.Book == "" {
		t.Errorf("what it costs now is explained by %+v of book %q", e.Now.Lines, e.Now.Book)
	}
	s.says("event show e1", "unpriced", "model: gpt-new", "1000 × $3 / 1000000 = $0.003", "10 × $100 / 1000000 = $0.001", "cost now", "$0.004")
}

// TestCheckRerate: a pass that broke off is said to have.
func TestCheckRerate(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]rerate.Summary{
		"ok no pass has come to an end yet":           {},
		"warn the last pass broke off after 3 events": {At: time.Unix(1, 0), Looked: 3, Failure: errors.New("no database")},
		"ok of 5 unsettled costs the last pass priced 2 again, $0.5 in all; 1 stay without a cost, 2 are not certain": {
			At: time.Unix(1, 0), Looked: 5, Repriced: 2, Added: metering.Cost{Micros: 500_000}, Unpriced: 1, Unsure: 2,
		},
	} {
		if c := api.CheckRerate(s); string(c.Status)+" "+c.Measured != want || (c.Status == api.StatusWarn) != (c.Remedy != "") {
			t.Errorf("%+v is %+v", s, c)
		}
	}
}
