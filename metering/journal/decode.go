package journal

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirhq/weir/metering"
)

var errPayload = errors.New("the payload is shorter than it says")

// takeBlob splits a length-prefixed part off p.
func takeBlob(p []byte) (blob, rest []byte, err error) {
	if len(p) < 4 {
		return nil, nil, errPayload
	}
	n := uint64(binary.LittleEndian.Uint32(p))
	if n > uint64(len(p)-4) {
		return nil, nil, errPayload
	}
	return p[4 : 4+n], p[4+n:], nil
}

func clone(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// decodeIntent reads an intent.
func decodeIntent(r *record) (metering.Call, error) {
	var c metering.Call
	text, _, err := takeBlob(r.payload)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil {
		return metering.Call{}, fmt.Errorf("intent %d: %w", r.seq, err)
	}
	c.ID, c.At, c.Seq = r.id, r.at, r.seq
	return c, nil
}

// decodeCheckpoint reads the usage of a checkpoint.
func decodeCheckpoint(r *record) (metering.Usage, error) {
	var u metering.Usage
	text, rest, err := takeBlob(r.payload)
	if err == nil {
		err = json.Unmarshal(text, &u)
	}
	var raw []byte
	if err == nil {
		raw, _, err = takeBlob(rest)
	}
	if err != nil {
		return metering.Usage{}, fmt.Errorf("checkpoint %d: %w", r.seq, err)
	}
	u.Raw = clone(raw)
	return u, nil
}

// decodeFact reads a fact of the journal with that id.
func decodeFact(journal string, r *record) (*metering.Event, error) {
	e := new(metering.Event)
	text, rest, err := takeBlob(r.payload)
	if err == nil {
		err = json.Unmarshal(text, e)
	}
	var raw, properties []byte
	if err == nil {
		raw, rest, err = takeBlob(rest)
	}
	if err == nil {
		properties, _, err = takeBlob(rest)
	}
	if err != nil {
		return nil, fmt.Errorf("fact %d: %w", r.seq, err)
	}
	e.ID, e.At, e.Seq = r.id, r.at, r.intent
	e.Journal, e.FactSeq = journal, r.seq
	e.Usage.Raw, e.Properties = clone(raw), clone(properties)
	return e, nil
}
