package proxy

import (
	"encoding/binary"
	"errors"
)

// Opcodes of frames (RFC 6455, 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
)

// maxControl is the largest payload of a control frame.
const maxControl = 125

// errFrames says that bytes are no WebSocket frames, or frames that contradict
// each other.
var errFrames = errors.New("malformed WebSocket frames")

// frame is the header of the frame that is passing, and how far it has passed.
// The zero value waits for a header.
type frame struct {
	raw  [14]byte // of the header
	have int      // bytes of it that have come
	left uint64   // payload bytes that have not passed

	op         byte
	fin        bool
	compressed bool // RSV1 (RFC 7692, 6)
	masked     bool
	mask       [4]byte
	turn       int // of the mask: the byte that comes next
	begun      bool
}

// header takes what is missing of the header off p and returns how many bytes
// that was. Afterwards begun says whether it is whole.
func (f *frame) header(p []byte) (used int, err error) {
	for used < len(p) && !f.begun {
		f.raw[f.have] = p[used]
		f.have++
		used++
		if f.have >= 2 && f.have == f.size() {
			if err := f.understand(); err != nil {
				return used, err
			}
			f.begun = true
		}
	}
	return used, nil
}

// size is the length of the header, which its first two bytes decide.
func (f *frame) size() int {
	n := 2
	switch f.raw[1] & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if f.raw[1]&0x80 != 0 {
		n += 4
	}
	return n
}

// understand reads a header. Whether a side masks its payload is between the two
// of them; what would make two readers see different messages is an error.
func (f *frame) understand() error {
	f.op, f.fin, f.compressed = f.raw[0]&0x0f, f.raw[0]&0x80 != 0, f.raw[0]&0x40 != 0
	f.masked = f.raw[1]&0x80 != 0
	at := 2
	switch n := f.raw[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(f.raw[2:]))
		at = 4
	case 127:
		f.left = binary.BigEndian.Uint64(f.raw[2:])
		at = 10
	default:
		f.left = uint64(n)
	}
	if f.masked {
		copy(f.mask[:], f.raw[at:])
	}
	switch {
	case f.raw[0]&0x30 != 0, f.left>>63 != 0:
		return errFrames
	case f.op >= opClose && (!f.fin || f.left > maxControl || f.compressed):
		return errFrames
	case f.op > opBinary && f.op < opClose, f.op > opPong:
		return errFrames
	}
	return nil
}

// unmask takes the mask off bytes of the payload, which come in order.
func (f *frame) unmask(p []byte) {
	if !f.masked {
		return
	}
	var key [8]byte
	for i := range key {
		key[i] = f.mask[(f.turn+i)&3]
	}
	f.turn = (f.turn + len(p)) & 3
	wide := binary.LittleEndian.Uint64(key[:])
	for len(p) >= 8 {
		binary.LittleEndian.PutUint64(p, binary.LittleEndian.Uint64(p)^wide)
		p = p[8:]
	}
	for i := range p {
		p[i] ^= key[i]
	}
}
