package reconcile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirhq/weir/metering"
)

// Unread is a meter of the provider's usage report that is not known here: it may
// be charged for, and no event can be compared with it.
type Unread struct {
	Day    Day
	Key    string // the provider's id of the API key; empty: it does not say
	Name   string // of the member, with the names of those around it: "cache_creation.x"
	Amount metering.Number
}

// unreadKey is what unread meters are summed by.
type unreadKey struct {
	day       Day
	key, name string
}

// maxUnread bounds the unread meters of an export, by day and key.
const maxUnread = 10_000

// members are the parts of a result that this release does not read.
type members struct {
	// by says what else the result is grouped by. Rows that differ in nothing else
	// are different rows, and none may pass for the other come twice.
	by     []string
	meters map[string]metering.Number
}

// unreadOf finds the members of a result that are not known. A number is a meter,
// unless it is zero; anything else is taken for what the result is grouped by.
func unreadOf(raw json.RawMessage, known func(name string) bool) (members, error) {
	var m members
	return m, m.find("", raw, known)
}

// find looks through an object. Its members are visited by name, so that the same
// row reads the same however it is written.
func (m *members) find(prefix string, raw json.RawMessage, known func(string) bool) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("%w: %w", err, metering.ErrInvalid)
	}
	for _, member := range slices.Sorted(maps.Keys(all)) {
		name, value := prefix+member, bytes.TrimSpace(all[member])
		switch {
		case known(name) || bytes.Equal(value, []byte("null")):
		case value[0] == '{' && strings.Count(name, ".") < maxDepth:
			if err := m.find(name+".", value, known); err != nil {
				return err
			}
		case value[0] == '-' || value[0] >= '0' && value[0] <= '9':
			n, err := metering.ParseNumber(string(value))
			if err != nil {
				return fmt.Errorf("%.60q: %w", name, err)
			}
			if err := m.count(name, n); err != nil {
				return err
			}
		default:
			m.by = append(m.by, name+"="+string(value))
		}
	}
	return nil
}

// count adds a meter that is not zero.
func (m *members) count(name string, n metering.Number) error {
	if n.Units > maxCount || n.Units < -maxCount {
		return fmt.Errorf("%.60q is %s, beyond %d: %w", name, n, int64(maxCount), metering.ErrInvalid)
	}
	if n.IsZero() {
		return nil
	}
	if m.meters == nil {
		m.meters = make(map[string]metering.Number)
	}
	m.meters[clip(name)] = n
	return nil
}

// says is what the unread meters of a row say, as a part of what the row says.
func (m *members) says() string {
	if len(m.meters) == 0 {
		return ""
	}
	return fmt.Sprint(m.meters)
}

// addUnread adds the unread meters of a row up.
func (r *Reader) addUnread(day Day, key string, m *members) error {
	for name, n := range m.meters {
		k := unreadKey{day, clip(key), name}
		if _, there := r.unread[k]; !there && len(r.unread) >= maxUnread {
			return fmt.Errorf("more than %d meters that are not known; give fewer days at a time: %w", maxUnread, metering.ErrInvalid)
		}
		r.unread[k] = r.unread[k].Add(n)
	}
	return nil
}

// unreadMeters are what was added up, in order.
func (r *Reader) unreadMeters() []Unread {
	var out []Unread
	for k, n := range r.unread {
		out = append(out, Unread{k.day, k.key, k.name, n})
	}
	slices.SortFunc(out, func(a, b Unread) int {
		return strings.Compare(fmt.Sprintf("%010d %s %s", a.Day, a.Name, a.Key), fmt.Sprintf("%010d %s %s", b.Day, b.Name, b.Key))
	})
	return out
}

// tellUnread says which meters of the compared days are not read. They make the
// comparison fail, unless the bill was compared and agrees without them: what
// nobody can compare is never taken for nothing.
func (c *comparison) tellUnread(causes map[string]int) {
	sums := make(map[string]metering.Number)
	for _, u := range c.export.Unread {
		if c.days[u.Day] && !c.keys.leftOut(u.Key) {
			sums[u.Name] = sums[u.Name].Add(u.Amount)
		}
	}
	if len(sums) == 0 {
		return
	}
	total := &c.report.Totals
	billed := c.total.theirs.priced && costAgrees(total)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		text := fmt.Sprintf("the provider's report counts %s %s, which this release of Weir does not read", sums[name], name)
		if billed {
			c.report.Notes = append(c.report.Notes, text+"; its bill agrees without it")
			continue
		}
		total.Measures = append(total.Measures, Difference{Measure: name, Theirs: sums[name].String(), Verdict: VerdictDiffers, decides: true})
		total.Causes = append(total.Causes, Cause{CauseUnread, text + ": compare with the costs too, and look for a later release"})
	}
	if billed {
		return
	}
	if total.Verdict != VerdictDiffers {
		c.report.Differing++
		causes[CauseUnread]++
	}
	total.Verdict = VerdictDiffers
}

// costAgrees reports whether the costs of a row were compared and do not differ.
func costAgrees(r *Row) bool {
	return slices.ContainsFunc(r.Measures, func(d Difference) bool {
		return d.Measure == MeasureCost && d.decides && d.Verdict != VerdictDiffers
	})
}
