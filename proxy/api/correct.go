package api

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// UsageStatement says what the usage of an event was: one of the three.
type UsageStatement struct {
	// Tokens are what the provider counted, disjoint, by the names of cells.
	Tokens *metering.Tokens `json:"tokens,omitempty"`
	// Accept bills the estimate that was withheld; Zero bills nothing.
	Accept bool `json:"accept,omitempty"`
	Zero   bool `json:"zero,omitempty"`
}

// maxStated is the most tokens of a cell that can be stated.
const maxStated = 1_000_000_000

func readStatement(o *object) (st UsageStatement) {
	given := 0
	if raw, ok := o.take("tokens"); ok {
		given++
		st.Tokens = new(metering.Tokens)
		if err := json.Unmarshal(raw, st.Tokens); err != nil {
			o.fault("tokens", "must be an object of whole numbers by the names of token cells, such as input and output")
		}
		for _, n := range st.Tokens {
			if n < 0 || n > maxStated {
				o.fault("tokens", "must be from 0 to %d each", maxStated)
				break
			}
		}
	}
	if st.Accept = o.boolean("accept"); st.Accept {
		given++
	}
	if st.Zero = o.boolean("zero"); st.Zero {
		given++
	}
	if given != 1 {
		o.fault("tokens", "or accept or zero must be given, and only one of them")
	}
	return st
}

// correctEvent says what the usage of an event was. The event stays on record,
// and the difference is a correction of it.
func (s *Server) correctEvent(c *call) (answer, error) {
	o, err := c.document()
	if err != nil {
		return answer{}, err
	}
	st := readStatement(o)
	o.close()
	if err := c.query.close(); err != nil {
		return answer{}, err
	}
	e, err := s.event(c)
	if err != nil {
		return answer{}, err
	}
	for range 3 {
		var made *metering.Event
		if made, err = s.correct(c, e, st); err == nil {
			return ok(showEvent(made))
		}
		if !errors.Is(err, metering.ErrConflict) {
			break
		}
	}
	switch {
	case errors.Is(err, metering.ErrInvalid):
		return answer{}, problem(CodeConflict, err.Error())
	case errors.Is(err, metering.ErrConflict):
		return answer{}, problem(CodeConflict, "others correct the event at the same time; try again")
	}
	return answer{}, err
}

// correct records a correction, or finds that the latest said the same.
func (s *Server) correct(c *call, e *metering.Event, st UsageStatement) (*metering.Event, error) {
	before, latest, err := s.opts.Store.Corrections(c.Context(), c.org, e.ID)
	if err != nil {
		return nil, err
	}
	target, err := s.stated(e, st)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(st)
	if err != nil {
		return nil, fmt.Errorf("encode what was stated: %w", err)
	}
	content := sha256.Sum256(text)
	if len(before) > 0 && string(latest) == string(content[:]) {
		return before[len(before)-1], nil
	}
	id, err := metering.NewID()
	if err != nil {
		return nil, err
	}
	made, err := metering.Correction(id, e, before, target, st.Tokens != nil)
	if err != nil {
		return nil, err
	}
	return made, s.opts.Store.Correct(c.Context(), made, len(before), content[:])
}

// stated is the event with what its usage was said to be, priced as it was then.
func (s *Server) stated(e *metering.Event, st UsageStatement) (*metering.Event, error) {
	target := *e
	u := &target.Usage
	if u.Estimate != nil {
		estimate := *u.Estimate
		u.Estimate = &estimate
	}
	switch {
	case st.Accept && u.Estimate == nil:
		return nil, fmt.Errorf("the event has no estimate that could be accepted: %w", metering.ErrInvalid)
	case st.Accept:
		u.Release()
	case st.Zero:
		u.Tokens = metering.Tokens{}
	default:
		u.Tokens, u.State, u.Estimate = *st.Tokens, metering.UsageExact, nil
	}
	u.Input, u.Output, u.HasTotal, u.Total, u.ByModel = u.Tokens.Input(), u.Tokens.Output(), false, 0, nil
	target.Cost, target.CostState, target.CostReason, target.Rates = metering.Cost{}, metering.CostUnrated, "", nil
	if s.opts.Pricer == nil {
		target.CostState = metering.CostUnpriced
		return &target, nil
	}
	s.opts.Pricer.Price(&target)
	return &target, nil
}
