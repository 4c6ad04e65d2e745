package dialect

import (
	"bytes"
	"mime"
	"strings"
)

const (
	// maxPartHead is the longest head of a part of a form; it has a name, a file's
	// name and a type.
	maxPartHead = 8 << 10
	// purposeBatch is the purpose of a file whose lines are requests.
	purposeBatch = "batch"
)

// delimiterOf is the delimiter of a multipart body.
func delimiterOf(contentType string) (string, bool) {
	if len(contentType) < 10 || !strings.EqualFold(contentType[:10], "multipart/") {
		return "", false
	}
	_, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", true
	}
	return params["boundary"], true
}

// referencesInForm finds the stored objects that a multipart body names (RFC 7578): in
// its fields, and in the lines of a file that is to be run as a batch. Files are
// the client's and passed over otherwise.
type referencesInForm struct {
	referenceScan // of a field, or of one that holds JSON

	lines   referenceScan // of a file
	delim   []byte
	buf     []byte // what may be the beginning of a delimiter, or a head
	state   partState
	name    string
	file    bool
	json    bool // the field holds JSON
	value   []byte
	purpose string
}

type partState uint8

const (
	partContent partState = iota
	partDelimited
	partHead
	partEnded
)

func newReferenceForm(boundary string, rules referenceRules) *referencesInForm {
	f := &referencesInForm{delim: []byte("\r\n--" + boundary)}
	f.rules, f.lines.rules = rules, rules
	f.buf = append(f.buf, "\r\n"...) // the first delimiter may begin the body
	f.bad = boundary == ""
	f.file = true // the preamble is nothing
	return f
}

// feed sees the next bytes.
func (f *referencesInForm) feed(p []byte) {
	f.buf = append(f.buf, p...)
	for !f.bad && f.state != partEnded && f.step() {
	}
	if f.state == partEnded || f.bad {
		f.buf = nil
	}
}

// step reads what it can and reports whether there may be more.
func (f *referencesInForm) step() bool {
	switch f.state {
	case partContent:
		at := bytes.Index(f.buf, f.delim)
		if at < 0 {
			if sure := len(f.buf) - len(f.delim) + 1; sure > 0 {
				f.content(f.buf[:sure])
				f.take(sure)
			}
			return false
		}
		f.content(f.buf[:at])
		f.part()
		f.take(at + len(f.delim))
		f.state = partDelimited
	case partDelimited:
		if len(f.buf) < 2 {
			return false
		}
		f.state = partHead
		if string(f.buf[:2]) == "--" {
			f.state = partEnded
		}
	case partHead:
		// The line break behind the delimiter belongs to an empty head.
		at := bytes.Index(f.buf, []byte("\r\n\r\n"))
		if at < 0 {
			f.bad = f.bad || len(f.buf) > maxPartHead
			return false
		}
		f.head(f.buf[:at])
		f.take(at + 4)
		f.state = partContent
	}
	return true
}

// take drops n bytes.
func (f *referencesInForm) take(n int) { f.buf = append(f.buf[:0], f.buf[n:]...) }

// head reads the head of a part.
func (f *referencesInForm) head(head []byte) {
	f.name, f.file, f.json, f.value = "", false, false, f.value[:0]
	f.line()
	f.lines.line()
	for _, line := range bytes.Split(head, []byte("\r\n")) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(bytes.TrimSpace(name), []byte("content-disposition")) {
			f.disposition(value)
		}
	}
}

// disposition reads the name of a part. A name that two parsers could read
// differently is bad.
func (f *referencesInForm) disposition(value []byte) {
	for len(value) > 0 {
		var param []byte
		param, value = cutParameter(value)
		key, text, _ := bytes.Cut(bytes.TrimSpace(param), []byte("="))
		switch strings.ToLower(string(bytes.TrimSpace(key))) {
		case "filename", "filename*":
			f.file = true
		case "name*":
			f.bad = true
		case "name":
			name := string(bytes.Trim(bytes.TrimSpace(text), `"`))
			f.bad = f.bad || f.name != "" || strings.ContainsAny(name, "\\%")
			f.name = name
		}
	}
}

// cutParameter cuts at the first semicolon that is not in quotes.
func cutParameter(b []byte) (param, rest []byte) {
	quoted := false
	for i, c := range b {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ';' && !quoted:
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// content sees bytes of a part.
func (f *referencesInForm) content(p []byte) {
	switch {
	case len(p) == 0:
	case f.file:
		f.fileContent(p)
	case f.json:
		f.referenceScan.feed(p)
	case len(f.value) == 0 && (p[0] == '{' || p[0] == '['):
		f.json = true
		f.referenceScan.feed(p)
	default:
		f.value = append(f.value, p[:min(len(p), maxReferenceText+1-len(f.value))]...)
	}
}

// fileContent reads lines, each a text of its own: JSON has no raw line break
// inside of a text.
func (f *referencesInForm) fileContent(p []byte) {
	if f.purpose != "" && f.purpose != purposeBatch {
		return
	}
	for {
		at := bytes.IndexByte(p, '\n')
		if at < 0 {
			break
		}
		f.lines.feed(p[:at])
		f.lines.line()
		p = p[at+1:]
	}
	f.lines.feed(p)
}

// part ends a part.
func (f *referencesInForm) part() {
	if f.file || f.json || f.name == "" {
		return
	}
	if f.name == "purpose" {
		f.purpose = string(f.value)
		return
	}
	name, _, _ := strings.Cut(f.name, "[")
	rule := f.rules.lookUp([]byte(name))
	switch rule.form {
	case namesNone, namesSkip, namesItems:
		return
	case namesInner:
		if !strings.HasSuffix(f.name, "[id]") {
			return
		}
		rule.form = namesText
	}
	f.long = false
	f.referenceScan.value(rule, f.value)
}

// references returns what the whole form names; it is bad if it was not whole.
func (f *referencesInForm) references() (found []Object, bad bool) {
	found = f.found
	bad = f.bad || f.state != partEnded
	if f.purpose == purposeBatch {
		bad = bad || f.lines.bad
		found = append(found[:len(found):len(found)], f.lines.found...)
	}
	return found, bad || len(found) > maxReferences
}
