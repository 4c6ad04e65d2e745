package proxytest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// Opcodes of frames (RFC 6455, 5.2).
const (
	frameText  = 0x1
	frameClose = 0x8
	framePing  = 0x9
	framePong  = 0xa
)

// maxFrames bounds a message of a client, fragments together.
const maxFrames = 16 << 20

var (
	errFrame  = errors.New("malformed frame, or a message that is too large")
	errClosed = errors.New("the client has closed the socket")
)

// frames is the provider's end of a WebSocket.
type frames struct {
	c net.Conn
	r *bufio.Reader
}

// read returns the next message of the client; errClosed after it has closed. Pings
// are answered.
func (f *frames) read() ([]byte, error) {
	var message []byte
	for {
		op, fin, p, err := f.frame()
		switch {
		case err != nil:
			return nil, err
		case op == frameClose:
			return nil, errors.Join(errClosed, f.write(frameClose, p))
		case op == framePing:
			if err := f.write(framePong, p); err != nil {
				return nil, err
			}
		case op >= frameClose:
		default:
			if message = append(message, p...); len(message) > maxFrames {
				return nil, errFrame
			}
			if fin {
				return message, nil
			}
		}
	}
}

func (f *frames) frame() (op byte, fin bool, p []byte, err error) {
	var head [14]byte
	if _, err := io.ReadFull(f.r, head[:2]); err != nil {
		return 0, false, nil, err
	}
	n, more := uint64(head[1]&0x7f), 4
	switch n {
	case 126:
		more += 2
	case 127:
		more += 8
	}
	if _, err := io.ReadFull(f.r, head[2:2+more]); err != nil {
		return 0, false, nil, err
	}
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(head[2:]))
	case 127:
		n = binary.BigEndian.Uint64(head[2:])
	}
	if head[1]&0x80 == 0 || head[0]&0x70 != 0 || n > maxFrames {
		return 0, false, nil, errFrame
	}
	p = make([]byte, n)
	if _, err := io.ReadFull(f.r, p); err != nil {
		return 0, false, nil, err
	}
	for i := range p {
		p[i] ^= head[more-2+i%4]
	}
	return head[0] & 0x0f, head[0]&0x80 != 0, p, nil
}

// write sends one frame.
func (f *frames) write(op byte, p []byte) error {
	b := []byte{0x80 | op}
	switch n := len(p); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	_, err := f.c.Write(append(b, p...))
	return err
}
