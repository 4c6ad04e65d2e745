package snapshot

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/pricebook/catalogue"
)

// table is one of the files.
type table struct {
	file    string
	columns string
	row     func(*line, *catalogue.Rows)
}

func tables() []table {
	return []table{
		{"skus.csv", "provider,sku,kind,base,context,max_output,released,deprecated,retired,moving,aliases,dated,sources,note", skuRow},
		{"matches.csv", "provider,type,pattern,sku,region,endpoint,priority,from,to,sources,note", matchRow},
		{"rates.csv", "provider,sku,when,prices,per,from,to,status,guaranteed,confirmed,reason,minimum,step,sources,note", rateRow},
		{"modifiers.csv", "provider,skus,meters,multiply,when,order,alone,from,to,sources,note", modifierRow},
		{"calendars.csv", "id,zone,days,ranges,holidays,holidays_to,basis,sources,note", calendarRow},
	}
}

func (t table) read(text string, rows *catalogue.Rows) error {
	r := csv.NewReader(strings.NewReader(text))
	r.Comment = '#'
	columns := strings.Split(t.columns, ",")
	head, err := r.Read()
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	if !slices.Equal(head, columns) {
		return fmt.Errorf("columns are %v, want %v: %w", head, columns, metering.ErrInvalid)
	}
	seen := make(map[string]int)
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		number, _ := r.FieldPos(0)
		key := strings.Join(fields, "\x00")
		if first := seen[key]; first > 0 {
			return fmt.Errorf("line %d is line %d again: %w", number, first, metering.ErrInvalid)
		}
		seen[key] = number
		l := &line{fields: make(map[string]string, len(fields))}
		for i, f := range fields {
			l.fields[columns[i]] = strings.TrimSpace(f)
		}
		if l.text("sources") == "" {
			l.fail("sources are needed")
		}
		if t.row(l, rows); l.err != nil {
			return fmt.Errorf("line %d: %w", number, l.err)
		}
	}
}

// line is one record by column. The first thing that cannot be read is its error.
type line struct {
	fields map[string]string
	err    error
}

func (l *line) fail(format string, args ...any) {
	if l.err == nil {
		l.err = fmt.Errorf(format+": %w", append(args, metering.ErrInvalid)...)
	}
}

func (l *line) text(column string) string { return l.fields[column] }

func (l *line) list(column string) []string { return strings.Fields(l.fields[column]) }

func (l *line) number(column string) int64 {
	s := l.fields[column]
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		l.fail("%s %.40q is no count", column, s)
	}
	return n
}

func (l *line) instant(column string) catalogue.Instant {
	i, err := catalogue.ParseInstant(l.fields[column])
	if err != nil {
		l.fail("%s is %.40q, no date and no instant", column, l.fields[column])
	}
	return i
}

func (l *line) yes(column string) bool {
	switch l.fields[column] {
	case "":
		return false
	case "yes":
		return true
	default:
		l.fail("%s is %.40q, not yes or empty", column, l.fields[column])
		return false
	}
}
