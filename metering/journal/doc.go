// Package journal is the durable local log of calls: an intent before the
// upstream is called, checkpoints while a long answer runs, and one fact when
// the call has ended. What a process wrote here survives its death, and the
// next process settles what was left open.
//
// # Guarantees
//
// When [Journal.Begin], [Journal.Checkpoint] or [Journal.Finish] returns nil,
// the record has been handed to the kernel by write(2): killing the process
// loses nothing. Power loss loses at most what was written in the last
// Options.Sync plus the time of one fdatasync; with a negative Options.Sync it
// loses nothing that was answered. [Journal.Facts] offers only facts that
// fdatasync has confirmed, so that nothing outside ever knows more than the
// directory does after a power loss.
//
// When Finish returns an error that wraps [ErrParked], the fact is kept in
// memory and written as soon as the directory can be written again; it is lost
// only if the process dies before that, and then the call is settled from its
// intent and last checkpoint at the next [Open]. A call whose Begin failed may,
// if the process dies before the directory can be written again, appear as a
// crashed call without usage.
//
// # Directory
//
//	id          identity of the journal, minted once
//	lock        held by flock(2) while a process uses the directory
//	nonces      what claims on the registry have presented
//	clock       no instant given out is later than this one
//	000001.wal  segments
//
// # Segments
//
// A segment is eight bytes of magic, a header record and records. All integers
// are little endian. A record is
//
//	u32 length of what follows the checksum
//	u32 CRC-32C of what follows
//	u8  kind: 1 intent, 2 checkpoint, 3 fact, 4 segment header
//	u8  format version, 1
//	u16 zero
//	u32 how many records before this one were not yet durable when it was made
//	u64 sequence number, one sequence over all records
//	u64 sequence number of the intent, 0 for a fact without one
//	i64 instant: of authorisation, of a checkpoint itself
//	16  event id
//	sections: u32 length, fields. An intent has one of the call, a checkpoint one
//	of the usage, a fact one of the call and the event and one of the usage
//
// A field is a byte, its number × 4 + its form, and then: form 0 a varint, form
// 1 a varint length and bytes, form 2 a u32 length and bytes, form 3 nothing,
// which means true. Fields that are zero are left out. The usage object and
// the properties are in it verbatim.
//
// In a segment header the sequence number is that of the first record, the
// intent field is the last fact before the segment, the instant is the latest
// one given out, the id is the journal's, and the count is that of the records
// that were durable before the segment got its name. A segment holds every record from
// its first on until the first of the next segment: what lies behind that in
// an earlier segment was written again, because a write or an fdatasync of the
// earlier one failed, and is void.
//
// New fields and sections may be added within a format version; readers ignore
// what they do not know.
package journal
