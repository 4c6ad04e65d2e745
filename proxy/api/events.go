package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/weirhq/weir/metering"
)

// Event is one finished call, or usage that another source reported.
type Event struct {
	ID                 string  `json:"id"`
	Name               string  `json:"name"`
	Timestamp          Instant `json:"timestamp"` // the authorisation instant, which decides the period
	CustomerID         string  `json:"customer_id"`
	ExternalCustomerID string  `json:"external_customer_id,omitempty"` // as an ingested event named it
	ExternalID         string  `json:"external_id,omitempty"`
	KeyID              string  `json:"key_id,omitempty"`

	Upstream   string            `json:"upstream,omitempty"`
	Provider   string            `json:"provider,omitempty"`
	Endpoint   string            `json:"endpoint,omitempty"`
	Model      string            `json:"model,omitempty"`      // as requested
	SentModel  string            `json:"sent_model,omitempty"` // what an alias stood for
	Metered    bool              `json:"metered"`
	Stream     bool              `json:"stream"`
	Test       bool              `json:"test"`
	Tags       map[string]string `json:"tags"`
	Run        string            `json:"run,omitempty"`
	ClientID   string            `json:"client_id,omitempty"`
	ProviderID string            `json:"provider_id,omitempty"`
	// Session is the event of the WebSocket that the call was a turn of.
	Session string `json:"session,omitempty"`

	Outcome     metering.Outcome `json:"outcome,omitempty"`
	Status      int              `json:"status,omitempty"`
	ErrorCode   string           `json:"error_code,omitempty"`
	FirstByteAt Instant          `json:"first_byte_at"`
	EndedAt     Instant          `json:"ended_at"`
	BytesIn     int64            `json:"bytes_in"`
	BytesOut    int64            `json:"bytes_out"`

	Usage     Usage `json:"usage"`
	Estimated bool  `json:"estimated"`
	// Corrects is the event whose numbers this one changes by its own.
	Corrects string `json:"corrects,omitempty"`
	// Corrections are the ids of those of this one; only where one event is shown.
	Corrections []string `json:"corrections,omitempty"`
	// Now is what the event costs after its corrections; only where one event that
	// has some is shown.
	Now *CostNow `json:"cost_now,omitempty"`

	// Cost is null while it is unknown, which is not zero.
	Cost      *metering.Cost     `json:"cost"`
	CostState metering.CostState `json:"cost_state"`
	// Computed is what the price book says where Cost is what the provider states.
	Computed *metering.Figure `json:"computed,omitempty"`
	// Stated is what the provider states, and Difference by how much it is more than
	// what the book says.
	Stated     *metering.Cost `json:"stated_usd,omitempty"`
	Difference *metering.Cost `json:"stated_difference_usd,omitempty"`
	CostReason string         `json:"cost_reason,omitempty"`
	CostLines  []Line         `json:"cost_lines,omitempty"` // only where one event is shown
	Rates      []string       `json:"rates"`
	Book       string         `json:"book,omitempty"`

	// Attempts are the requests to upstreams, where it took more than one or the
	// call failed over. The customer is billed the call once, by Usage; what the
	// other attempts cost is the operator's.
	Attempts []Attempt `json:"attempts,omitempty"`

	// Billing is what the customer is charged, by each meter that measures the
	// event; only where one event is shown.
	Billing []Billed `json:"billing,omitempty"`

	// Turns are the calls that passed through a WebSocket, oldest first, the latest
	// thousand at most; only where its event is shown.
	Turns []Event `json:"turns,omitempty"`

	Metadata json.RawMessage `json:"metadata"`
}

// Usage is what the provider reported. Tokens are disjoint cells, Input and
// Output inclusive as the provider counts.
type Usage struct {
	State       metering.UsageState     `json:"state"`
	Tokens      metering.Tokens         `json:"tokens"`
	Input       int64                   `json:"input"`
	Output      int64                   `json:"output"`
	Total       *int64                  `json:"total"` // the provider's own, null if it gave none
	Quantities  []NamedQuantity         `json:"quantities,omitempty"`
	ByModel     []metering.ModelTokens  `json:"by_model,omitempty"`
	Flags       []metering.Flag         `json:"flags,omitempty"`
	Estimate    *metering.Estimate      `json:"estimate,omitempty"`
	StatedCost  *metering.StatedCost    `json:"stated_cost,omitempty"`
	Model       string                  `json:"model,omitempty"` // as the answer reports it
	ServiceTier string                  `json:"service_tier,omitempty"`
	Region      string                  `json:"region,omitempty"`
	Speed       string                  `json:"speed,omitempty"`      // "" is the standard one
	Deployment  string                  `json:"deployment,omitempty"` // "" is the usual one
	ObjectID    string                  `json:"object_id,omitempty"`
	Finish      string                  `json:"finish,omitempty"`
	Terminal    string                  `json:"terminal,omitempty"`
	Error       *metering.UpstreamError `json:"error,omitempty"`
	Raw         json.RawMessage         `json:"raw"`
}

