package journal

import (
	"encoding/binary"
	"fmt"

	"github.com/weirhq/weir/metering"
)

// The numbers of the fields are the format: one that has been used is never
// given to another field.

func (s *section) call(c *metering.Call) {
	text(s, 1, &c.Org)
	text(s, 2, &c.Customer)
	text(s, 3, &c.Key)
	text(s, 4, &c.Upstream)
	text(s, 5, &c.Provider)
	text(s, 6, &c.Endpoint)
	flag(s, 7, &c.Metered)
	text(s, 8, &c.Model)
	flag(s, 9, &c.Stream)
	flag(s, 10, &c.Test)
	s.tags(11, &c.Tags)
	text(s, 12, &c.Run)
	text(s, 13, &c.ClientID)
	number(s, 14, &c.BodyBytes)
	text(s, 15, &c.SentModel)
	text(s, 16, &c.EventName)
	text(s, 17, &c.CostPolicy)
	id(s, 19, &c.Session)
}

func (s *section) event(e *metering.Event) {
	s.call(&e.Call)
	text(s, 20, &e.Name)
	number(s, 21, &e.End)
	text(s, 22, &e.Outcome)
	number(s, 23, &e.Status)
	number(s, 24, &e.FirstByte)
	text(s, 25, &e.ProviderID)
	number(s, 26, &e.BytesOut)
	text(s, 27, &e.ErrorCode)
	// What another source may have stated; a proxied call has none of it before
	// it is shipped.
	rare(s, 30, &e.Cost, e.Cost.IsZero())
	text(s, 31, &e.CostState)
	text(s, 32, &e.CostReason)
	rare(s, 33, &e.Rates, len(e.Rates) == 0)
	text(s, 34, &e.Book)
	text(s, 35, &e.ExternalID)
	text(s, 36, &e.ExternalCustomer)
	blob(s, 37, &e.Properties)
	s.attempts(38, &e.Attempts)
	number(s, 39, &e.PricedAt)
	id(s, 40, &e.Corrects)
	rare(s, 41, &e.Computed, e.Computed == nil)
	text(s, 42, &e.Credential)
	rare(s, 43, &e.Pools, len(e.Pools) == 0)
}

func (s *section) attempt(a *metering.Attempt) {
	text(s, 1, &a.Upstream)
	text(s, 2, &a.Provider)
	text(s, 3, &a.Endpoint)
	text(s, 4, &a.Credential)
	text(s, 5, &a.Model)
	number(s, 6, &a.Status)
	text(s, 7, &a.ErrorCode)
	number(s, 8, &a.Started)
	number(s, 9, &a.Ended)
	text(s, 10, &a.ProviderID)
	reported := a.Usage != nil
	if flag(s, 11, &reported); reported && s.in != nil {
		a.Usage = new(metering.Usage)
	}
}

func (s *section) usage(u *metering.Usage) {
	text(s, 1, &u.State)
	s.tokens(2, &u.Tokens)
	number(s, 3, &u.Input)
	number(s, 4, &u.Output)
	number(s, 5, &u.Total)
	flag(s, 6, &u.HasTotal)
	text(s, 7, &u.Model)
	text(s, 8, &u.ServiceTier)
	text(s, 9, &u.Region)
	text(s, 10, &u.ObjectID)
	text(s, 11, &u.Finish)
	text(s, 12, &u.Terminal)
	number(s, 13, &u.Objects)
	blob(s, 14, &u.Raw)
	rare(s, 20, &u.Quantities, len(u.Quantities) == 0)
	rare(s, 21, &u.ByModel, len(u.ByModel) == 0)
	rare(s, 22, &u.Flags, len(u.Flags) == 0)
	rare(s, 23, &u.Estimate, u.Estimate == nil)
	rare(s, 24, &u.StatedCost, u.StatedCost == nil)
	rare(s, 25, &u.Error, u.Error == nil)
	s.tags(26, &u.Attributes)
	text(s, 27, &u.Speed)
	text(s, 28, &u.Deployment)
}

// begun is a section to be written behind b, with room for its length.
func begun(b []byte) section { return section{b: append(b, 0, 0, 0, 0)} }

// ended sets the length of the section that began at start.
func (s *section) ended(start int) ([]byte, error) {
	s.close(start + 4)
	return s.b, s.err
}

// readSection splits the section at the start of b off and makes it readable.
func readSection(b []byte) (s section, rest []byte, err error) {
	if len(b) < 4 || uint64(binary.LittleEndian.Uint32(b)) > uint64(len(b)-4) {
		return section{}, nil, errSection
	}
	end := 4 + int(binary.LittleEndian.Uint32(b))
	s.in = new(values)
	return s, b[end:], s.in.parse(b[4:end])
}

// appendIntent appends the payload of an intent.
func appendIntent(b []byte, c *metering.Call) ([]byte, error) {
	s := begun(b)
	s.call(c)
	return s.ended(len(b))
}

// appendCheckpoint appends the payload of a checkpoint.
func appendCheckpoint(b []byte, u *metering.Usage) ([]byte, error) {
	s := begun(b)
	s.usage(u)
	return s.ended(len(b))
}

// appendFact appends the payload of a fact.
func appendFact(b []byte, e *metering.Event) ([]byte, error) {
	s := begun(b)
	s.event(e)
	b, err := s.ended(len(b))
	if err != nil {
		return b, err
	}
	return appendCheckpoint(b, &e.Usage)
}

func readUsage(b []byte, u *metering.Usage) error {
	s, _, err := readSection(b)
	if err != nil {
		return err
	}
	s.usage(u)
	return s.err
}

// decodeIntent reads an intent.
func decodeIntent(r *record) (metering.Call, error) {
	var c metering.Call
	s, _, err := readSection(r.payload)
	if err == nil {
		s.call(&c)
		err = s.err
	}
	if err != nil {
		return metering.Call{}, fmt.Errorf("intent %d: %w", r.seq, err)
	}
	c.ID, c.At, c.Seq = r.id, r.at, r.seq
	return c, nil
}

// decodeCheckpoint reads the usage of a checkpoint.
func decodeCheckpoint(r *record) (metering.Usage, error) {
	var u metering.Usage
	if err := readUsage(r.payload, &u); err != nil {
		return metering.Usage{}, fmt.Errorf("checkpoint %d: %w", r.seq, err)
	}
	return u, nil
}

// decodeFact reads a fact of the journal with that id.
func decodeFact(journal string, r *record) (*metering.Event, error) {
	e := new(metering.Event)
	s, rest, err := readSection(r.payload)
	if err == nil {
		s.event(e)
		err = s.err
	}
	if err == nil {
		err = readUsage(rest, &e.Usage)
	}
	if err != nil {
		return nil, fmt.Errorf("fact %d: %w", r.seq, err)
	}
	e.ID, e.At, e.Seq = r.id, r.at, r.intent
	e.Journal, e.FactSeq = journal, r.seq
	return e, nil
}
