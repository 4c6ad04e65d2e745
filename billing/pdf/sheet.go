package pdf

import (
	"strconv"
	"strings"

	"codeberg.org/go-pdf/fpdf"
)

// Everything is in points, 1/72 of an inch, and measured from the top left. fpdf
// computes in floats; what is here are whole numbers and sums of them, and none
// of it is money.
const (
	left, top        = 48, 48
	width            = 499 // of 595
	bottom           = 778 // of 842: what is below belongs to the foot
	leading          = 13
	leadingSmall     = 10
	leadingTitle     = 24
	gap              = 18
	footAt           = 800
	alignLeft        = "L"
	alignRight       = "R"
	grey, faint, ink = 90, 205, 20
)

// sheet is a document that is filled from top to bottom.
type sheet struct {
	doc  *fpdf.Fpdf
	font font
	at   fpdf.PointType // where the next thing goes
	// head is repeated on each further page: the head of a table that goes on.
	head  func()
	style style
	foot  string // of each page
	pages int    // how many there are; 0: not known yet
}

// style is how text looks.
type style int

const (
	title style = iota
	strong
	normal
	small
)

// set makes a style that of what follows.
func (s *sheet) set(to style) {
	s.style = to
	s.doc.SetTextColor(ink, ink, ink)
	switch to {
	case title:
		s.doc.SetFont(family, "B", 18)
	case strong:
		s.doc.SetFont(family, "B", 9)
	case small:
		s.doc.SetFont(family, "", 7)
		s.doc.SetTextColor(grey, grey, grey)
	case normal:
		s.doc.SetFont(family, "", 9)
	}
}

// page begins a new page.
func (s *sheet) page() {
	before := s.style
	s.doc.AddPage()
	s.set(small)
	n := strconv.Itoa(s.doc.PageNo()) + " of " + strconv.Itoa(s.pages)
	s.put(fpdf.PointType{X: left, Y: footAt}, fpdf.SizeType{Wd: width, Ht: leadingSmall}, s.foot, alignLeft)
	s.put(fpdf.PointType{X: left, Y: footAt}, fpdf.SizeType{Wd: width, Ht: leadingSmall}, "Page "+n, alignRight)
	s.at = fpdf.PointType{X: left, Y: top}
	if s.head != nil {
		s.head()
	}
	s.set(before)
}

// need begins a new page unless so many lines fit on this one.
func (s *sheet) need(lines int, height fpdf.SizeType) {
	end := s.at.Y
	for range lines {
		end += height.Ht
	}
	if end > bottom {
		s.page()
	}
}

// put sets a text that fits.
func (s *sheet) put(at fpdf.PointType, size fpdf.SizeType, text, align string) {
	s.doc.SetXY(at.X, at.Y)
	s.doc.CellFormat(size.Wd, size.Ht, s.font.clean(text), "", 0, align, false, 0, "")
}

// column is where a column of a table or a block is.
type column struct {
	head  string
	left  fpdf.PointType // X
	size  fpdf.SizeType  // Wd
	align string
}

// row sets texts side by side, each wrapped into its column, in lines of a
// height. What is long goes on on the next page.
func (s *sheet) row(columns []column, height fpdf.SizeType, texts ...string) {
	cells, most := make([][]string, len(texts)), 0
	for i, text := range texts {
		cells[i] = s.wrap(text, columns[i].size)
		most = max(most, len(cells[i]))
	}
	for n := range most {
		s.need(1, height)
		for i, lines := range cells {
			if n < len(lines) {
				s.put(fpdf.PointType{X: columns[i].left.X, Y: s.at.Y}, fpdf.SizeType{Wd: columns[i].size.Wd, Ht: height.Ht}, lines[n], columns[i].align)
			}
		}
		s.at.Y += height.Ht
	}
}

// wrap cuts a text into lines that fit, between words where it can.
func (s *sheet) wrap(text string, size fpdf.SizeType) []string {
	fits := func(line string) bool { return s.doc.GetStringWidth(line) <= size.Wd }
	var lines []string
	line := ""
	for _, word := range strings.Fields(s.font.clean(text)) {
		if line != "" && fits(line+" "+word) {
			line += " " + word
			continue
		}
		if line != "" {
			lines = append(lines, line)
		}
		line = ""
		for _, r := range word {
			if line != "" && !fits(line+string(r)) {
				lines = append(lines, line)
				line = ""
			}
			line += string(r)
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// rule draws a line across the page.
func (s *sheet) rule(shade int) {
	s.doc.SetDrawColor(shade, shade, shade)
	s.doc.SetLineWidth(1)
	s.doc.Line(left, s.at.Y, left+width, s.at.Y)
}
