package pdf_test

import (
	"bytes"
	"compress/zlib"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode/utf16"
)

var (
	streams = regexp.MustCompile(`(?s)stream\r?\n(.*?)\r?\nendstream`)
	shown   = regexp.MustCompile(`(?s)\(((?:\\.|[^\\)])*)\) ?Tj`)
)

// extract reads the text of a PDF of ours as a reader does, without one: what
// each page shows, in the order in which it is shown, a line for each piece.
func extract(t *testing.T, doc []byte) [][]string {
	t.Helper()
	var pages [][]string
	for _, m := range streams.FindAllSubmatch(doc, -1) {
		z, err := zlib.NewReader(bytes.NewReader(m[1]))
		if err != nil {
			continue // not compressed: no page
		}
		content, err := io.ReadAll(z)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(content, []byte(")Tj")) || !bytes.Contains(content, []byte("BT ")) {
			continue // a font
		}
		var page []string
		for _, piece := range shown.FindAllSubmatch(content, -1) {
			page = append(page, text(t, piece[1]))
		}
		pages = append(pages, page)
	}
	return pages
}

// text decodes a string of a content stream: two bytes are one character.
func text(t *testing.T, raw []byte) string {
	t.Helper()
	var b []byte
	for i := 0; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
			if raw[i] == 'r' {
				b = append(b, '\r')
				continue
			}
		}
		b = append(b, raw[i])
	}
	if len(b)%2 != 0 {
		t.Fatalf("a string of %d bytes: %q", len(b), b)
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = uint16(b[2*i])<<8 | uint16(b[2*i+1])
	}
	return string(utf16.Decode(units))
}

func flat(pages [][]string) string {
	var all []string
	for _, p := range pages {
		all = append(all, p...)
	}
	return strings.Join(all, "\n") + "\n"
}
