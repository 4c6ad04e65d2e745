package api

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// printer writes aligned tables for people. Whatever cannot be printed is
// replaced: names of models and tags come from clients and must not steer a
// terminal.
type printer struct {
	w   *tabwriter.Writer
	err error
}

func newPrinter(w io.Writer) *printer {
	return &printer{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row writes the cells of a line.
func (p *printer) row(cells ...any) {
	texts := make([]string, len(cells))
	for i, c := range cells {
		texts[i] = printable(fmt.Sprint(c))
		if texts[i] == "" {
			texts[i] = "-"
		}
	}
	p.write(strings.Join(texts, "\t") + "\n")
}

// line writes text that is no table.
func (p *printer) line(format string, args ...any) {
	p.write(printable(fmt.Sprintf(format, args...)) + "\n")
}

// more says how to get the next page.
func (p *printer) more(next *string) {
	if next != nil {
		p.line("more: --cursor %s", *next)
	}
}

func (p *printer) write(s string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, s)
	}
}

func (p *printer) flush() error {
	if p.err == nil {
		p.err = p.w.Flush()
	}
	if p.err != nil {
		return fmt.Errorf("print: %w", p.err)
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '\uFFFD'
	}, s)
}