// NamedQuantity is a count of something that is not a token.
type NamedQuantity struct {
	Name   string `json:"name"`
	Amount string `json:"amount"`
}

func showEvent(e *metering.Event) Event {
	out := Event{
		ID: e.ID.String(), Name: e.Name, Timestamp: Instant(e.At), CustomerID: e.Customer,
		ExternalCustomerID: e.ExternalCustomer, ExternalID: e.ExternalID, KeyID: e.Key,
		Upstream: e.Upstream, Provider: e.Provider, Endpoint: e.Endpoint, Model: e.Model, Metered: e.Metered,
		Stream: e.Stream, Test: e.Test, Tags: tagMap(e.Tags), Run: e.Run, ClientID: e.ClientID, ProviderID: e.ProviderID,
		Outcome: e.Outcome, Status: e.Status, ErrorCode: e.ErrorCode, FirstByteAt: Instant(e.FirstByte), EndedAt: Instant(e.End),
		BytesIn: e.BodyBytes, BytesOut: e.BytesOut, Usage: showUsage(&e.Usage), Estimated: e.Estimated(),
		SentModel: e.SentModel, Attempts: showAttempts(e.Attempts),
		CostState: e.CostState, CostReason: e.CostReason, Rates: orEmpty(e.Rates), Book: e.Book, Metadata: raw(e.Properties),
	}
	if !e.Session.IsZero() {
		out.Session = e.Session.String()
	}
	if !e.Corrects.IsZero() {
		out.Corrects = e.Corrects.String()
	}
	out.Computed = e.Computed
	if stated, ok := e.Stated(); ok && e.ExternalID == "" {
		out.Stated = &stated
		ours, known := e.Cost, e.CostState != metering.CostUnpriced && e.CostState != metering.CostUnrated
		if e.Computed != nil {
			ours, known = e.Computed.Cost, e.Computed.State != metering.CostUnpriced
		}
		if known {
			difference := stated.Add(ours.Neg())
			out.Difference = &difference
		}
	}
	if e.CostState != metering.CostUnpriced && e.CostState != metering.CostUnrated {
		cost := e.Cost
		out.Cost = &cost
	}
	return out
}

func showUsage(u *metering.Usage) Usage {
	out := Usage{
		State: u.State, Tokens: u.Tokens, Input: u.Input, Output: u.Output, ByModel: u.ByModel, Flags: u.Flags,
		Estimate: u.Estimate, StatedCost: u.StatedCost, Model: u.Model, ServiceTier: u.ServiceTier, Region: u.Region, Speed: u.Speed, Deployment: u.Deployment,
		ObjectID: u.ObjectID, Finish: u.Finish, Terminal: u.Terminal, Error: u.Error, Raw: raw(u.Raw),
	}
	if u.HasTotal {
		total := u.Total
		out.Total = &total
	}
	for _, q := range u.Quantities {
		out.Quantities = append(out.Quantities, NamedQuantity{q.Name, q.Amount.String()})
	}
	return out
}

func outcomes() []metering.Outcome {
	return []metering.Outcome{
		metering.OutcomeComplete, metering.OutcomeTruncated, metering.OutcomeClientGone, metering.OutcomeUpstreamError,
		metering.OutcomeTimeout, metering.OutcomeRefused, metering.OutcomeCrashed,
	}
}

