package reconcile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/weirhq/weir/metering"
)

// Bounds of what is read.
const (
	MaxBytes  = 32 << 20  // of all files together
	maxRows   = 1_000_000 // of all files together
	maxGroups = 200_000   // of usage, and of costs, by day
	maxName   = 200       // bytes of a name
	maxNotes  = 50
	maxDays   = 1000
)

// Providers are those whose exports can be read.
func Providers() []string { return []string{"anthropic", "openai"} }

// Reader adds exports of one provider up. It takes the pages of the provider's
// API as they came, one after the other, an array of them, a bucket a line, and
// OpenAI's tables from its dashboard. A row that comes twice counts once; if it
// says something else the second time, that is an error, because nobody can say
// which is true.
type Reader struct {
	provider  string
	left      int64 // bytes
	rows      int
	out       Export
	usage     map[Group]*Usage
	costs     map[Item]*Cost
	seen      map[[16]byte][16]byte // what a row is about, and what it says
	unread    map[unreadKey]metering.Number
	covered   [2]map[Day]map[int64]int64
	skipped   map[string]int // rows of kinds that nobody knows
	again     int            // rows that came twice
	costsOnly bool           // the file that is being read
	more      bool           // the last page says that another follows
}

// Parts of an export.
const (
	ofUsage = iota
	ofCosts
)

// NewReader reads exports of that provider. ErrInvalid names those there are.
func NewReader(provider string) (*Reader, error) {
	if !slices.Contains(Providers(), provider) {
		return nil, fmt.Errorf("no export of %.60q can be read, only of %s: %w", provider, strings.Join(Providers(), " and "), metering.ErrInvalid)
	}
	return &Reader{
		provider: provider, left: MaxBytes, out: Export{Provider: provider},
		usage: make(map[Group]*Usage), costs: make(map[Item]*Cost), seen: make(map[[16]byte][16]byte), unread: make(map[unreadKey]metering.Number),
		covered: [2]map[Day]map[int64]int64{{}, {}}, skipped: make(map[string]int),
	}, nil
}

// ReadCosts is Read of a file of costs. What is in a file shows by itself, but
// for a stretch of time in which nothing was used.
func (r *Reader) ReadCosts(name string, src io.Reader) error {
	r.costsOnly = true
	defer func() { r.costsOnly = false }()
	return r.Read(name, src)
}

// Read adds a file; name is what errors call it. ErrInvalid says what is wrong
// with it, and where.
func (r *Reader) Read(name string, src io.Reader) error {
	limited := &io.LimitedReader{R: src, N: r.left + 1}
	in := bufio.NewReader(limited)
	first, err := firstByte(in)
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s is empty: %w", name, metering.ErrInvalid)
	case err != nil:
	case first == '{' || first == '[':
		err = r.readJSON(in)
	default:
		err = r.readTable(in)
	}
	if r.left = limited.N - 1; r.left < 0 {
		return fmt.Errorf("%s: the files have more than %d bytes; give fewer days at a time: %w", name, int64(MaxBytes), metering.ErrInvalid)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// firstByte skips white space and a byte order mark.
func firstByte(in *bufio.Reader) (byte, error) {
	if mark, err := in.Peek(3); err == nil && bytes.Equal(mark, []byte("\xEF\xBB\xBF")) {
		if _, err := in.Discard(3); err != nil {
			return 0, err
		}
	}
	for {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if b == ' ' || b == '\t' || b == '\r' || b == '\n' {
			continue
		}
		return b, in.UnreadByte()
	}
}

// readJSON reads values one after the other, whatever is between them.
func (r *Reader) readJSON(in io.Reader) error {
	dec := json.NewDecoder(in)
	for n := 1; ; n++ {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("value %d cannot be read: %w: %w", n, err, metering.ErrInvalid)
		}
		if err := r.value(raw, 0); err != nil {
			return fmt.Errorf("value %d: %w", n, err)
		}
	}
}

// page is a page of buckets, or a bucket.
type page struct {
	Data    *[]json.RawMessage `json:"data"`
	More    bool               `json:"has_more"`
	Results *[]json.RawMessage `json:"results"`

	Start json.Number `json:"start_time"` // OpenAI's: seconds since 1970
	End   json.Number `json:"end_time"`
	From  string      `json:"starting_at"` // Anthropic's: RFC 3339
	Until string      `json:"ending_at"`
}

// maxDepth is how deep an array of pages lies.
const maxDepth = 3

