package deferred

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"github.com/weirhq/weir/metering"
	"github.com/weirhq/weir/metering/dialect"
)

// externalID names the one event of an object, or of a part of it.
func externalID(d *Deferral, part int64) string {
	id := "deferred/" + d.Call.Provider + "/" + d.Kind + "/" + d.Object
	if part > 0 {
		id += "/" + strconv.FormatInt(part, 10)
	}
	return id
}

// eventID makes the id of an object's event: the time is when the work ended,
// the rest is derived from the object, so that whoever finds out makes the same.
func eventID(d *Deferral, found *Found) metering.ID {
	sum := sha256.Sum256([]byte(d.Call.Org + "\x00" + externalID(d, found.Part)))
	var id metering.ID
	copy(id[:], sum[:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(max(0, int64(found.Ended)))/1000)
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70 // version 7
	id[8] = id[8]&0x3f | 0x80 // RFC 9562
	return id
}

// event is the record of work that has ended. It belongs to the creator and to
// the period in which the work ended; its prices are those of its creation.
func event(d *Deferral, found *Found) *metering.Event {
	e := &metering.Event{Call: d.Call, Name: cmp.Or(d.Call.EventName, metering.EventLLM)}
	e.ID, e.Seq, e.EventName = eventID(d, found), 0, ""
	e.At, e.End, e.PricedAt = found.Ended, found.Ended, d.Call.At
	e.Metered, e.Stream, e.BodyBytes = true, false, 0
	e.Endpoint = d.Call.Endpoint + "_deferred" // apart from the call that asked for it
	e.Outcome, e.Status = metering.OutcomeComplete, found.Status
	e.ExternalID = externalID(d, found.Part)
	e.Usage = found.Usage
	e.Usage.ObjectID = d.Object
	if d.Kind == dialect.KindBatch && e.Usage.ServiceTier == "" {
		e.Usage.ServiceTier = tierBatch
	}
	return e
}

// tierBatch is the condition under which batches are priced.
const tierBatch = "batch"
