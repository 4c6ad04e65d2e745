package proxy

// Outline returns the outline of a body that comes in pieces.
func Outline(pieces ...[]byte) ([]byte, bool) {
	var o outline
	for _, p := range pieces {
		o.feed(p)
	}
	return o.document()
}

// Dechunk decodes a chunked body that comes in pieces, and returns what came
// behind it.
func Dechunk(pieces ...[]byte) (data, behind []byte, finished bool, err error) {
	var d chunked
	for _, p := range pieces {
		p = append([]byte(nil), p...)
		n, used, err := d.decode(p)
		data = append(data, p[:n]...)
		if err != nil {
			return data, nil, false, err
		}
		behind = append(behind, p[used:]...)
	}
	return data, behind, d.finished, nil
}

// Messages reads the messages of one direction of a socket that comes in pieces.
// ok says whether all of it could be read.
func Messages(deflated, takeover bool, show func(p []byte, binary bool), pieces ...[]byte) (ok bool) {
	m := messages{pools: new(pools), deflate: deflated}
	if takeover {
		m.window = new(window)
	}
	for _, p := range pieces {
		m.read(p, show)
	}
	return m.err == nil && !m.missed
}

// Glob reports whether a name is of a pattern.
func Glob(pattern, name string) bool { return glob(pattern, name) }