// value reads an array of values, a page or a bucket.
func (r *Reader) value(raw json.RawMessage, depth int) error {
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
		var list []json.RawMessage
		if err := json.Unmarshal(raw, &list); err != nil || depth >= maxDepth {
			return fmt.Errorf("an array of what are no pages: %w", metering.ErrInvalid)
		}
		for i, v := range list {
			if err := r.value(v, depth+1); err != nil {
				return fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return nil
	}
	var p page
	if err := json.Unmarshal(raw, &p); err != nil {
		return fmt.Errorf("%w: %w", err, metering.ErrInvalid)
	}
	switch {
	case p.Data != nil && depth < maxDepth:
		r.more = p.More
		for i, v := range *p.Data {
			if err := r.value(v, depth+1); err != nil {
				return fmt.Errorf("data[%d]: %w", i, err)
			}
		}
		return nil
	case p.Results != nil:
		return r.bucket(&p)
	default:
		return fmt.Errorf("neither a page with data nor a bucket with results: %w", metering.ErrInvalid)
	}
}

// bucket reads the results of a stretch of time.
func (r *Reader) bucket(p *page) error {
	read := r.anthropicBucket
	if r.provider == "openai" {
		read = r.openAIBucket
	}
	return read(p)
}

// clip is a name that can be stored, cut to its bound.
func clip(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "\uFFFD")
	for len(s) > maxName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// once reports whether a row is new. What it is about is a list of texts, what
// it says a value of numbers.
func (r *Reader) once(about []string, says any) (bool, error) {
	if r.rows++; r.rows > maxRows {
		return false, fmt.Errorf("more than %d rows; give fewer days at a time: %w", maxRows, metering.ErrInvalid)
	}
	id, content := digest(strings.Join(about, "\x00")), digest(fmt.Sprint(says))
	have, there := r.seen[id]
	if !there {
		r.seen[id] = content
		return true, nil
	}
	if have != content {
		return false, fmt.Errorf("%s is given twice with different numbers; give one export of each day: %w", strings.Join(slices.DeleteFunc(slices.Clone(about), func(s string) bool { return s == "" }), " "), metering.ErrInvalid)
	}
	r.again++
	return false, nil
}

func digest(s string) [16]byte {
	sum := sha256.Sum256([]byte(s))
	return [16]byte(sum[:16])
}

// cover notes that a stretch of time is in an export, in seconds since 1970, and
// returns its day. A bucket lies in one day.
func (r *Reader) cover(part int, from, to int64) (Day, error) {
	const day = 86400
	if from < 0 || to <= from || to-from > day || to > 253_402_300_800 {
		return 0, fmt.Errorf("a bucket from %d to %d is none of a day or less: %w", from, to, metering.ErrInvalid)
	}
	d := Day(from / day)
	if (to-1)/day != from/day {
		return 0, fmt.Errorf("a bucket from %s on is in two days of UTC: %w", metering.Micros(from*1_000_000).Time(), metering.ErrInvalid)
	}
	if r.covered[part][d] == nil {
		if len(r.covered[part]) >= maxDays {
			return 0, fmt.Errorf("more than %d days: %w", maxDays, metering.ErrInvalid)
		}
		r.covered[part][d] = make(map[int64]int64)
	}
	r.covered[part][d][from] = max(r.covered[part][d][from], to-from)
	switch part {
	case ofUsage:
		r.out.hasUsage = true
	case ofCosts:
		r.out.hasCosts = true
	}
	return d, nil
}

// addUsage adds a row up.
func (r *Reader) addUsage(u Usage) error {
	u.Model, u.Key, u.Tier = clip(u.Model), clip(u.Key), clip(u.Tier)
	r.out.ByModel = r.out.ByModel || u.Model != ""
	r.out.ByKey = r.out.ByKey || u.Key != ""
	r.out.ByTier = r.out.ByTier || u.Tier != ""
	have := r.usage[u.Group]
	if have == nil {
		if len(r.usage) >= maxGroups {
			return fmt.Errorf("more than %d groups of usage; give fewer days at a time: %w", maxGroups, metering.ErrInvalid)
		}
		r.usage[u.Group] = &u
		return nil
	}
	have.Counts.Add(&u.Counts)
	have.Known |= u.Known
	have.addTerms(u.Terms)
	return nil
}

// addCost adds an amount up.
func (r *Reader) addCost(c Cost) error {
	c.Model, c.Key, c.Tier, c.Name, c.Class, c.Unit = clip(c.Model), clip(c.Key), clip(c.Tier), clip(c.Name), clip(c.Class), clip(c.Unit)
	r.out.CostByModel = r.out.CostByModel || c.Model != AllModels
	r.out.CostByKey = r.out.CostByKey || c.Key != ""
	have := r.costs[c.Item]
	if have == nil {
		if len(r.costs) >= maxGroups {
			return fmt.Errorf("more than %d groups of costs; give fewer days at a time: %w", maxGroups, metering.ErrInvalid)
		}
		r.costs[c.Item] = &c
		return nil
	}
	have.Amount, have.Quantity = have.Amount.Add(c.Amount), have.Quantity.Add(c.Quantity)
	if have.Unit != c.Unit {
		have.Unit, have.Quantity = "", metering.Number{}
	}
	return nil
}

// Export is what was read. ErrInvalid says that it is nothing.
func (r *Reader) Export() (*Export, error) {
	if !r.out.hasUsage && !r.out.hasCosts {
		return nil, fmt.Errorf("the export has no buckets: %w", metering.ErrInvalid)
	}
	out := r.out
	out.Usage, out.Costs = gather(r.usage, Group.compare), gather(r.costs, Item.compare)
	out.Unread = r.unreadMeters()
	var costsPartly []Day
	out.CostDays, costsPartly = whole(r.covered[ofCosts])
	if out.Days, out.Partly = whole(r.covered[ofUsage]); !out.hasUsage {
		out.Days, out.Partly = out.CostDays, costsPartly
	}
	for _, kind := range slices.Sorted(maps.Keys(r.skipped)) {
		out.note("%d rows are of the kind %.60q, which is not read", r.skipped[kind], kind)
	}
	if r.more {
		out.note("the last page says that another one follows, which was not given")
	}
	if r.again > 0 {
		out.note("%d rows came twice and count once", r.again)
	}
	return &out, nil
}

// whole tells days that are wholly covered from those that are partly.
func whole(covered map[Day]map[int64]int64) (days, partly []Day) {
	for _, d := range slices.Sorted(maps.Keys(covered)) {
		var seconds int64
		for _, n := range covered[d] {
			seconds += n
		}
		if seconds >= 86400 {
			days = append(days, d)
		} else {
			partly = append(partly, d)
		}
	}
	return days, partly
}

// note says something to people about what was read.
func (e *Export) note(format string, args ...any) {
	if len(e.Notes) < maxNotes {
		e.Notes = append(e.Notes, fmt.Sprintf(format, args...))
	}
}
