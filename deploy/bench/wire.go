package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// wire reads HTTP/1.1 messages off a connection with little work: the load and
// the upstream share a processor, and what they spend there bounds how busy the
// proxies can be kept.
type wire struct {
	net.Conn
	buf  []byte
	r, w int // unread bytes are buf[r:w]
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, buf: make([]byte, 16<<10)} }

// fill reads more bytes.
func (c *wire) fill() error {
	if c.r > 0 {
		copy(c.buf, c.buf[c.r:c.w])
		c.r, c.w = 0, c.w-c.r
	}
	if c.w == len(c.buf) {
		return errors.New("message larger than the buffer")
	}
	n, err := c.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	return err
}

// until returns the bytes up to and with end. They are valid until the next read.
func (c *wire) until(end string) ([]byte, error) {
	for {
		if i := bytes.Index(c.buf[c.r:c.w], []byte(end)); i >= 0 {
			b := c.buf[c.r : c.r+i+len(end)]
			c.r += len(b)
			return b, nil
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}

// take returns the next n bytes. They are valid until the next read.
func (c *wire) take(n int) ([]byte, error) {
	for c.w-c.r < n {
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	b := c.buf[c.r : c.r+n]
	c.r += n
	return b, nil
}

// head is what is needed of a message's head.
type head struct {
	first   string // request or status line
	length  int    // of the body, -1 if not stated
	chunked bool
}

// head reads the head of a message.
func (c *wire) head() (head, error) {
	b, err := c.until("\r\n\r\n")
	if err != nil {
		return head{}, err
	}
	h := head{length: -1}
	line, rest, _ := bytes.Cut(b, []byte("\r\n"))
	h.first = string(line)
	for len(rest) > 2 {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("content-length")):
			if h.length, err = strconv.Atoi(string(value)); err != nil {
				return head{}, fmt.Errorf("content-length: %w", err)
			}
		case bytes.EqualFold(name, []byte("transfer-encoding")):
			h.chunked = bytes.EqualFold(value, []byte("chunked"))
		}
	}
	return h, nil
}

// chunk returns the data of the next chunk, empty after the last one.
func (c *wire) chunk() ([]byte, error) {
	line, err := c.until("\r\n")
	if err != nil {
		return nil, err
	}
	size, _, _ := bytes.Cut(line[:len(line)-2], []byte(";"))
	n, err := strconv.ParseUint(string(size), 16, 31)
	if err != nil {
		return nil, fmt.Errorf("chunk size: %w", err)
	}
	data, err := c.take(int(n) + 2)
	if err != nil {
		return nil, err
	}
	return data[:n], nil
}

// body reads a whole body that must fit the buffer.
func (c *wire) body(h head) ([]byte, error) {
	if !h.chunked {
		return c.take(max(h.length, 0))
	}
	var all []byte
	for {
		data, err := c.chunk()
		if err != nil || len(data) == 0 {
			return all, err
		}
		all = append(all, data...)
	}
}
