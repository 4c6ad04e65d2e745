package pdf

import (
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/text/unicode/norm"
)

// The fonts are strings because fpdf writes to the bytes it is given.
var (
	//go:embed font/DejaVuSans.ttf
	regular string
	//go:embed font/DejaVuSans-Bold.ttf
	bold string
)

const (
	family = "DejaVu"

	// missing stands for a character that the fonts lack.
	missing = '□'

	// maxText bounds a single text, in characters.
	maxText = 1000
)

// font knows which characters can be set.
type font struct{ covered map[rune]bool }

// newFont adds the fonts to a document.
func newFont(doc *fpdf.Fpdf) (font, error) {
	doc.AddUTF8FontFromBytes(family, "", []byte(regular))
	doc.AddUTF8FontFromBytes(family, "B", []byte(bold))
	covered, err := coverage(regular)
	if err != nil {
		return font{}, fmt.Errorf("read font: %w", err)
	}
	return font{covered}, nil
}

// clean makes s something that the fonts can set, on one line.
func (f font) clean(s string) string {
	var out strings.Builder
	n := 0
	for _, r := range norm.NFC.String(strings.ToValidUTF8(s, string(missing))) {
		if n++; n > maxText {
			out.WriteString("…")
			break
		}
		switch {
		case r == ' ' || unicode.IsControl(r) || unicode.Is(unicode.Z, r) && !f.covered[r]:
			out.WriteByte(' ')
		case unicode.Is(unicode.Cf, r):
			// Joiners and direction marks: nothing to be seen.
		case f.covered[r]:
			out.WriteRune(r)
		default:
			out.WriteRune(missing)
		}
	}
	return strings.TrimSpace(out.String())
}

// coverage reads which characters a TrueType font has, from its character map of
// format 4: https://learn.microsoft.com/typography/opentype/spec/cmap.
func coverage(ttf string) (map[rune]bool, error) {
	b := []byte(ttf)
	u16 := func(at int) int { return int(binary.BigEndian.Uint16(b[at:])) }
	u32 := func(at int) int { return int(binary.BigEndian.Uint32(b[at:])) }
	for i := range u16(4) {
		entry := 12 + 16*i
		if string(b[entry:entry+4]) != "cmap" {
			continue
		}
		table := u32(entry + 8)
		for k := range u16(table + 2) {
			sub := table + u32(table+4+8*k+4)
			if u16(sub) == 4 {
				return format4(u16, sub), nil
			}
		}
	}
	return nil, errors.New("the font has no character map of format 4")
}

func format4(u16 func(int) int, sub int) map[rune]bool {
	covered := map[rune]bool{}
	doubled := u16(sub + 6) // twice the number of segments
	for i := 0; i < doubled; i += 2 {
		end, start := u16(sub+14+i), u16(sub+16+doubled+i)
		delta, at := u16(sub+16+2*doubled+i), sub+16+3*doubled+i
		for c := start; c <= end && c != 0xffff; c++ {
			glyph := c
			if offset := u16(at); offset != 0 {
				if glyph = u16(at + offset + 2*(c-start)); glyph == 0 {
					continue
				}
			}
			if (glyph+delta)&0xffff != 0 {
				covered[rune(c)] = true
			}
		}
	}
	return covered
}