func (s *Server) listEvents(c *call) (answer, error) {
	q := metering.EventQuery{
		Org:     c.org,
		Key:     c.query.text("key", 64),
		Model:   c.query.text("model", 512),
		Name:    c.query.text("name", 4*maxEventName),
		Outcome: metering.Outcome(c.query.text("outcome", 20)),
		Limit:   c.query.limit(),
		Cursor:  c.query.cursor(),
	}
	if q.Outcome != "" && !slices.Contains(outcomes(), q.Outcome) {
		c.query.fault("outcome", "must be one of %v", outcomes())
	}
	c.query.zoned()
	q.From, q.To = c.query.span()
	ref := c.query.text("customer", 512)
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	var err error
	if q.Customer, err = s.customerID(c, ref); err != nil {
		return answer{}, err
	}
	items, next, err := s.opts.Store.Events(c.Context(), q)
	if err != nil {
		return answer{}, pageError(err)
	}
	return ok(page(items, next, showEvent))
}

// event is the event that the path names.
func (s *Server) event(c *call) (*metering.Event, error) {
	ref := c.PathValue("event")
	e, err := s.opts.Store.Event(c.Context(), c.org, ref)
	switch {
	case errors.Is(err, metering.ErrNotFound):
		return nil, notFound("event", ref)
	case err != nil:
		return nil, fmt.Errorf("find event: %w", err)
	default:
		return e, nil
	}
}

func (s *Server) showEvent(c *call) (answer, error) {
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	e, err := s.event(c)
	if err != nil {
		return answer{}, err
	}
	out := showEvent(e)
	if s.opts.Explain != nil {
		if out.CostLines, err = s.opts.Explain(c.Context(), e); err != nil {
			return answer{}, fmt.Errorf("explain the cost: %w", err)
		}
	}
	s.priceAttempts(e, out.Attempts)
	if out.Turns, err = s.turns(c, e); err != nil {
		return answer{}, err
	}
	corrections, _, err := s.opts.Store.Corrections(c.Context(), c.org, e.ID)
	if err != nil {
		return answer{}, err
	}
	for _, made := range corrections {
		out.Corrections = append(out.Corrections, made.ID.String())
	}
	if len(corrections) > 0 {
		out.Now = costNow(e, corrections)
		if s.opts.ExplainNow != nil {
			if out.Now.Lines, err = s.opts.ExplainNow(c.Context(), e, corrections); err != nil {
				return answer{}, fmt.Errorf("explain the cost after corrections: %w", err)
			}
		}
	}
	out.Billing, err = s.billedEvent(c, e)
	return answered(out, err)
}

// CostNow is a cost after corrections. Cost is null while it is unknown.
type CostNow struct {
	Cost  *metering.Cost     `json:"cost"`
	State metering.CostState `json:"state"`
	Book  string             `json:"book,omitempty"`
	Lines []Line             `json:"lines,omitempty"` // that add up to the cost; none where no book made it
	// Pools are what the cost takes from volumes that calls share, such as a free
	// allowance.
	Pools []PoolUse `json:"pools,omitempty"`
}

// PoolUse is what a cost takes from a pool in the window that began at Since.
type PoolUse struct {
	Pool   string  `json:"pool"`
	Since  Instant `json:"since"`
	Before string  `json:"before"` // units used before, exact decimal
	Units  string  `json:"units"`  // that this event uses, exact decimal
}

func costNow(e *metering.Event, corrections []*metering.Event) *CostNow {
	now := metering.Corrected(e, corrections)
	if now.CostState == metering.CostUnpriced {
		return &CostNow{State: now.CostState}
	}
	out := &CostNow{Cost: &now.Cost, State: now.CostState, Book: now.Book}
	for _, u := range now.Pools {
		out.Pools = append(out.Pools, PoolUse{u.Pool, Instant(u.Since), u.Before.String(), u.Units.String()})
	}
	return out
}

// maxTurns is how many turns are shown with a WebSocket.
const maxTurns = 1000

// turns are the calls that passed through a WebSocket.
func (s *Server) turns(c *call, e *metering.Event) ([]Event, error) {
	// Of a call that a crash ended, nobody knows what the client had got.
	if e.Status != http.StatusSwitchingProtocols && e.Outcome != metering.OutcomeCrashed {
		return nil, nil
	}
	list, _, err := s.opts.Store.Events(c.Context(), metering.EventQuery{Org: c.org, Session: e.ID, Limit: maxTurns})
	if err != nil {
		return nil, fmt.Errorf("find the turns of event %s: %w", e.ID, err)
	}
	out := make([]Event, 0, len(list))
	for _, turn := range slices.Backward(list) {
		out = append(out, showEvent(turn))
	}
	return out, nil
}
