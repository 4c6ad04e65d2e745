package sqlstore

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/sqldb"
)

// dimension is a column by which sums are grouped.
type dimension struct {
	expression string
	scan       func() any
	text       func(scanned any) string
}

// sinceRecorded is a column that older events are NULL in.
func sinceRecorded(column string) dimension {
	return plain("COALESCE(" + column + ", '" + metering.GroupUnknown + "')")
}

func plain(expression string) dimension {
	return dimension{expression, func() any { return new(string) }, func(v any) string { return *v.(*string) }}
}

func number(expression string) dimension {
	return dimension{expression, func() any { return new(int64) }, func(v any) string { return strconv.FormatInt(*v.(*int64), 10) }}
}

func packed(expression string) dimension {
	return dimension{expression, func() any { return new([]byte) }, func(v any) string { return unpack(*v.(*[]byte)) }}
}

// rollupGroups are the columns of rollups.
func rollupGroups() map[string]dimension {
	return map[string]dimension{
		"model": plain("model"), "provider": plain("provider"), "key": packed("key"), "customer": packed("customer"), "test": number("test"), "day": number("hour"), "hour": number("hour"),
	}
}

// eventGroups are the same columns of events, and those that events alone have.
func eventGroups() map[string]dimension {
	step, whole := strconv.FormatInt(int64(quarter), 10), strconv.FormatInt(int64(hour), 10)
	return map[string]dimension{
		"model": plain("model"), "provider": plain("provider"), "key": packed("key"), "customer": packed("customer"),
		"test": number("CASE WHEN test THEN 1 ELSE 0 END"), "day": number("at - at % " + step), "hour": number("at - at % " + whole),
		"tag": plain("COALESCE(tags, '')"), "name": plain("COALESCE(name, '" + usualName + "')"), "upstream": sinceRecorded("upstream"), "run": sinceRecorded("run"),
	}
}

// inRollups reports whether rollups are kept by a group.
func inRollups(by string) bool {
	_, ok := rollupGroups()[by]
	return ok
}

// checkGroups refuses groups and filters that there are not.
func checkGroups(q metering.UsageQuery) error {
	known := eventGroups()
	check := func(by string) error {
		if _, ok := known[by]; (!ok || by == "tag") && !strings.HasPrefix(by, "tag:") {
			return fmt.Errorf("usage by %.60q: %w", by, metering.ErrInvalid)
		}
		return nil
	}
	for _, by := range q.By {
		if err := check(by); err != nil {
			return err
		}
	}
	for _, f := range q.Only {
		if err := check(f.By); err != nil {
			return err
		}
		if f.By == "day" || f.By == "hour" {
			return fmt.Errorf("usage of one %s is that of a span: %w", f.By, metering.ErrInvalid)
		}
	}
	return nil
}

// groups are all that sums are made or chosen by.
func (t *tally) groups() []string {
	out := slices.Clone(t.query.By)
	for _, f := range t.query.Only {
		out = append(out, f.By)
	}
	return out
}

// columns are those that have to be read: of the groups, and the tags if any is
// looked at.
func (t *tally) columns() []string {
	var names []string
	for i, by := range t.groups() {
		tag := strings.HasPrefix(by, "tag:")
		if tag {
			by = "tag"
		}
		if (tag || i < len(t.query.By)) && !slices.Contains(names, by) {
			names = append(names, by)
		}
	}
	return names
}

// narrow puts the filters into the condition, but for those by tags.
func (t *tally) narrow(c *condition, known map[string]dimension) {
	for _, f := range t.query.Only {
		switch f.By {
		case "key", "customer":
			c.And(f.By+" = ?", pack(f.Value))
		case "test":
			one := 0
			if f.Value == "true" {
				one = 1
			}
			c.And(known["test"].expression+" = ?", one)
		case "model", "provider", "upstream", "run", "name":
			value := f.Value
			if value != metering.GroupUnknown {
				value = sqldb.Label(value)
			}
			c.And(known[f.By].expression+" = ?", value)
		}
	}
}

// keeps reports whether sums have the tags that are asked for.
func (t *tally) keeps(found map[string]string) (bool, error) {
	for _, f := range t.query.Only {
		name, isTag := strings.CutPrefix(f.By, "tag:")
		if !isTag {
			continue
		}
		value, err := tagged(found["tag"], name)
		if err != nil || value != f.Value {
			return false, err
		}
	}
	return true, nil
}
