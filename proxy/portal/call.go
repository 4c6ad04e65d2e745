package portal

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/billing"
	"github.com/weirhq/weir/billing/invoicing"
	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// callPage is one call and what it costs. What it costs upstream, and what the
// provider sent word for word, are the operator's and not on it.
type callPage struct {
	callRow
	Cells   []cellRow
	Costs   []explanationRow
	Bills   bool
	Nothing string // why it costs nothing, where no price is for it
}

// cellRow is one class of tokens.
type cellRow struct {
	What  string
	Count int64
}

// explanationRow is what one meter makes of the call.
type explanationRow struct{ invoicing.Explanation }

// Arithmetic is how the share of the call comes about.
func (x explanationRow) Arithmetic() string {
	p := x.Price
	return fmt.Sprintf("%s × %s per %s = %s", plainNumber(x.Quantity), page.Money(p.Amount.String(), string(p.Currency)), page.Number(p.Per), page.Money(x.Share, string(p.Currency)))
}

func plainNumber(n metering.Number) string {
	return page.Figure{Value: n.String(), Unit: page.UnitPlain}.String()
}

// Words is what became of it.
func (x explanationRow) Words() string {
	switch {
	case x.Invoice != "":
		return "invoice " + invoiceRow{billing.Account{State: billing.InvoiceState(x.State), Invoice: billing.Invoice{Total: billing.Money{Minor: 1}}}}.State()
	case x.State == invoicing.StateOpen:
		return "on the next invoice"
	default:
		return x.State
	}
}

// Kind is the badge of it.
func (x explanationRow) Kind() string {
	switch {
	case x.Invoice != "":
		return invoiceRow{billing.Account{State: billing.InvoiceState(x.State), Invoice: billing.Invoice{Total: billing.Money{Minor: 1}}}}.Kind()
	case x.State == invoicing.StateOpen, x.State == invoicing.StateLate:
		return "info"
	default:
		return "plain"
	}
}

func (s *Server) showCall(w http.ResponseWriter, r *http.Request) error {
	e, err := s.call(r)
	if err != nil {
		return err
	}
	out := callPage{callRow: callRow{Event: e}, Bills: s.bills()}
	if e.Key != "" {
		k, err := s.key(r, e.Key)
		switch {
		case err == nil:
			out.Key = k
		case errors.Is(err, metering.ErrNotFound):
			e.Key = "" // a backend's, which made the call for the customer
		default:
			return err
		}
	}
	for i, n := range e.Usage.Tokens {
		if n != 0 {
			out.Cells = append(out.Cells, cellRow{cellText(metering.Cell(i)), n})
		}
	}
	if s.opts.Biller != nil {
		list, err := s.opts.Biller.Explain(r.Context(), visitorOf(r).org, e)
		if err != nil {
			return err
		}
		for _, x := range list {
			if x.Price != nil { // meters without one are the operator's own
				out.Costs = append(out.Costs, explanationRow{x})
			}
		}
		out.Nothing = "No price is for it, so that it costs nothing."
		if e.Test {
			out.Nothing = "It was made with a test key: those are never billed."
		}
	}
	s.site.Render(w, r, http.StatusOK, "call", out)
	return nil
}

// cellText is a class of tokens in words.
func cellText(c metering.Cell) string {
	kind := map[metering.Modality]string{metering.Text: "", metering.Audio: ", audio", metering.Image: ", images", metering.Video: ", video", metering.Document: ", documents"}[c.Modality()]
	switch {
	case c.Reasoning():
		return "out, reasoning" + kind
	case !c.IsInput():
		return "out" + kind
	case c.Cache() == metering.CacheRead:
		return "in, read from the cache" + kind
	case c.Cache() == metering.CacheNone:
		return "in" + kind
	default:
		return "in, written to the cache" + kind
	}
}

// Sum is the number of all tokens.
func (p callPage) Sum() int64 { return p.Input() + p.Output() }

// UsageKind is the badge of what the numbers are worth.
func (p callPage) UsageKind() string {
	if p.Estimated() {
		return "warn"
	}
	return "ok"
}

// UsageWord is what the numbers are worth.
func (p callPage) UsageWord() string {
	switch p.Usage.State {
	case metering.UsageExact:
		return "exact"
	case metering.UsageNone:
		return "no usage"
	default:
		return "estimated"
	}
}

// UsageText says what the numbers are worth in a sentence.
func (p callPage) UsageText() string { return page.UsageText(p.Usage.State) }

// Ending says how an interrupted call ended.
func (p callPage) Ending() string {
	switch p.Outcome {
	case metering.OutcomeTruncated:
		return "The provider broke off after the answer had begun."
	case metering.OutcomeClientGone:
		return "Your client hung up before the end. What had been generated until then is counted."
	case metering.OutcomeCrashed:
		return "The proxy stopped during the call. What it had seen until then is counted."
	default:
		return ""
	}
}
