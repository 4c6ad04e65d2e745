package snapshot

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

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
		{"modifiers.csv", "provider,skus,meters,multiply,when,order,alone,from,to,status,sources,note", modifierRow},
		{"calendars.csv", "id,zone,days,ranges,holidays,holidays_to,basis,sources,note", calendarRow},
	}
}

func (t table) read(text string, rows *catalogue.Rows) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("it is not UTF-8: %w", metering.ErrInvalid)
	}
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
		l := &line{at: number, fields: make(map[string]string, len(fields)), seen: seen}
		l.once(fields...)
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
	at     int // its number in the file
	fields map[string]string
	seen   map[string]int // the lines of the table so far, by what they are about
	err    error
}

// once notes what the line is about, and fails if a line before is about the same.
func (l *line) once(about ...string) {
	key := strings.Join(about, " ")
	if first := l.seen[key]; first > 0 {
		l.fail("it is about the same as line %d: %.200s", first, key)
	}
	l.seen[key] = l.at
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
