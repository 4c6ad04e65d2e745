package metering

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Cache is what the provider's prompt cache did with an input token.
type Cache uint8

// Cache states. Writes are kept apart by time to live because they are priced
// apart; a write whose TTL the provider does not report takes the provider's
// default (Anthropic 5 minutes, OpenAI 30 minutes).
const (
	CacheNone Cache = iota
	CacheRead
	CacheWrite5m
	CacheWrite30m
	CacheWrite1h
	numCaches
)

// Modality is the kind of content a token stands for.
type Modality uint8

// Modalities. Text is also what a provider that reports no modality counts.
const (
	Text Modality = iota
	Audio
	Image
	Video
	Document
	numModalities
)

// Cell is one disjoint class of tokens: direction × cache state × modality ×
// reasoning. Cells can be priced and summed alone.
type Cell uint8

// NumCells is how many cells there are.
const NumCells = int(numCaches)*int(numModalities) + 2*int(numModalities)

// InputCell is the class of input tokens in that cache state and modality.
func InputCell(c Cache, m Modality) Cell {
	return Cell(int(c)*int(numModalities) + int(m))
}

// OutputCell is the class of generated tokens, reasoning kept apart.
func OutputCell(reasoning bool, m Modality) Cell {
	base := int(numCaches) * int(numModalities)
	if reasoning {
		base += int(numModalities)
	}
	return Cell(base + int(m))
}

// IsInput reports the direction of c.
func (c Cell) IsInput() bool { return int(c) < int(numCaches)*int(numModalities) }

// Cache returns the cache state of an input cell; CacheNone for output.
func (c Cell) Cache() Cache {
	if !c.IsInput() {
		return CacheNone
	}
	return Cache(int(c) / int(numModalities))
}

// Modality returns the modality of c.
func (c Cell) Modality() Modality { return Modality(int(c) % int(numModalities)) }

// Reasoning reports whether c counts reasoning output.
func (c Cell) Reasoning() bool {
	return int(c) >= int(numCaches)*int(numModalities)+int(numModalities)
}

var (
	cacheNames    = [numCaches]string{"input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h"}
	modalityNames = [numModalities]string{"", ".audio", ".image", ".video", ".document"}
)

// String is the stable name of the cell in journals, databases and the API:
// "input", "cache_read.audio", "output", "reasoning", ….
func (c Cell) String() string {
	switch {
	case int(c) >= NumCells:
		return fmt.Sprintf("cell(%d)", uint8(c))
	case c.IsInput():
		return cacheNames[c.Cache()] + modalityNames[c.Modality()]
	case c.Reasoning():
		return "reasoning" + modalityNames[c.Modality()]
	default:
		return "output" + modalityNames[c.Modality()]
	}
}

// ParseCell reads the name that String writes.
func ParseCell(s string) (Cell, error) {
	for c := range NumCells {
		if Cell(c).String() == s {
			return Cell(c), nil
		}
	}
	return 0, fmt.Errorf("token cell %q: %w", s, ErrInvalid)
}

// Tokens counts the tokens of one exchange by cell. The zero value is no
// tokens, which is not the same as unknown: [Usage].State says which.
type Tokens [NumCells]int64

// Input is the sum of all input cells, cached ones included.
func (t *Tokens) Input() int64 {
	var n int64
	for _, v := range t[:int(numCaches)*int(numModalities)] {
		n += v
	}
	return n
}

// Output is the sum of all output cells, reasoning included.
func (t *Tokens) Output() int64 {
	var n int64
	for _, v := range t[int(numCaches)*int(numModalities):] {
		n += v
	}
	return n
}

// Add adds u to t cell by cell.
func (t *Tokens) Add(u *Tokens) {
	for i, v := range u {
		t[i] += v
	}
}

// MarshalJSON writes the cells that are not zero by name.
func (t Tokens) MarshalJSON() ([]byte, error) { return t.appendJSON(nil), nil }

func (t *Tokens) appendJSON(b []byte) []byte {
	b = append(b, '{')
	for c, v := range t {
		if v == 0 {
			continue
		}
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), Cell(c).String()...), `":`...)
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, '}')
}

// UnmarshalJSON reads what MarshalJSON writes; an unknown cell is an error.
func (t *Tokens) UnmarshalJSON(b []byte) error {
	var cells map[string]int64
	if err := json.Unmarshal(b, &cells); err != nil {
		return fmt.Errorf("token cells: %w", err)
	}
	*t = Tokens{}
	for name, v := range cells {
		c, err := ParseCell(name)
		if err != nil {
			return err
		}
		t[c] = v
	}
	return nil
}

// Classes is the view of the cells that the API and reports show. Classes are
// disjoint: each cell is in exactly one, cache state and reasoning deciding
// before modality, and Input and Output are what remains.
type Classes struct {
	Input       int64 `json:"input"`
	CacheRead   int64 `json:"cache_read"`
	CacheWrite  int64 `json:"cache_write"`
	Output      int64 `json:"output"`
	Reasoning   int64 `json:"reasoning"`
	AudioInput  int64 `json:"audio_input"`
	AudioOutput int64 `json:"audio_output"`
	ImageInput  int64 `json:"image_input"`
	ImageOutput int64 `json:"image_output"`
}

// Total is the sum of all classes.
func (c Classes) Total() int64 {
	return c.Input + c.CacheRead + c.CacheWrite + c.Output + c.Reasoning +
		c.AudioInput + c.AudioOutput + c.ImageInput + c.ImageOutput
}

// Classes sorts every cell into its class.
func (t *Tokens) Classes() Classes {
	var out Classes
	for i, v := range t {
		if v != 0 {
			*out.of(Cell(i)) += v
		}
	}
	return out
}

func (c *Classes) of(cell Cell) *int64 {
	switch {
	case cell.Reasoning():
		return &c.Reasoning
	case cell.Cache() == CacheRead:
		return &c.CacheRead
	case cell.Cache() != CacheNone:
		return &c.CacheWrite
	case cell.IsInput() && cell.Modality() == Audio:
		return &c.AudioInput
	case cell.IsInput() && cell.Modality() == Image:
		return &c.ImageInput
	case cell.IsInput():
		return &c.Input
	case cell.Modality() == Audio:
		return &c.AudioOutput
	case cell.Modality() == Image:
		return &c.ImageOutput
	default:
		return &c.Output
	}
}

// String lists the cells that are not zero, for messages and tests.
func (t Tokens) String() string {
	var parts []string
	for c, v := range t {
		if v != 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", Cell(c), v))
		}
	}
	return strings.Join(parts, " ")
}
