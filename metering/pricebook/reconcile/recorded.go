package reconcile

import (
	"context"

	"github.com/weirhq/weir/metering"
)

// Query asks for what was recorded of one provider.
type Query struct {
	Org      string
	Provider string
	From, To Day // inclusive, exclusive
	// Boundary is how close to midnight a call is counted apart, because the
	// provider may have it on the other day; in microseconds.
	Boundary metering.Micros
}

// Source sums what was recorded. It answers for the day before From and the day
// of To as well, of which only the calls near their common midnight are looked
// at. ErrInvalid says that there are more groups than can be compared.
type Source interface {
	Recorded(ctx context.Context, q Query) ([]Recorded, error)
}

// Recorded is what the events of a day say of one group.
type Recorded struct {
	Day        Day
	Asked      string // the model that was asked for
	Served     string // the model that answered; empty: unknown
	Credential string // label of the key that the provider was called with; empty: unknown
	Tier       string // TierStandard where nothing else is known

	Counts Counts
	Cost   metering.Cost // of what is priced

	// What may explain a difference. A call can be in several of them.
	Unpriced  int64 // calls without a cost
	Estimated Share // whose numbers are not all the provider's
	Broken    Share // that did not end as they should: cut off, hung up, crashed
	Test      Share // made with a test key
	First     Share // near the beginning of the day
	Last      Share // near its end
}

// Share is a part of a group.
type Share struct {
	Calls  int64         `json:"calls"`
	Tokens int64         `json:"tokens"`
	Cost   metering.Cost `json:"cost_usd"`
}

// add adds more to s.
func (s *Share) add(more Share) {
	s.Calls, s.Tokens, s.Cost = s.Calls+more.Calls, s.Tokens+more.Tokens, s.Cost.Add(more.Cost)
}

// Labels of credentials that are no key of the operator's.
const (
	// CredentialClient marks a call that was made with the client's own key, which
	// is on nobody's bill but the client's.
	CredentialClient = metering.CredentialClient
	// CredentialObserved marks a call that was only watched.
	CredentialObserved = metering.CredentialObserved
)

// measureOf is the measure that a quantity of an event is.
func measureOf(name string) (Measure, bool) {
	switch name {
	case "images":
		return Images, true
	case "characters":
		return Characters, true
	case "audio_seconds":
		return AudioSeconds, true
	case "web_search_call", "web_search_requests":
		return WebSearches, true
	case "web_fetch_requests":
		return WebFetches, true
	case "code_execution_requests":
		return CodeExecutions, true
	case "file_search_call":
		return FileSearches, true
	default:
		return 0, false
	}
}

// CountsOf are the measures of tokens and quantities; quantities are in whole
// numbers, what is less is left out. A request is not counted.
func CountsOf(t *metering.Tokens, quantities []metering.Quantity) Counts {
	var c Counts
	for i, n := range t {
		if n != 0 {
			c.addCell(metering.Cell(i), n)
		}
	}
	for _, q := range quantities {
		if m, known := measureOf(q.Name); known {
			c[m] += q.Amount.Normal().Units
		}
	}
	return c
}

// addCell adds the tokens of a cell to all measures that they are in.
func (c *Counts) addCell(cell metering.Cell, n int64) {
	switch {
	case !cell.IsInput():
		c[Output] += n
		switch cell.Modality() {
		case metering.Audio:
			c[AudioOutput] += n
		case metering.Image:
			c[ImageOutput] += n
		}
		return
	case cell.Cache() == metering.CacheRead:
		c[CacheRead] += n
	case cell.Cache() != metering.CacheNone:
		c[CacheWrite] += n
		switch cell.Cache() {
		case metering.CacheWrite5m:
			c[CacheWrite5m] += n
		case metering.CacheWrite1h:
			c[CacheWrite1h] += n
		}
	default:
		c[Input] += n
		switch cell.Modality() {
		case metering.Audio:
			c[AudioInput] += n
		case metering.Image:
			c[ImageInput] += n
		}
	}
	c[InputAll] += n
}
