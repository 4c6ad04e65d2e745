package dialect

import "strings"

// Object is something that a provider keeps and hands out by its id. All
// customers share the operator's account, so whoever created it must be asked
// for before it is used.
type Object struct {
	Kind string // one of the kinds below
	ID   string // as the provider calls it, without the name of its collection
}

// Kinds of objects. Of what lives inside another object, such as the messages of
// a thread, the provider sees to it that it is inside.
const (
	KindAgent         = "agent"
	KindAssistant     = "assistant"
	KindBatch         = "batch"
	KindCache         = "cached_content"
	KindCall          = "call" // of a realtime session
	KindCompletion    = "completion"
	KindContainer     = "container"
	KindConversation  = "conversation"
	KindEnvironment   = "environment"
	KindFile          = "file"
	KindFineTuning    = "fine_tuning_job"
	KindInteraction   = "interaction"
	KindItem          = "item" // of a stored response: a message, a reasoning, an image, a sound
	KindModel         = "model"
	KindOperation     = "operation"
	KindPrediction    = "prediction" // Replicate's
	KindResponse      = "response"
	KindSearchStore   = "file_search_store"
	KindSecret        = "client_secret" // lets its holder call the provider directly
	KindSession       = "session"
	KindSkill         = "skill"
	KindThread        = "thread"
	KindTunedModel    = "tuned_model"
	KindUpload        = "upload"
	KindVectorStore   = "vector_store"
	KindVideo         = "video"
	KindVertexDataset = "dataset"
	KindVoice         = "voice"
)

// Maker is a [Scanner] that knows what an answer has brought into being.
type Maker interface {
	Scanner

	// Made returns the objects that, by the bytes seen so far, are the caller's from
	// now on: what the call has created, and what the provider has put beside an
	// object of the caller, such as the output file of a batch. It is nil before
	// any is known, its beginning never changes, and it must not be called after
	// Close.
	Made() []Object
}

// maxMade bounds the objects of one answer.
const maxMade = 64

// maxObjectID is the longest id that is taken; the longest recorded one has 60
// characters.
const maxObjectID = 256

// make notes an object by its raw id; what is no id is none.
func (a *answer) make(kind string, rawID []byte) {
	if len(rawID) < 3 || rawID[0] != '"' || len(rawID) > maxObjectID {
		return
	}
	a.makeID(kind, unquote(rawID))
}

func (a *answer) makeID(kind, id string) {
	if id == "" || len(id) > maxObjectID || len(a.made) == maxMade {
		return
	}
	o := Object{Kind: kind, ID: id}
	for _, have := range a.made {
		if have == o {
			return
		}
	}
	a.made = append(a.made, o)
}

// Made implements [Maker].
func (s *scanner) Made() []Object {
	a := s.read.state()
	if a.status >= 300 {
		return nil
	}
	if s.route.Creates != "" && !s.created && s.stored() {
		id := a.id.String()
		if strings.HasPrefix(string(s.route.Endpoint), "gemini.") {
			id = googleID(s.route.Creates, id) // a batch is known by its whole name
		}
		if id != "" {
			// What a stream makes later comes behind what it is.
			s.created = true
			s.made = append(s.made, Object{Kind: s.route.Creates, ID: id})
		}
	}
	if s.route.Creates == KindResponse && !s.req.Stored {
		return s.made // nor are its items
	}
	if n := len(s.made) - s.own(); n < len(a.made) {
		s.made = append(s.made, a.made[n:]...)
	}
	return s.made
}

// stored reports whether the provider keeps what the answer is.
func (s *scanner) stored() bool {
	switch s.route.Creates {
	case KindResponse, KindCompletion, KindInteraction:
		return s.req.Stored
	default:
		return true
	}
}

// own is how many of the objects made are the one that was asked for.
func (s *scanner) own() int {
	if s.created {
		return 1
	}
	return 0
}
