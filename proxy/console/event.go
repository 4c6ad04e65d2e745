package console

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/proxy/page"
)

// eventPage is one call, or what another source reported.
type eventPage struct {
	callRow
	Cells      []cellRow
	Lines      []Line
	Now        *costNow // nil: nothing has corrected it
	Raw        string   // the provider's usage object
	Properties string   // of a reported event
	Billing    *eventBilling
}

// costNow is what an event costs after its corrections.
type costNow struct {
	Cost  metering.Cost
	Known bool
	Lines []Line
	Pools []metering.PoolUse
	Book  string
}

// cellRow is one class of tokens.
type cellRow struct {
	Name, What string
	Count      int64
}

func (s *Server) showEvent(w http.ResponseWriter, r *http.Request) error {
	e, err := s.opts.Store.Event(r.Context(), s.opts.Org, r.PathValue("event"))
	if err != nil {
		return fmt.Errorf("event: %w", err)
	}
	rows, err := s.rows(r.Context(), []*metering.Event{e})
	if err != nil {
		return err
	}
	out := eventPage{callRow: rows[0], Raw: indented(e.Usage.Raw), Properties: indented(e.Properties)}
	for i, n := range e.Usage.Tokens {
		if n != 0 {
			cell := metering.Cell(i)
			out.Cells = append(out.Cells, cellRow{cell.String(), cellText(cell), n})
		}
	}
	if s.opts.Explain != nil {
		if out.Lines, err = s.opts.Explain(r.Context(), e); err != nil {
			return fmt.Errorf("explain the cost: %w", err)
		}
	}
	if out.Now, err = s.now(r.Context(), e); err != nil {
		return err
	}
	if s.billing != nil {
		if out.Billing, err = s.billing.event(r.Context(), s.opts.Org, e); err != nil {
			return err
		}
	}
	s.site.Render(w, r, http.StatusOK, "event", out)
	return nil
}

// now is what the event costs after its corrections; nil where it has none.
func (s *Server) now(ctx context.Context, e *metering.Event) (*costNow, error) {
	corrections, _, err := s.opts.Store.Corrections(ctx, s.opts.Org, e.ID)
	if err != nil {
		return nil, fmt.Errorf("corrections of the event: %w", err)
	}
	if len(corrections) == 0 {
		return nil, nil
	}
	made := metering.Corrected(e, corrections)
	out := &costNow{Cost: made.Cost, Known: made.CostState != metering.CostUnpriced, Pools: made.Pools, Book: made.Book}
	if s.opts.ExplainNow != nil {
		if out.Lines, err = s.opts.ExplainNow(ctx, e, corrections); err != nil {
			return nil, fmt.Errorf("explain the cost after corrections: %w", err)
		}
	}
	return out, nil
}

// Unit is how many units the price of a line is for.
func (l Line) Unit() string {
	switch l.Per {
	case 1:
		return "each"
	case 1_000_000:
		return "per 1M"
	default:
		return "per " + page.Number(l.Per)
	}
}

// cellText is a class of tokens in words.
func cellText(c metering.Cell) string {
	kind := map[metering.Modality]string{metering.Text: "", metering.Audio: ", audio", metering.Image: ", images", metering.Video: ", video", metering.Document: ", documents"}[c.Modality()]
	switch {
	case c.Reasoning():
		return "reasoning" + kind
	case !c.IsInput():
		return "output" + kind
	case c.Cache() == metering.CacheRead:
		return "input, read from the cache" + kind
	case c.Cache() == metering.CacheNone:
		return "input" + kind
	default:
		return "input, written to the cache" + kind
	}
}

// indented is JSON for people; what is none stays as it is.
func indented(raw []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return string(raw)
	}
	return b.String()
}

// Sum is the number of all tokens.
func (p eventPage) Sum() int64 { return p.Input() + p.Output() }

// UsageKind is the badge of what the numbers are worth.
func (p eventPage) UsageKind() string {
	if p.Estimated() {
		return "warn"
	}
	return "ok"
}

// UsageText says what the numbers are worth.
func (p eventPage) UsageText() string { return page.UsageText(p.Usage.State) }

// CostText says where the cost comes from if no price made it.
func (p eventPage) CostText() string {
	switch p.CostState {
	case metering.CostFree:
		return "It costs nothing by its kind, or by a price of zero."
	case metering.CostStated:
		if p.Computed != nil {
			return "The provider stated it; the price book's figure is beside it: weir event show."
		}
		return "The source that reported the event gave its cost."
	default:
		return "It was priced when it was recorded."
	}
}
