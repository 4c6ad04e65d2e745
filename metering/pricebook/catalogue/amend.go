package catalogue

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Amendment is what an amended layer has that the one before had not.
type Amendment struct {
	Added      []string // ids of new rates and modifiers
	Superseded []string // ids of those that they correct
	Described  int      // SKUs, matches, calendars and plans that are new or say something else
}

// Empty reports that everything was there already.
func (a *Amendment) Empty() bool { return len(a.Added) == 0 && a.Described == 0 }

// Amend returns the layer that follows base, nil for none, when rows are added.
// A rate or modifier is never edited: one for the same thing, conditions and
// beginning as another supersedes it. SKUs, matches, calendars and plans, which
// nothing refers to by an id, take the place of those they are about. What is
// there already is not added again, so that it can be said twice.
func Amend(level Level, base *Layer, rows Rows) (*Layer, Amendment, error) {
	var have Rows
	if base != nil {
		have = base.Rows
	}
	var made Amendment
	next := Rows{
		SKUs: replaced(have.SKUs, rows.SKUs, &made, func(s *SKU) string { return s.Provider + " " + s.SKU }),
		Matches: replaced(have.Matches, rows.Matches, &made, func(m *Match) string {
			return strings.Join([]string{m.Provider, string(m.Type), m.Pattern, m.From.String()}, " ")
		}),
		Calendars: replaced(have.Calendars, rows.Calendars, &made, func(c *Calendar) string { return c.ID }),
		Plans:     replaced(have.Plans, rows.Plans, &made, func(p *Plan) string { return p.Provider }),
	}
	var err1, err2 error
	next.Rates, err1 = appended(level, have.Rates, rows.Rates, &made)
	next.Modifiers, err2 = appended(level, have.Modifiers, rows.Modifiers, &made)
	if err := errors.Join(err1, err2); err != nil {
		return nil, Amendment{}, fmt.Errorf("layer %s: %w", level, err)
	}
	l, err := NewLayer(level, next)
	return l, made, err
}

// replaced puts rows that have no id in the place of those with the same key.
func replaced[T any](have, rows []T, made *Amendment, key func(*T) string) []T {
	have = slices.Clone(have)
	at := make(map[string]int, len(have))
	for i := range have {
		at[key(&have[i])] = i
	}
	for i := range rows {
		k := key(&rows[i])
		j, there := at[k]
		switch {
		case !there:
			at[k] = len(have)
			have = append(have, rows[i])
		case reflect.DeepEqual(have[j], rows[i]):
			continue
		default:
			have[j] = rows[i]
		}
		made.Described++
	}
	return have
}

// row is a rate or a modifier: it has an id and may supersede another.
type row[T any] interface {
	*T
	Identify(Level) string
	names() (id, supersedes *string)
	slot() string // rows of one slot correct each other
}

func (r *Rate) names() (id, supersedes *string)     { return &r.ID, &r.Supersedes }
func (m *Modifier) names() (id, supersedes *string) { return &m.ID, &m.Supersedes }

func (r *Rate) slot() string {
	return strings.Join([]string{r.Provider, r.SKU, r.Meter, r.From.String(), r.When.Key()}, " ")
}

func (m *Modifier) slot() string {
	return strings.Join([]string{m.Provider, strings.Join(m.SKUs, ","), strings.Join(m.Meters, ","), m.From.String(), m.When.Key()}, " ")
}

// same reports whether two rows say the same, whatever they are called and
// supersede.
func same[T any, P row[T]](a, b T) bool {
	for _, r := range []P{&a, &b} {
		id, supersedes := r.names()
		*id, *supersedes = "", ""
	}
	return reflect.DeepEqual(a, b)
}

// appended adds rows behind those that are there.
func appended[T any, P row[T]](level Level, have, rows []T, made *Amendment) ([]T, error) {
	have = slices.Clone(have)
	gone, ids, slots := make(map[string]bool), make(map[string]int), make(map[string]int)
	file := func(i int) {
		r := P(&have[i])
		id, supersedes := r.names()
		gone[*supersedes], ids[*id], slots[r.slot()] = true, i, i
	}
	for i := range have {
		file(i)
	}
	for _, add := range rows {
		r := P(&add)
		id, supersedes := r.names()
		if i, there := ids[*id]; there && *id != "" {
			if !same[T, P](have[i], add) {
				return nil, invalid("%.200s is there and says something else; a row is never edited: leave the id out, or give another", *id)
			}
			continue
		}
		if i, there := slots[r.slot()]; there {
			now, _ := P(&have[i]).names()
			if !gone[*now] && same[T, P](have[i], add) {
				continue
			}
			if !gone[*now] && *supersedes == "" {
				*supersedes = *now
			}
		}
		if *id == "" {
			*id = r.Identify(level)
			for n := 2; has(ids, *id); n++ {
				*id = r.Identify(level) + "~" + strconv.Itoa(n)
			}
		}
		have = append(have, add)
		file(len(have) - 1)
		made.Added = append(made.Added, *id)
		if *supersedes != "" {
			made.Superseded = append(made.Superseded, *supersedes)
		}
	}
	return have, nil
}

func has(ids map[string]int, id string) bool {
	_, there := ids[id]
	return there
}
