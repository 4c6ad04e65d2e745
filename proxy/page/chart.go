package page

import (
	"encoding/json"
	"fmt"
	"hash/fnv"

	"github.com/weirhq/weir/metering"
)

// Units of a [Chart]: how its figures are written.
const (
	UnitUSD    = "usd"
	UnitTokens = "tokens"
	UnitCount  = "count"
	UnitMillis = "ms"
	UnitPlain  = "" // an exact decimal as it stands
)

// Kinds of a [Chart].
const (
	Bars  = "bar"  // stacked, for how much per bucket
	Lines = "line" // for a rate, a latency or a running total
)

// Palette is how many colours series have; one further is for Other.
const Palette = 7

// Other is the name of what is beyond the largest, and its own colour.
const Other = "Other"

// Chart is figures over time, a table that a script also draws. The partial
// "chart" writes it.
type Chart struct {
	Title   string // what the figures are
	Summary string // one sentence that says what there is to see
	Kind    string // Bars or Lines
	Unit    string
	Axis    string // head of the first column, with the zone: "Day (UTC)"
	Labels  []string
	Series  []Series
	Partial bool // the last bucket has not ended
	Open    bool // the table is shown beside the drawing from the start
	// Totals are the sums of the series, exact, where they mean anything; empty,
	// or one per series.
	Totals []string
	// Links lead from a label to the rows that make it; empty, or one per label.
	Links []string
}

// Series is one row of figures.
type Series struct {
	Name string
	// Values are exact decimals, one per label; an empty one is a gap, which is
	// not zero.
	Values []string
	// Slot is the colour, from 0 to Palette; [Slots] chooses.
	Slot   int
	Dashed bool // a comparison: drawn thin
}

// JSON is what the script draws. Figures are text until then: nothing here
// rounds them.
func (c *Chart) JSON() (string, error) {
	type series struct {
		Name   string   `json:"name"`
		Values []string `json:"values"`
		Slot   int      `json:"slot"`
		Dashed bool     `json:"dashed,omitempty"`
	}
	out := struct {
		Title   string   `json:"title"`
		Summary string   `json:"summary"`
		Kind    string   `json:"kind"`
		Unit    string   `json:"unit"`
		Axis    string   `json:"axis"`
		Labels  []string `json:"labels"`
		Series  []series `json:"series"`
		Partial bool     `json:"partial"`
	}{c.Title, c.Summary, c.Kind, c.Unit, c.Axis, c.Labels, make([]series, 0, len(c.Series)), c.Partial}
	for _, s := range c.Series {
		if len(s.Values) != len(c.Labels) {
			return "", fmt.Errorf("series %q of chart %q has %d values for %d labels", s.Name, c.Title, len(s.Values), len(c.Labels))
		}
		out.Series = append(out.Series, series(s))
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("chart %q: %w", c.Title, err)
	}
	return string(b), nil
}

// Rows are the rows of the table, a bucket each.
func (c *Chart) Rows() []ChartRow {
	rows := make([]ChartRow, len(c.Labels))
	for i, label := range c.Labels {
		rows[i] = ChartRow{Label: label, Partial: c.Partial && i == len(c.Labels)-1}
		if len(c.Links) == len(c.Labels) {
			rows[i].Link = c.Links[i]
		}
		for _, s := range c.Series {
			rows[i].Cells = append(rows[i].Cells, Figure{s.Values[i], c.Unit})
		}
	}
	return rows
}

// TotalCells are the last row of the table.
func (c *Chart) TotalCells() []Figure {
	out := make([]Figure, 0, len(c.Totals))
	for _, t := range c.Totals {
		out = append(out, Figure{t, c.Unit})
	}
	return out
}

// Empty reports whether there is nothing to draw.
func (c *Chart) Empty() bool { return c == nil || len(c.Series) == 0 || len(c.Labels) == 0 }

// ChartRow is one bucket of the table of a chart.
type ChartRow struct {
	Label   string
	Link    string
	Partial bool
	Cells   []Figure
}

// Figure is an exact decimal of a unit.
type Figure struct {
	Value string
	Unit  string
}

// String is the figure as it is read.
func (f Figure) String() string {
	if f.Value == "" {
		return "–"
	}
	switch f.Unit {
	case UnitUSD:
		c, err := metering.ParseCost(f.Value)
		if err != nil {
			return f.Value
		}
		return Cost(c)
	case UnitTokens, UnitCount:
		n, err := metering.ParseNumber(f.Value)
		if err != nil || n.Picos != 0 {
			return group(f.Value)
		}
		if f.Unit == UnitTokens {
			return Tokens(n.Units)
		}
		return Number(n.Units)
	case UnitMillis:
		return group(f.Value) + " ms"
	default:
		return group(f.Value)
	}
}

// Slots gives each name a colour: the same one on every page, by its hash,
// unless a name before it in the list has that one already.
func Slots(names []string) []int {
	slots := make([]int, len(names))
	taken := make(map[int]bool)
	for i, name := range names {
		if name == Other || len(taken) == Palette {
			slots[i] = Palette
			continue
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // never fails
		slot := int(h.Sum32() % Palette)
		for taken[slot] {
			slot = (slot + 1) % Palette
		}
		taken[slot] = true
		slots[i] = slot
	}
	return slots
}
