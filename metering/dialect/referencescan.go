package dialect

import (
	"bytes"
	"slices"
	"strings"
)

const (
	// maxReferenceText is how much is kept of a text that comes in pieces: more than
	// any key or id, and enough of a URI.
	maxReferenceText = 600
	// maxScopes is how many values of members that have a rule may lie inside each
	// other; the APIs have three.
	maxScopes = 16
)

// referenceScan finds the stored objects that a JSON text names. It sees the text
// once, in pieces of any size, keeps a bounded part of it and checks no more
// syntax than it needs: depth costs a counter. A key that is there twice counts
// twice, whichever of the two a server would take.
type referenceScan struct {
	rules referenceRules
	found []Object
	// bad: there are more references than are looked up, or one is no id.
	bad bool

	depth  int
	base   int // depth outside of the value that is read
	skip   int // depth of a value that is passed over; 0: none is
	after  referenceRule
	closed bool
	last   []byte // the latest text, which is a key if a colon follows
	scopes []scope

	inText bool
	slash  bool // in a text, behind an odd number of backslashes
	long   bool // the text is longer than what is kept of it
	text   []byte
}

// scope is a value that is being read and in which something counts.
type scope struct {
	rule  referenceRule
	depth int
	item  item
}

// Forms that only scopes and members of items have.
const (
	namesItem referenceForm = iota + 100
	namesItemID
	namesItemType
	namesItemSealed
	namesItemResult
	namesItemRole
)

// item is an element of a list of items (https://platform.openai.com/docs/api-reference/responses/create).
// One that has its content is complete, and its id is a label that a client may
// have made up. One that has none stands for a stored item: a reference by name,
// a reasoning whose content the server has, an image that it has made.
type item struct {
	id, kind             string
	sealed, result, role bool // there is encrypted_content, result, role
}

// stands reports whether the item stands for a stored one.
func (i *item) stands() bool {
	switch i.kind {
	case "item_reference":
		return true
	case "reasoning":
		return !i.sealed
	case "image_generation_call":
		return !i.result
	case "":
		return !i.role
	default:
		return false
	}
}

// feed sees the next bytes and returns how many of them belong to the value that
// is read: all, or up to its last bracket.
func (s *referenceScan) feed(p []byte) int {
	for i := 0; i < len(p); {
		if s.inText {
			i += s.readText(p[i:])
			continue
		}
		switch c := p[i]; c {
		case '"':
			if n := bytes.IndexByte(p[i+1:], '"'); n >= 0 && (n == 0 || p[i+n] != '\\') {
				s.long = false
				s.textEnd(p[i+1 : i+1+n]) // nearly every text
				i += n + 2
				continue
			}
			s.inText, s.slash, s.long, s.text, s.last = true, false, false, s.text[:0], nil
		case '{', '[':
			s.open(c)
		case '}', ']':
			if s.shut(); s.depth <= s.base {
				s.closed = true
				return i + 1
			}
		case ':':
			s.colon()
		case ',':
			s.after, s.last = referenceRule{}, nil
		}
		i++
	}
	if s.last != nil {
		// It lies in p, or at the beginning of text.
		s.text = append(s.text[:0], s.last...)
		s.last = s.text
	}
	return len(p)
}

// readText reads on in a text and returns how many bytes belong to it.
func (s *referenceScan) readText(p []byte) int {
	for at := 0; ; {
		n := bytes.IndexByte(p[at:], '"')
		if n < 0 {
			s.slash = s.odd(p[at:])
			s.keep(p)
			return len(p)
		}
		escaped := s.odd(p[at : at+n])
		s.slash = false
		at += n
		if escaped {
			at++
			continue
		}
		s.inText = false
		if len(s.text) == 0 && !s.long {
			s.textEnd(p[:at])
		} else {
			s.keep(p[:at])
			s.textEnd(s.text)
		}
		return at + 1
	}
}

// odd reports whether what follows p is escaped.
func (s *referenceScan) odd(p []byte) bool {
	n := trailingSlashes(p)
	return (n%2 == 1) != (n == len(p) && s.slash)
}

func (s *referenceScan) keep(p []byte) {
	room := maxReferenceText - len(s.text)
	if len(p) > room {
		s.long = true
		p = p[:room]
	}
	s.text = append(s.text, p...)
}

// line forgets where in a value the scan is: what comes next is another text.
func (s *referenceScan) line() {
	s.depth, s.skip, s.after, s.last, s.scopes = 0, 0, referenceRule{}, nil, s.scopes[:0]
	s.inText, s.slash, s.long, s.closed = false, false, false, false
}

