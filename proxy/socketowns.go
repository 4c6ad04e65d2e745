package proxy

import (
	"errors"
	"slices"

	"github.com/weirhq/weir/metering/dialect"
)

// errObject ends a socket whose client names what its customer has not created.
var errObject = errors.New("a message names an object that is not the customer's")

// names notes the stored objects that a message of the client names. Items are
// not among them: those of a session live in it.
func (s *socket) names(message []byte, binary bool) {
	if binary || !s.x.shares() {
		return
	}
	read := dialect.NewReferenceReader(s.x.route, "application/json")
	if read == nil {
		return
	}
	read.Feed(message)
	found, err := read.References()
	if err != nil {
		s.unclear = true
		return
	}
	s.named = append(s.named, slices.DeleteFunc(found, func(o dialect.Object) bool { return o.Kind == dialect.KindItem })...)
}

// owns decides on what has been named, before the end of the message goes on.
func (s *socket) owns() error {
	if s.unclear {
		return errObject
	}
	if len(s.named) == 0 {
		return nil
	}
	named := s.named
	s.named = nil
	if f := s.x.mine(named, s.x.s.o.Objects.Foreign); f != nil {
		return errObject
	}
	return nil
}

// note tells of the response that a turn has made.
func (s *socket) note(t *dialect.Turn) {
	if id := t.Usage.ObjectID; id != "" && s.x.shares() {
		s.x.s.o.Objects.Noted(&s.x.event.Call, dialect.Object{Kind: dialect.KindResponse, ID: id})
	}
}
