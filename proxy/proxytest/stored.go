package proxytest

import (
	"io"
	"net/http"
	"sync"
)

// maxStored is how many objects a simulator keeps; the oldest go first.
const maxStored = 4096

// shelf keeps what requests have created, all of it in one account, as a vendor
// has it.
type shelf struct {
	mu    sync.Mutex
	kept  map[string]stored
	order []string
}

type stored struct {
	object  object
	content []byte // of a file
}

func (s *shelf) put(id string, o stored) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = make(map[string]stored)
	}
	if len(s.order) == maxStored {
		delete(s.kept, s.order[0])
		s.order = s.order[1:]
	}
	s.kept[id] = o
	s.order = append(s.order, id)
}

func (s *shelf) get(id string) (stored, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.kept[id]
	return o, ok
}

func (s *shelf) drop(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, id)
}

// maxFile is the largest file that is kept.
const maxFile = 8 << 20

// fileUpload keeps an uploaded file. Its bytes are never looked at.
// https://platform.openai.com/docs/api-reference/files
func fileUpload(x *exchange) {
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxFile)
	file, head, err := x.r.FormFile("file")
	if err != nil {
		x.fail(http.StatusBadRequest, "missing_required_parameter", "Missing required parameter: 'file'.")
		return
	}
	defer file.Close()
	content, err := io.ReadAll(file)
	if err != nil {
		x.fail(http.StatusBadRequest, "invalid_file", "The file could not be read.")
		return
	}
	id := "file-" + digest(x.record.Request)[:22]
	made := object{
		{"object", "file"}, {"id", id}, {"purpose", x.r.FormValue("purpose")}, {"filename", head.Filename}, {"bytes", int64(len(content))},
		{"created_at", x.at.Unix()}, {"status", "processed"}, {"status_details", nil},
	}
	x.sim.shelf.put(id, stored{made, content})
	x.record.Object = id
	x.send(http.StatusOK, made)
}

// storedNew creates a conversation or a vector store.
func storedNew(kind, prefix string) func(*exchange) {
	return func(x *exchange) {
		id := prefix + digest(x.record.Request)[:32]
		made := object{{"id", id}, {"object", kind}, {"created_at", x.at.Unix()}, {"metadata", object{}}}
		x.sim.shelf.put(id, stored{object: made})
		x.record.Object = id
		x.send(http.StatusOK, made)
	}
}

// storedOne returns an object.
func storedOne(x *exchange) {
	if o, ok := x.sim.shelf.get(x.r.PathValue("id")); ok {
		x.send(http.StatusOK, o.object)
		return
	}
	x.noObject()
}

// storedContent returns the bytes of a file.
func storedContent(x *exchange) {
	o, ok := x.sim.shelf.get(x.r.PathValue("id"))
	if !ok || o.content == nil {
		x.noObject()
		return
	}
	x.raw(http.StatusOK, "application/octet-stream", o.content)
}

// storedDelete forgets an object.
func storedDelete(x *exchange) {
	id := x.r.PathValue("id")
	o, ok := x.sim.shelf.get(id)
	if !ok {
		x.noObject()
		return
	}
	x.sim.shelf.drop(id)
	x.send(http.StatusOK, object{{"id", id}, {"object", text(o.object.first("object")) + ".deleted"}, {"deleted", true}})
}

func (x *exchange) noObject() {
	x.fail(http.StatusNotFound, "not_found", "No such object: '"+x.r.PathValue("id")+"'.")
}

// storedEndpoint is what endpoints of stored objects are called in records: they
// use no tokens.
const storedEndpoint = "openai.stored"

func storedEndpoints() map[string]endpoint {
	all := map[string]func(*exchange){
		"POST /v1/files":             fileUpload,
		"GET /v1/files/{id}/content": storedContent,
		"POST /v1/conversations":     storedNew("conversation", "conv_"),
		"POST /v1/vector_stores":     storedNew("vector_store", "vs_"),
	}
	for _, collection := range [...]string{"files", "responses", "conversations", "vector_stores"} {
		all["GET /v1/"+collection+"/{id}"] = storedOne
		all["DELETE /v1/"+collection+"/{id}"] = storedDelete
	}
	out := make(map[string]endpoint, len(all))
	for pattern, answer := range all {
		out[pattern] = endpoint{openAI, storedEndpoint, answer}
	}
	return out
}