// textEnd takes a whole text, or the beginning of a long one.
func (s *referenceScan) textEnd(raw []byte) {
	s.last = nil
	switch {
	case s.skip > 0:
	case s.after.form != namesNone:
		rule := s.after
		s.after = referenceRule{}
		s.value(rule, raw)
	case s.inside(namesList), s.inside(namesNames):
		s.value(s.scopes[len(s.scopes)-1].rule, raw)
	case len(raw) <= 6*longestReference:
		s.last = raw
	}
}

// inside reports whether what comes next lies directly in a value of that form.
func (s *referenceScan) inside(form referenceForm) bool {
	n := len(s.scopes)
	return n > 0 && s.scopes[n-1].depth == s.depth && s.scopes[n-1].rule.form == form
}

// value takes the text of a member that has a rule.
func (s *referenceScan) value(rule referenceRule, raw []byte) {
	long := s.long || len(raw) > maxReferenceText
	raw = plainText(raw[:min(len(raw), maxReferenceText)])
	id := string(raw)
	switch rule.form {
	case namesText, namesList, namesID:
	case namesURI:
		id, long = googleFile(raw), false
	case namesName, namesNames:
		id = googleID(rule.kind, id)
	case namesSkill:
		if !strings.HasPrefix(id, vendorSkills) {
			return
		}
	case namesItemID, namesItemType, namesItemSealed, namesItemResult, namesItemRole:
		s.describe(rule.form, id)
		return
	default:
		return
	}
	s.bad = s.bad || long
	s.add(rule.kind, id)
}

// describe takes a member of an item.
func (s *referenceScan) describe(form referenceForm, text string) {
	i := &s.scopes[len(s.scopes)-1].item
	switch form {
	case namesItemID:
		s.bad = s.bad || i.id != "" && i.id != text
		i.id = text
	case namesItemType:
		s.bad = s.bad || i.kind != "" && i.kind != text
		i.kind = text
	case namesItemSealed:
		i.sealed = text != ""
	case namesItemResult:
		i.result = text != ""
	case namesItemRole:
		i.role = true
	}
}

// plainText decodes a text without its quotes.
func plainText(raw []byte) []byte {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	quoted := append(append(append(make([]byte, 0, len(raw)+2), '"'), raw...), '"')
	return []byte(unquote(quoted))
}

func (s *referenceScan) add(kind, id string) {
	o := Object{Kind: kind, ID: id}
	switch {
	case id == "", slices.Contains(s.found, o):
	case len(id) > maxObjectID, len(s.found) == maxReferences:
		s.bad = true
	default:
		s.found = append(s.found, o)
	}
}

// colon makes the latest text a key.
func (s *referenceScan) colon() {
	key := s.last
	s.last = nil
	if key != nil && s.skip == 0 {
		s.member(plainText(key))
	}
}

// member is told the key whose value comes next.
func (s *referenceScan) member(key []byte) {
	switch {
	case len(s.scopes) == 0:
	case s.inside(namesID), s.inside(namesInner):
		if string(key) == "id" {
			s.after = referenceRule{namesText, s.scopes[len(s.scopes)-1].rule.kind}
			return
		}
	case s.inside(namesItem):
		if form := itemForm(key); form != namesNone {
			s.after = referenceRule{form: form}
			return
		}
	}
	s.after = s.rules.lookUp(key)
}

// itemForm is what a member of an item says.
func itemForm(key []byte) referenceForm {
	switch string(key) {
	case "id":
		return namesItemID
	case "type":
		return namesItemType
	case "encrypted_content":
		return namesItemSealed
	case "result":
		return namesItemResult
	case "role":
		return namesItemRole
	default:
		return namesNone
	}
}

// open sees an opening bracket, of the value of a member that may have a rule.
func (s *referenceScan) open(c byte) {
	rule := s.after
	s.after, s.last = referenceRule{}, nil
	element := s.inside(namesItems)
	s.depth++
	if s.skip > 0 {
		return
	}
	list := c == '['
	switch rule.form {
	case namesSkip:
		s.skip = s.depth
		return
	case namesItems, namesList, namesNames:
		if !list {
			return
		}
	case namesID, namesInner:
		if list {
			return
		}
	default:
		if !element || list {
			return
		}
		rule.form = namesItem
	}
	if len(s.scopes) == maxScopes {
		s.bad = true
		return
	}
	s.scopes = append(s.scopes, scope{rule: rule, depth: s.depth})
}

// shut sees a closing bracket.
func (s *referenceScan) shut() {
	s.after, s.last = referenceRule{}, nil
	if n := len(s.scopes); n > 0 && s.scopes[n-1].depth == s.depth {
		last := &s.scopes[n-1]
		if last.rule.form == namesItem && last.item.stands() {
			s.add(KindItem, last.item.id)
		}
		s.scopes = s.scopes[:n-1]
	}
	if s.depth == s.skip {
		s.skip = 0
	}
	s.depth--
}
