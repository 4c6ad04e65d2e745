// Package proxy is the data plane: it stands between a client and an upstream,
// passes every byte on and writes down what passed.
//
// One call is one exchange, and its life is one row of steps, a file each:
//
//	identify  whose key it is, and for which customer it calls
//	route     which upstream, and what kind of path
//	inspect   model, stream and output cap, read off a body that stays as it is
//	owns      whether the objects that are named are the customer's
//	admit     whether this key may call this
//	intent    in the journal before the upstream is called
//	forward   our own head, built from the client's; the answer's head read
//	relay     bytes as they come, seen by a scanner on the way
//	settle    the fact in the journal before the last byte is released
//
// The package owns the connections on both sides. One goroutine serves a client
// connection and the upstream's in turn; one more, of [Server.Serve], watches
// all clients for hanging up. Request heads are parsed by fasthttp, whose parser
// is the hardened part of it. Its connection loop is not used: it keeps a buffer
// of the largest head (32 KiB) with every connection for as long as a stream
// runs and reads bodies before the key is known. The upstream's side is a small
// strict HTTP/1.1 client of our own, so that an answer is decoded in the buffer
// it was read into and leaves from there.
//
// An answer of 101 makes the exchange a WebSocket: one more goroutine carries
// what the client sends, and has ended before the exchange does. Frames pass as
// they come; a reader beside them shows whole messages to the dialect's session,
// and every turn that ends is an event of its own beside the socket's.
//
// A client that shuts down only its sending side counts as gone, as with nginx.
// Trailers pass both ways. A request is sent again only as long as nothing of an
// answer has reached the client, and only if the upstream cannot have begun: not
// a byte of it had been written, or the answer says that nothing ran, see the
// table in ruling.go. What else may be repeated is the configuration's to say. It
// is one call all the same: one intent, one fact, with its attempts. A request
// that an upstream has refused for our splice with 400 is followed by the
// client's own.
package proxy
